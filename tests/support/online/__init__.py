# SPDX-License-Identifier: Apache-2.0
"""An online run on a tiny random model, with labelers who answer while it waits, by a rule of their own."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from data.run_context import RunContext
from data.settings import as_dict, parse_settings
from data.store import Store
from labeling.queue.items import shown_ids
from labeling.session import Answer, Item, RankingAnswer, RankingItem, Session
from rlhf.online.run import OnlineRun
from rlhf.online.settings import OnlineSettings

TINY = {
    "first_labels": 8,
    "labels_per_step": 8,
    "updates_per_step": 2,
    "max_labels": 32,
    "batch_size": 16,
    "group_size": 4,
    "minibatch": 16,
    "max_new_tokens": 6,
    "members": 4,
    "rank": 2,
    "random_share": 0.25,
    "selection": "variance",
    "publish_every": 0,
}


@dataclass
class Desk:
    """Labelers at work: each call of `answer` gives one label of each, until `most` are given."""

    store: Store
    labelers: int = 2
    most: int = 10_000
    given: int = 0

    def __post_init__(self) -> None:
        names = [f"lab{number}" for number in range(self.labelers)]
        accounts = [self.store.accounts.by_name(name) or self.store.accounts.add(name, "labeler") for name in names]
        self.sessions = [
            Session(self.store, account, rankings=True, rng=random.Random(account.id)) for account in accounts
        ]

    def answer(self) -> None:
        """Let each labeler answer one item, by the number of different letters."""
        for session in self.sessions:
            item = session.next() if self.given < self.most else None
            if item is not None:
                shown = shown_ids(session.find_assignment(item.assignment))
                letters = [len(set(self.store.completions.get(id).text)) for id in shown]
                session.submit(_judge(item, letters))
                self.given += 1


def _judge(item: Item | RankingItem, letters: list[int]) -> Answer | RankingAnswer:
    """Return the answer of a labeler who likes many different letters; equal numbers are ties."""
    id = secrets.token_hex(16)
    if isinstance(item, RankingItem):
        order = sorted(set(letters), reverse=True)
        return RankingAnswer(id, item.assignment, tuple(order.index(count) + 1 for count in letters))
    left, right = letters
    return Answer(id, item.assignment, "tie" if left == right else "left" if left > right else "right")


def start_online(store: Store, rest: Callable[[], None], resumes: int | None = None, **settings: object) -> OnlineRun:
    """Return a loaded run whose waiting calls `rest`."""
    parsed = parse_settings(OnlineSettings, TINY | {"labels": "person"} | settings)
    queued = store.runs.enqueue("online", as_dict(parsed), "test", resumes=resumes)
    store.runs.claim()
    online = OnlineRun.load(RunContext(store, store.runs.get(queued.id)), parsed)
    online.labels.rest = rest
    return online
