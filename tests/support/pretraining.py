# SPDX-License-Identifier: Apache-2.0
"""A short text and runs of `pretrain` on it, for a model of two small layers."""

from __future__ import annotations

from pathlib import Path

from data.run_context import RunContext
from data.settings import as_dict, parse_settings
from rlhf.methods.pretrain import run
from rlhf.settings import PretrainSettings

TINY = {"hidden_size": 32, "layers": 2, "heads": 2, "vocab_size": 320, "context": 64, "batch_size": 4}


LINES = [
    f"The {thing} stood by the {place}."
    for thing in ("cat", "lamp", "harp", "fox", "boat")
    for place in ("door", "sea", "tree", "gate")
]


def context_of(store, settings, **about):
    """Queue a run of `pretrain` and return its context."""
    return RunContext(store, store.runs.enqueue("pretrain", as_dict(settings), "test", **about))


def pretrained(store, **settings):
    """Pre-train a tiny base; return (policy, report, context)."""
    parsed = parse_settings(PretrainSettings, TINY | settings)
    context = context_of(store, parsed)
    result = run(context, parsed)
    return store.policies.get(result.produced[0]), result.report, context


def write_lines(folder: Path) -> str:
    """Write LINES with empty lines between them to a file; return its path."""
    path = folder / "lines.txt"
    path.write_text("\n\n".join(LINES) + "\n")
    return str(path)
