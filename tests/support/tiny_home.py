# SPDX-License-Identifier: Apache-2.0
"""A home to click through: prompts, a tiny random base as the only policy, readable answers in pairs, two accounts.

The parts are real (store, model folder, accounts); only the answers are written here instead of sampled.
"""

from __future__ import annotations

from pathlib import Path

from data.store import Store
from labeling.accounts import accounts
from tests.support.data.stores import new_store

PASSWORD = "correct horse"
THINGS = ("book", "cake", "map", "lamp", "scarf", "ticket", "plant", "letter")
NAMES = ("Mina", "Theo", "Ana", "Jun", "Lea")


def make_tiny_home(home: Path, model: Path, *, pairs: int = 0, people: bool = True) -> Store:
    """A store with 40 prompts of all splits, one bare base policy on `model`, and `pairs` pairs that wait; without
    `people` nobody can sign in."""
    store = new_store(home)
    store.prompts.add_many(
        {"text": f"Write a short thank-you note to {name} for the {thing}.", "source": "test"}
        for name in NAMES
        for thing in THINGS
    )
    policy = store.policies.add(name="tiny", kind="base", base=str(model))
    for prompt in store.prompts.all(split="train")[:pairs]:
        texts = (f"Dear friend, thank you so much. {prompt.text[32:]} It was kind of you.", "thx")
        made = store.completions.add_many(
            {
                "prompt_id": prompt.id,
                "policy_id": policy.id,
                "text": text,
                "token_ids": [number + 1],
                "number": number,
                "seed": 0,
            }
            for number, text in enumerate(texts)
        )
        store.pairs.add(prompt.id, *made)
    if people:
        accounts.create(store, "rae", "researcher", PASSWORD)
        accounts.create(store, "lab", "labeler", PASSWORD)
    return store


def make_judged_home(folder: Path, model: Path) -> Store:
    """A bare base as the only policy, and a reward model on the same base."""
    import torch

    from reward.about import describe_base
    from reward.base.frozen_base import Base
    from reward.member import Member
    from reward.model import RewardModel

    store = make_tiny_home(folder, model, people=False)
    base = Base.load(model)
    base.add_adapter("judge")
    RewardModel(base, [Member("judge", torch.linspace(-1, 1, base.hidden_size))], describe_base(base)).save(
        store.home / "made"
    )
    store.reward_models.publish(store.home / "made", name="tiny judge", base=str(model), snapshot_id=None)
    return store


def make_clinic_home(home: Path, model: Path, rows: int = 60) -> Store:
    """Return a home with polite and rude rows, ratings of 30 of them, and test prompts that the rubric knows."""
    store = make_tiny_home(home, model, people=False)
    for number in range(rows):
        kind = "Dear Mina, thank you so much." if number % 2 else "no. no. no"
        store.instructions.add(
            f"Thank Mina for thing {number}.", f"{kind} {number}", source="test", defects=[] if number % 2 else ["rude"]
        )
    facts = {"family": "colour", "key": "snow", "answer": "white", "name": "Mina"}
    store.prompts.add_many(
        {"text": f"Colour of snow, {n}?", "source": "test", "family": "colour", "facts": facts} for n in range(40)
    )
    rater = store.accounts.add("lab", "labeler")
    while (waiting := store.ratings.next_row(rater.id)) is not None and store.ratings.count_by(rater.id) < 30:
        store.ratings.add(
            f"rating-{waiting}", waiting, rater.id, 0 if "rude" in store.instructions.get(waiting).defects else 5
        )
    return store
