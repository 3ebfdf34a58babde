# SPDX-License-Identifier: Apache-2.0
"""A policy's newest answers on the Policies page, beside its parent's, as HTML. Without gradio."""

from __future__ import annotations

from collections.abc import Sequence

from data.records import Policy
from data.store import Store
from labeling.texts.pages import text
from rlhf.pages.markup import empty, side_by_side

SHOWN, SEARCHED = 6, 300
"""Answers on the page, and the newest prompts among which those are sought that the parent answered too."""


def draw_answers(store: Store, policy: Policy) -> str:
    """Return the policy's newest answers, beside its parent's if the parent answered any of these prompts."""
    recent = store.completions.recent_prompts(policy.id, SEARCHED)
    if not recent:
        return empty(text("policies.no_answers", policy=policy.public), "#runs", text("policies.sample"))
    parent = store.policies.get(policy.parent_id) if policy.parent_id else None
    shared = _shared_prompts(store, recent, parent) if parent else []
    return "".join(_answers(store, prompt, policy, parent if shared else None) for prompt in shared or recent[:SHOWN])


def _shared_prompts(store: Store, prompts: Sequence[int], parent: Policy) -> list[int]:
    """Return the first SHOWN prompts that the parent answered too, and read no further than needed."""
    shared: list[int] = []
    for prompt in prompts:
        if len(shared) == SHOWN:
            break
        if any(completion.policy_id == parent.id for completion in store.completions.of_prompt(prompt)):
            shared.append(prompt)
    return shared


def _answers(store: Store, prompt: int, policy: Policy, parent: Policy | None) -> str:
    texts = {completion.policy_id: completion.text for completion in store.completions.of_prompt(prompt)}
    own = f"{policy.public} · {policy.name}", texts[policy.id]
    other = (f"{parent.public} · {parent.name}", texts[parent.id]) if parent else None
    return side_by_side(store.prompts.get(prompt).text, own, other)
