# SPDX-License-Identifier: Apache-2.0
"""Labels of test prompts that come after a reward model was trained."""

from __future__ import annotations

from collections.abc import Sequence

from data.records import Pair
from data.splits import split_of
from data.store import Store


def add_test_pairs(store: Store, count: int, answers: Sequence[str] = ("An oak.", "No.")) -> list[Pair]:
    """Add pairs of two answers to test prompts of their own."""
    texts = (f"Name tree number {number}." for number in range(10**6))
    wanted = [text for text, _ in zip((text for text in texts if split_of(text) == "test"), range(count), strict=False)]
    pairs = []
    for text in wanted:
        prompt = store.prompts.add(text, source="later")
        ids = store.completions.add_many(
            {"prompt_id": prompt.id, "text": answer, "model_name": "m"} for answer in answers
        )
        pairs.append(store.pairs.add(prompt.id, *ids))
    return pairs


def judge(store: Store, pair: Pair, text: str, **more: object) -> str:
    """Record that somebody prefers the answer with this text, "" for a tie; return the comparison's id."""
    labeler = store.accounts.by_name("ann") or store.accounts.add("ann", "labeler")
    answers = {store.completions.get(id).text: id for id in (pair.first_id, pair.second_id)}
    left, right = pair.first_id, pair.second_id
    verdict = "tie" if not text else "left" if answers[text] == left else "right"
    id = f"later-{pair.id}-{len(store.comparisons.events())}"
    event = {"source": "import", **more}
    store.comparisons.record(
        id=id, pair_id=pair.id, labeler_id=labeler.id, left_id=left, right_id=right, verdict=verdict, **event
    )
    return id
