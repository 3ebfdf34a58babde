# SPDX-License-Identifier: Apache-2.0
"""Preflight checks of the clinic's runs: each passes or raises BadInput with the next step.

See `rlhf.runs.preflight`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from data.ids import REWARD_MODEL, parse_id
from data.settings import Settings
from data.store import Store
from data.views.frozen_rows import load_instructions
from labeling.texts.pages import bad_input
from rlhf.clinic.examination import find_examination
from rlhf.clinic.settings import ABSettings, CurateSettings, TrialSettings

Check = Callable[[Store, Any], None]
"""A check of (store, settings). Each kind of run has its own class of settings, so a table of checks cannot name it."""


def check_rows(store: Store, settings: Settings) -> None:
    """Check that the train split has rows and that the named snapshots hold instruction rows."""
    if not store.instructions.all(split="train", limit=1):
        raise bad_input("need.train_rows")
    for name in ("snapshot", "a", "b"):
        if snapshot := getattr(settings, name, ""):
            load_instructions(store, snapshot)
    if isinstance(settings, ABSettings) and settings.a == settings.b:
        raise bad_input("need.two_snapshots", field="b")


def check_recipe(store: Store, settings: CurateSettings) -> None:
    """Check that the rows were examined, and that ratings exist if quality counts."""
    find_examination(store, settings.embedded)
    counts = store.ratings.counts()
    count = sum(counts.values()) if settings.ratings == "all" else counts[settings.ratings]
    if settings.min_quality and not count:
        simulated = counts["simulated"] and settings.ratings == "person"
        key = f"need.ratings{'_or_simulated' if simulated else ''}"
        raise bad_input(key, quality=settings.min_quality, field="ratings")


def check_judge(store: Store, settings: TrialSettings) -> None:
    """Check that the judge exists: the reward model, or a test prompt that the rubric knows."""
    if settings.judge == "reward":
        if not settings.reward:
            raise bad_input("need.judge", field="reward")
        store.reward_models.get(parse_id(settings.reward, REWARD_MODEL))
    elif not any(prompt.facts for prompt in store.prompts.all(split="test")):
        raise bad_input("need.rubric_prompts", field="judge")


CHECKS: dict[str, Check] = {"rows": check_rows, "recipe": check_recipe, "judge": check_judge}
