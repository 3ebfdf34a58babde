# SPDX-License-Identifier: Apache-2.0
"""Preflight checks of runs. Each passes or raises BadInput with the next step, before a run is queued."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from data.ids import REWARD_MODEL, parse_id
from data.records import Policy
from data.settings import Settings, as_dict
from data.starter import BASE, SOURCE
from data.store import Store
from data.views.frozen_rows import load_instructions, load_preferences
from data.views.preferences import PEOPLE, parse_sources, stream_rows
from labeling.texts.pages import bad_input
from reward.base.locate import locate
from reward.base.text.context_length import stated_context
from reward.optional_packages import check_installed
from reward.prompt_parts import ALL, DRIVER_PART, count_shared, parse_part
from reward.settings import RewardSettings
from rlhf.clinic import checks as clinic
from rlhf.clinic.checks import Check
from rlhf.kinds import Kind
from rlhf.launchers.elsewhere import check_launcher
from rlhf.methods.pretraining_text import read_text
from rlhf.methods.simulate import check_waiting
from rlhf.models.contests import choose_contests
from rlhf.models.policy_loading import adapter_folder, choose_policies
from rlhf.models.reward_sources import choose_reward, missing_members, reward_record
from rlhf.models.start_policy import choose_first_policy, choose_start
from rlhf.ppo.people.panel import check_people
from rlhf.ppo.settings import PPOSettings
from rlhf.runs.memory_need import has_gpu
from rlhf.runs.preflight_rollouts import check_rollouts
from rlhf.runs.preflight_template import check_template_arguments
from rlhf.runs.preflight_weights import (
    ExportsModel,
    ReadsReward,
    StartsFromPolicy,
    check_adapter,
    check_adapter_to_merge,
    check_finetuning,
    check_named_adapter,
)
from rlhf.runs.processes.plan import plan_processes
from rlhf.runs.resolve import resolve_models
from rlhf.sampling.pairing import find_project_id, prompts_per_split
from rlhf.settings import CompareSettings, PretrainSettings, SampleSettings


def check(store: Store, kind: Kind, settings: Settings) -> Settings:
    """Check all that a run of this kind needs, and return the settings with the models that it would use.

    Raises BadInput for the first need that is missing.
    """
    for need in kind.needs:
        CHECKS[need](store, settings)
    models = resolve_models(store, kind, settings)
    is_here = check_launcher(store, kind.name, models)
    if is_here:
        check_installed(as_dict(models))
    check_template_arguments(store, models)
    check_rollouts(store, models, is_here=is_here)
    plan_processes(store.home, models, None if has_gpu() or not is_here else 0)  # torch counts GPUs, and is not loaded
    return models


def check_prompts(store: Store, settings: Settings) -> None:
    """Check that there are prompts. If `prompts` is a source and no number, check that it has train prompts."""
    if not store.prompts.count():
        raise bad_input("need.prompts")
    source = getattr(settings, "prompts", "")
    if source and isinstance(source, str) and not store.prompts.all(split="train", source=source, limit=1):
        raise bad_input("need.prompts_of_source", field="prompts", source=source)


def check_pairs(store: Store, settings: SampleSettings) -> None:
    """Check that the settings make pairs, the splits have prompts, and the labeling project exists."""
    prompts_per_split(store, settings)
    find_project_id(store, settings.project)


def check_answering_policies(store: Store, settings: SampleSettings) -> None:
    """Check that the policy that answers, and the one it is compared with, can be used."""
    for policy in choose_policies(store, settings.from_, settings.against):
        check_usable(store, policy, settings)


def check_policy(store: Store, settings: StartsFromPolicy) -> None:
    """Check that the named policy, or the first one, can be used."""
    check_usable(store, choose_first_policy(store, settings.from_), settings)


def check_start(store: Store, settings: StartsFromPolicy) -> None:
    """Check that the policy to train from exists, has its own weights and can be used."""
    check_usable(store, choose_start(store, settings.from_), settings)


def check_exported(store: Store, settings: ExportsModel) -> None:
    """Check that the reward model to export exists; without one, the policy."""
    if settings.reward:
        store.reward_models.get(settings.reward)
    else:
        check_usable(store, choose_start(store, settings.from_), settings)


def check_usable(store: Store, policy: Policy, settings: object) -> None:
    """Check that a policy's base and adapter exist, and that answers fit if the settings have `max_new_tokens`."""
    locate(policy.base)
    if policy.adapter:
        adapter_folder(store, policy)
    check_room(policy, getattr(settings, "max_new_tokens", 0))


def check_room(policy: Policy, max_new_tokens: int) -> None:
    """Check that a prompt, an answer and an end token fit the base's context, if its length is known."""
    context = context_length(policy.base)
    if context and max_new_tokens > context - 2:
        most, field = context - 2, "max_new_tokens"
        raise bad_input(
            "need.room", length=max_new_tokens, policy=policy.public, context=context, most=most, field=field
        )


def context_length(base: str) -> int | None:
    """Return a base's context in tokens from its config.json; None if the file does not state it."""
    try:
        config = json.loads(((BASE if base == SOURCE else Path(base)) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    stated = stated_context((config.get("text_config") or config).get)
    return stated.tokens if stated else None


def check_contests(store: Store, settings: CompareSettings) -> None:
    """Check that there are contests with room for the answers, and a judge."""
    for contest in choose_contests(store, settings):
        for policy in contest:
            check_usable(store, policy, settings)
    if settings.reward:
        store.reward_models.get(parse_id(settings.reward, REWARD_MODEL))
    elif settings.judge == "reward":
        raise bad_input("need.judge", field="reward")


def check_reward(store: Store, settings: ReadsReward) -> None:
    """Check that the reward exists, or that there is a driver to choose."""
    choose_reward(store, settings.reward)


def check_uncertainty(store: Store, settings: PPOSettings) -> None:
    """Check that the reward is an ensemble if the settings penalise its uncertainty."""
    if settings.uncertainty:
        judge = choose_reward(store, settings.reward)
        if judge is None or judge.config.get("members") == 1:
            raise missing_members(settings.uncertainty)


def check_guard(store: Store, settings: PPOSettings) -> None:
    """Check that the guard exists and shares no training comparison with the reward."""
    if not settings.guard_name:
        return
    guard = reward_record(store, settings.guard_name)
    judge = choose_reward(store, settings.reward)
    if guard is None or judge is None:  # the training data of an external reward are unknown
        return
    shared = count_shared(store, guard, judge)
    if shared or guard.id == judge.id:
        raise bad_input("need.other_guard", guard=guard.public, judge=judge.public, shared=shared, field="guard")


def check_labels(store: Store, settings: Settings) -> None:
    """Check that there are comparisons to train on, and that `part` is a part.

    Simulated ones count only if the settings admit them.
    """
    parse_part(getattr(settings, "part", ALL))
    if snapshot := getattr(settings, "snapshot", ""):
        load_preferences(store, snapshot)
    else:
        next(stream_rows(store, source=getattr(settings, "labels", "") or PEOPLE))


def check_guard_part(store: Store, settings: RewardSettings) -> None:
    """Check that a training which also makes a guard leaves the guard its part of the prompts."""
    if settings.guard == "yes" and settings.part not in (ALL, DRIVER_PART):
        raise bad_input("refused.guard_part", field="guard", part=settings.part)


def check_label_sources(store: Store, settings: Settings) -> None:
    """Check that `labels` names sources of labels; there may be no label yet."""
    parse_sources(getattr(settings, "labels", ""))


def check_project(store: Store, settings: Settings) -> None:
    """Check that the labeling project exists."""
    find_project_id(store, getattr(settings, "project", ""))


def check_instructions(store: Store, settings: Settings) -> None:
    """Check that there is an instruction row to imitate."""
    if snapshot := getattr(settings, "snapshot", ""):
        load_instructions(store, snapshot)
    elif not store.instructions.count():
        raise bad_input("need.instructions")


def check_text(store: Store, settings: PretrainSettings) -> None:
    """Check that the text is readable, and that the policy exists or the heads divide the new model's width."""
    if settings.from_:
        check_usable(store, choose_start(store, settings.from_), settings)
    elif settings.hidden_size % (2 * settings.heads):
        width = max(1, settings.hidden_size // (2 * settings.heads)) * 2 * settings.heads
        raise bad_input(
            "refused.heads", field="heads", hidden_size=settings.hidden_size, heads=settings.heads, width=width
        )
    read_text(settings.text, settings.column)


CHECKS: dict[str, Check] = {
    "prompts": check_prompts,
    "pairs": check_pairs,
    "policy": check_policy,
    "start": check_start,
    "exported": check_exported,
    "first adapter": partial(check_adapter, choose_first_policy),
    "start adapter": partial(check_adapter, choose_start),
    "adapter to merge": check_adapter_to_merge,
    "named adapter": check_named_adapter,
    "finetuning": check_finetuning,
    "answering policies": check_answering_policies,
    "contests": check_contests,
    "reward": check_reward,
    "guard": check_guard,
    "people": check_people,
    "uncertainty": check_uncertainty,
    "labels": check_labels,
    "guard part": check_guard_part,
    "label sources": check_label_sources,
    "project": check_project,
    "instructions": check_instructions,
    "text": check_text,
    "waiting pairs": check_waiting,
    **clinic.CHECKS,
}
