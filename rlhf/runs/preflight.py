# SPDX-License-Identifier: Apache-2.0
"""Preflight checks: each passes or raises BadInput with the next step, before a run is queued."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from data.errors import BadInput
from data.ids import REWARD_MODEL, parse_id
from data.records import Policy, RewardModel
from data.starter import BASE, SOURCE
from data.store import Store
from data.views.frozen_rows import load_instructions, load_preferences
from data.views.preferences import PEOPLE, preference_rows
from reward.base.locate import locate
from reward.prompt_parts import ALL, parse_part, trained_comparison_ids
from rlhf.clinic import checks as clinic
from rlhf.clinic.checks import RunSettings
from rlhf.methods.pretraining_text import read_text
from rlhf.models.contests import choose_contests
from rlhf.models.policy_loading import adapter_folder, choose_policies
from rlhf.models.reward_sources import missing_members, reward_record
from rlhf.models.start_policy import choose_first_policy, choose_start
from rlhf.sampling.pairing import find_project_id, prompts_per_split

NO_PROMPTS = "Run `preference-loop serve` once to load the demo prompts, or: preference-loop import FILE --as prompts"


def check_prompts(store: Store, settings: RunSettings) -> None:
    """Check that there are prompts; of the source that `prompts` names if it is not a number."""
    if not store.prompts.count():
        raise BadInput("this home has no prompts", NO_PROMPTS)
    source = getattr(settings, "prompts", "")
    if source and isinstance(source, str) and not store.prompts.all(split="train", source=source, limit=1):
        remedy = "Name the source of an import, or leave `prompts` empty for all."
        raise BadInput(f"no prompt of the train split comes from {source!r}", remedy, field="prompts")


def check_pairs(store: Store, settings: RunSettings) -> None:
    """Check that sampling makes pairs, of splits with prompts, for an existing labeling project."""
    prompts_per_split(store, settings)
    find_project_id(store, settings.project)


def check_answering_policies(store: Store, settings: RunSettings) -> None:
    """Check that the policy that answers, and the one it is compared with, can be used."""
    for one in choose_policies(store, settings.from_, settings.against):
        check_usable(store, one, settings)


def check_policy(store: Store, settings: RunSettings) -> None:
    """Check that the named policy, or the first one, can be used."""
    check_usable(store, choose_first_policy(store, settings.from_), settings)


def check_start(store: Store, settings: RunSettings) -> None:
    """Check that the policy to train from exists, has its own weights and can be used."""
    check_usable(store, choose_start(store, settings.from_), settings)


def check_usable(store: Store, policy: Policy, settings: RunSettings) -> None:
    """Check that a policy's base and adapter exist, and that answers fit if the run samples any."""
    locate(policy.base)
    if policy.adapter:
        adapter_folder(store, policy)
    if hasattr(settings, "max_new_tokens"):
        check_room(policy, settings)


def check_room(policy: Policy, settings: RunSettings) -> None:
    """Check that a prompt, `max_new_tokens` and an end token fit the base's context, if that is known."""
    context = context_length(policy.base)
    if context and settings.max_new_tokens > context - 2:
        raise BadInput(
            f"max_new_tokens={settings.max_new_tokens} does not fit {policy.public}: "
            f"the context of its base is {context} tokens for prompt and answer",
            f"Give at most {context - 2}, or less for long prompts.",
            field="max_new_tokens",
        )


def context_length(base: str) -> int | None:
    """Return a base's context in tokens by its config.json; None if there is no such figure."""
    try:
        config = json.loads(((BASE if base == SOURCE else Path(base)) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    config = config.get("text_config") or config
    return config.get("max_position_embeddings") or config.get("n_positions")


def check_contests(store: Store, settings: RunSettings) -> None:
    """Check that there are contests with room for the answers, and a judge."""
    for pair in choose_contests(store, settings):
        for one in pair:
            check_usable(store, one, settings)
    if settings.reward:
        store.reward_models.get(parse_id(settings.reward, REWARD_MODEL))
    elif settings.judge == "reward":
        raise BadInput("judge=reward needs a reward model", "Name one: --set reward=r1", field="reward")


def check_reward(store: Store, settings: RunSettings) -> None:
    """Check that the reward exists, or that there is a reward model to choose."""
    if settings.reward:
        reward_record(store, settings.reward)
    elif not store.reward_models.all():
        raise BadInput("there is no reward model yet", "Train one: preference-loop train reward", field="reward")


def check_uncertainty(store: Store, settings: RunSettings) -> None:
    """Check that a price on disagreement has an ensemble, as far as the settings show."""
    if settings.uncertainty:
        judge = _judge(store, settings)
        if judge is None or judge.config.get("members") == 1:
            raise missing_members(settings.uncertainty)


def check_guard(store: Store, settings: RunSettings) -> None:
    """Check that the guard exists and shares no training comparison with the reward."""
    if not settings.guard:
        return
    watcher = reward_record(store, settings.guard)
    judge = _judge(store, settings)
    if watcher is None or judge is None:  # nobody knows what a source has learned from
        return
    shared = trained_comparison_ids(store, watcher) & trained_comparison_ids(store, judge)
    if shared or watcher.id == judge.id:
        raise BadInput(
            f"{watcher.public} cannot guard {judge.public}: both were trained on {len(shared)} of the same comparisons",
            "Train two on other prompts: preference-loop train reward --set part=0-0.5, and again with part=0.5-1",
            field="guard",
        )


def _judge(store: Store, settings: RunSettings) -> RewardModel | None:
    """Return the reward model that drives, the newest if none is named; None for a reward source."""
    return reward_record(store, settings.reward) if settings.reward else store.reward_models.all()[-1]


def check_labels(store: Store, settings: RunSettings) -> None:
    """Check that there are comparisons to train on, and that `part` is a part.

    Simulated ones count only if the settings admit them.
    """
    parse_part(getattr(settings, "part", ALL))
    if getattr(settings, "snapshot", ""):
        load_preferences(store, settings.snapshot)
    else:
        preference_rows(store, source=getattr(settings, "labels", "") or PEOPLE)


def check_instructions(store: Store, settings: RunSettings) -> None:
    """Check that there is an instruction row to imitate."""
    if getattr(settings, "snapshot", ""):
        load_instructions(store, settings.snapshot)
    elif not store.instructions.count():
        raise BadInput(
            "this home has no instruction rows", "Import some: preference-loop import FILE --as instructions"
        )


def check_text(store: Store, settings: RunSettings) -> None:
    """Check that the text is readable, and that the policy exists or the heads divide the new model's width."""
    if settings.from_:
        check_usable(store, choose_start(store, settings.from_), settings)
    elif settings.hidden_size % (2 * settings.heads):
        near = max(1, settings.hidden_size // (2 * settings.heads)) * 2 * settings.heads
        raise BadInput(
            f"hidden_size={settings.hidden_size} cannot be divided into heads={settings.heads} of equal, even width",
            f"Give hidden_size={near}, or another number of heads.",
            field="heads",
        )
    read_text(settings.text, settings.column)


CHECKS: dict[str, Callable[[Store, RunSettings], object]] = {
    "prompts": check_prompts,
    "pairs": check_pairs,
    "policy": check_policy,
    "start": check_start,
    "speakers": check_answering_policies,
    "contests": check_contests,
    "reward": check_reward,
    "guard": check_guard,
    "uncertainty": check_uncertainty,
    "labels": check_labels,
    "instructions": check_instructions,
    "text": check_text,
    **clinic.CHECKS,
}
