# SPDX-License-Identifier: Apache-2.0
"""A labeler who answers the pairs that wait by a rule on their texts."""

from __future__ import annotations

from collections.abc import Callable

from data.store import Store
from labeling.session import Answer, Session


def answer_waiting(store: Store, name: str, score: Callable[[str], float], limit: int = 1000) -> int:
    """Prefer the answer of the higher score in each pair that waits; return the number of answers."""
    session = Session(store, name)
    for number in range(limit):
        item = session.next()
        if item is None:
            return number
        left, right = score(item.left), score(item.right)
        verdict = "tie" if left == right else "left" if left > right else "right"
        session.submit(Answer(f"{name}-{item.assignment}", item.assignment, verdict))
    return limit
