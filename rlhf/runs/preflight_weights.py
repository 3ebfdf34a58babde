# SPDX-License-Identifier: Apache-2.0
"""Preflight checks of the weights that a training changes: adapters that add up, and weights that are not quantised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from data.records import Policy
from data.store import Store
from labeling.texts.pages import bad_input
from reward.base.stackable import check_stackable
from reward.placement_settings import read_placement
from rlhf.models.policy_loading import adapter_folder
from rlhf.models.start_policy import choose_adapted, choose_start
from rlhf.settings import FULL, FinetuningSettings, check_trainable


class StartsFromPolicy(Protocol):
    """Settings that name a policy in `from_`."""

    from_: str


class ReadsReward(Protocol):
    """Settings that name a reward in `reward`."""

    reward: str


class ExportsModel(StartsFromPolicy, Protocol):
    """Settings that name a policy in `from_`, or in its place a reward model in `reward`."""

    reward: str


def check_adapter_to_merge(store: Store, settings: StartsFromPolicy) -> None:
    """Check that the policy has an adapter."""
    choose_adapted(store, settings.from_)


def check_adapter(choose: Callable[[Store, str], Policy], store: Store, settings: StartsFromPolicy) -> None:
    """Check that a training can add its adapter to that of the policy that `choose` returns for `from_`.

    A full fine-tuning adds none: the policy's adapter becomes part of the weights.
    """
    policy = choose(store, settings.from_)
    if not policy.adapter or getattr(settings, "finetuning", "") == FULL:
        return
    check_stackable(adapter_folder(store, policy), policy.public)
    if getattr(settings, "dora", False):
        raise bad_input("refused.dora", field="dora", public=policy.public)


def check_finetuning(store: Store, settings: FinetuningSettings) -> None:
    """Check that the weights can be trained if the settings train all of them: the home may quantise them."""
    if settings.finetuning == FULL:
        check_trainable(settings.quantize or read_placement(store.home)["quantize"])


def check_named_adapter(store: Store, settings: StartsFromPolicy) -> None:
    """Check the adapter of the policy that a reward model starts from, if one is named."""
    if settings.from_:
        check_adapter(choose_start, store, settings)
