# SPDX-License-Identifier: Apache-2.0
"""Preflight checks of the clinic's runs: each passes or raises BadInput with the next step.

See `rlhf.runs.preflight`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from data.errors import BadInput
from data.ids import REWARD_MODEL, parse_id
from data.settings import Settings
from data.store import Store
from data.views.frozen_rows import load_instructions
from rlhf.clinic.examination import find_examination
from rlhf.clinic.settings import ABSettings, CurateSettings, TrialSettings

Check = Callable[[Store, Any], None]
"""A check of (store, settings). Each kind of run has its own class of settings, so a table of checks cannot name it."""


def check_rows(store: Store, settings: Settings) -> None:
    """Check that the train split has rows and that the named snapshots hold instruction rows."""
    if not store.instructions.all(split="train", limit=1):
        raise BadInput(
            "this home has no instruction row of the train split",
            "Import some: preference-loop import FILE --as instructions",
        )
    for name in ("snapshot", "a", "b"):
        if snapshot := getattr(settings, name, ""):
            load_instructions(store, snapshot)
    if isinstance(settings, ABSettings) and settings.a == settings.b:
        raise BadInput("A and B are the same rows", "Name two different snapshots.", field="b")


def check_recipe(store: Store, settings: CurateSettings) -> None:
    """Check that the rows were examined, and that ratings exist if quality counts."""
    find_examination(store, settings.embedded)
    counts = store.ratings.counts()
    count = sum(counts.values()) if settings.ratings == "all" else counts[settings.ratings]
    if settings.min_quality and not count:
        simulated = counts["simulated"] and settings.ratings == "person"
        alternative = " or admit the simulated ones with ratings=simulated," if simulated else ""
        remedy = f"Rate some at /label/rate,{alternative} or set min_quality=0."
        raise BadInput(
            f"min_quality={settings.min_quality:g} needs ratings, and there are none", remedy, field="ratings"
        )


def check_judge(store: Store, settings: TrialSettings) -> None:
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


CHECKS: dict[str, Check] = {"rows": check_rows, "recipe": check_recipe, "judge": check_judge}
