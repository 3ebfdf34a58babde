# SPDX-License-Identifier: Apache-2.0
"""Preflight checks of the clinic's runs: each passes or raises BadInput with the next step.

See `rlhf.runs.preflight`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from data.errors import BadInput
from data.ids import REWARD_MODEL, parse_id
from data.store import Store
from data.views.frozen_rows import load_instructions
from rlhf.clinic.examination import find_examination

RunSettings: TypeAlias = Any
"""Settings of some kind of run: each kind has its own class, and a check reads the fields that its kinds share."""


def check_rows(store: Store, settings: RunSettings) -> None:
    """Check that the train split has rows and that the named snapshots hold instruction rows."""
    if not store.instructions.all(split="train", limit=1):
        raise BadInput(
            "this home has no instruction row of the train split",
            "Import some: preference-loop import FILE --as instructions",
        )
    for name in ("snapshot", "a", "b"):
        if getattr(settings, name, ""):
            load_instructions(store, getattr(settings, name))
    if hasattr(settings, "a") and settings.a == settings.b:
        raise BadInput("A and B are the same rows", "Name two different snapshots.", field="b")


def check_recipe(store: Store, settings: RunSettings) -> None:
    """Check that the rows were examined, and that ratings exist if quality counts."""
    find_examination(store, settings.embedded)
    counts = store.ratings.counts()
    there = sum(counts.values()) if settings.ratings == "all" else counts[settings.ratings]
    if settings.min_quality and not there:
        admit = (
            " or admit the simulated ones with ratings=simulated,"
            if counts["simulated"] and settings.ratings == "person"
            else ""
        )
        remedy = f"Rate some at /label/rate,{admit} or set min_quality=0."
        raise BadInput(
            f"min_quality={settings.min_quality:g} needs ratings, and there are none", remedy, field="ratings"
        )


def check_judge(store: Store, settings: RunSettings) -> None:
    """Check that the judge exists: the reward model, or a test prompt that the rubric knows."""
    if settings.judge == "reward":
        if not settings.reward:
            raise BadInput("judge=reward needs a reward model", "Name one: --set reward=r1", field="reward")
        store.reward_models.get(parse_id(settings.reward, REWARD_MODEL))
    elif not any(prompt.facts for prompt in store.prompts.all(split="test")):
        raise BadInput(
            "the rubric knows none of the test prompts",
            "Use a reward model as the judge: --set judge=reward --set reward=r1",
            field="judge",
        )


CHECKS = {"rows": check_rows, "recipe": check_recipe, "judge": check_judge}
