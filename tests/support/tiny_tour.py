# SPDX-License-Identifier: Apache-2.0
"""A tour small enough for a test: its plan, its rubric and a worker in this process."""

from __future__ import annotations

import io

from data import Store
from data.run_context import RunContext
from data.settings import parse_settings
from rlhf.evaluation.compare import compare
from rlhf.kinds import KINDS
from rlhf.tour.narrator import Narrator
from rlhf.tour.stages import (
    TourPlan,
)

SHORT = {"max_new_tokens": 8}
PLAN = TourPlan(
    labels=66,
    sample=SHORT,
    ppo=SHORT | {"max_steps": 2, "batch_size": 32, "epochs": 1, "validation_prompts": 8},
    compare=SHORT | {"prompts": 12, "best_of": 8},
)
TASK = {"family": "capital", "key": "Peru", "answer": "e"}


def letters(facts: dict, text: str, ended: bool) -> dict[str, float]:
    """A trivial rubric: every letter e is worth half a point."""
    return {"fit": 0.5 * text.count("e"), "length": 0.01 * len(text)}


def here(store: Store, queued, watch) -> float:
    """Work a run in this process, comparing by the trivial rubric."""
    context = RunContext(store, store.runs.claim())
    settings = parse_settings(KINDS[queued.kind].settings_class(), queued.settings)
    run = KINDS[queued.kind].runner() if queued.kind != "compare" else lambda *given: compare(*given, letters)
    result = run(context, settings)
    watch(store.runs.get(queued.id))
    store.runs.finish(queued.id, "done", produced=result.produced, report=result.report)
    return 1.0


def narrator() -> Narrator:
    """A narrator whose lines nobody reads."""
    return Narrator(io.StringIO(), ["sample", "label", "reward", "ppo", "compare"])
