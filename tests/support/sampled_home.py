# SPDX-License-Identifier: Apache-2.0
"""A home with two policies on one base and prompts of every split, and sampling runs in it."""

from __future__ import annotations

from pathlib import Path

from data import Store
from data.run_context import RunContext
from data.settings import as_dict, parse_settings
from rlhf.methods.sample import run
from rlhf.settings import SampleSettings

SHORT = {"max_new_tokens": 6, "batch_size": 8, "test_share": 0.0}


def fill_sampled_home(store: Store, base: Path) -> Store:
    """Add two policies on one base, and prompts of every split."""
    store.policies.add(name="first", kind="base", base=str(base))
    store.policies.add(name="second", kind="base", base=str(base), parent_id=1)
    store.prompts.add_many({"text": f"Name {n} cats.", "source": "test"} for n in range(40))
    return store


def sample(store: Store, **settings: object) -> dict:
    """Do a sampling run of short answers; return its report."""
    chosen = parse_settings(SampleSettings, {**SHORT, **settings})
    context = RunContext(store, store.runs.enqueue("sample", as_dict(chosen), "test"))
    return run(context, chosen).report
