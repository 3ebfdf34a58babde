# SPDX-License-Identifier: Apache-2.0
"""A store of good and bad notes with one label each, on which a tiny reward model learns in seconds."""

from __future__ import annotations

from pathlib import Path

from data import Store
from data.records import Account, Policy
from data.run_context import RunContext
from data.settings import as_dict
from reward.base.frozen_base import Base
from reward.settings import RewardSettings

GOOD, BAD = "Dear Mina, thank you so much for the lovely book {}.", "no. I do not care {}."
PROMPTS = 60
VERDICTS = ("left", "left_much", "tie", "left_slightly")


def fill(store: Store, base_folder: Path) -> Store:
    """60 prompts, each with a good and a bad answer and one imported label; every fourth a tie."""
    base = Base.load(base_folder)
    policy = store.policies.add(name="base", kind="base", base=str(base_folder))
    mina = store.accounts.add("mina", "labeler")
    with store.transaction():
        for number in range(PROMPTS):
            label(store, base, policy, mina, number)
    return store


def label(store: Store, base: Base, policy: Policy, labeler: Account, number: int) -> None:
    """One prompt, its two answers, and what the labeler says of them."""
    prompt = store.prompts.add(f"Write note number {number} to Mina.", source="test")
    answers = [
        {
            "prompt_id": prompt.id,
            "policy_id": policy.id,
            "text": text,
            "token_ids": base.encode_completion(text),
            "sampling": {},
            "seed": 0,
            "number": place,
            "ended": True,
        }
        for place, text in enumerate((GOOD.format(number), BAD.format(number)))
    ]
    good, bad = store.completions.add_many(answers)
    pair = store.pairs.add(prompt.id, good, bad)
    store.comparisons.record(
        id=f"c{number}",
        pair_id=pair.id,
        labeler_id=labeler.id,
        left_id=good,
        right_id=bad,
        verdict=VERDICTS[number % 4],
        source="import",
    )


def context_of(store: Store, settings: RewardSettings, **about: object) -> RunContext:
    """A run of these settings."""
    return RunContext(store, store.runs.enqueue("reward", as_dict(settings), "test", **about))
