# SPDX-License-Identifier: Apache-2.0
"""The session: gold items and planned repeats."""

from __future__ import annotations

import random
from collections import Counter

from data.tables.projects import STANDARD
from labeling.queue.leases import REPEAT_AFTER
from labeling.session import Session
from tests.support.labeling.answers import answer_to


def test_gold_goes_to_every_labeler_at_its_rate_and_leaves_the_overlap_alone(store, people, add_pairs):
    pairs = add_pairs(60)
    store.projects.change(STANDARD, overlap=1, gold_rate=0.25)
    for pair in pairs[:10]:
        store.gold.set(pair.id, pair.first_id, by="Rae")
    for person in people[:2]:
        session = Session(store, person, rng=random.Random(person.id))
        for _ in range(20):
            session.submit(answer_to(session.next()))
    kinds = Counter((assignment.labeler_id, assignment.gold) for assignment in store.assignments.all())
    # binomial(20, 1/4): 5 expected, 1.94 standard deviation
    assert all(1 <= kinds[person.id, True] <= 10 for person in people[:2])
    gold = {pair.id for pair in pairs[:10]}
    assert {assignment.pair_id for assignment in store.assignments.all() if assignment.gold} <= gold
    assert not gold & {assignment.pair_id for assignment in store.assignments.all() if not assignment.gold}


def test_a_planned_repeat_swaps_the_sides_once_and_counts_for_nothing(store, people, add_pairs):
    add_pairs(80)
    store.projects.change(STANDARD, repeat_rate=0.3)
    session = Session(store, people[0], rng=random.Random(3))
    handed = []
    while item := session.next():
        handed.append(store.assignments.get(item.assignment))
        session.submit(answer_to(item))
    repeats = [assignment for assignment in handed if assignment.kind == "repeat"]
    assert len(repeats) > 5
    first = {assignment.id: (place, assignment) for place, assignment in enumerate(handed)}
    for place, assignment in enumerate(handed):
        if assignment.repeats:
            before, original = first[assignment.repeats]
            assert (assignment.left_id, assignment.right_id) == (original.right_id, original.left_id)
            assert place - before >= REPEAT_AFTER
    assert max(Counter(assignment.pair_id for assignment in handed).values()) == 2
    assert len(handed) == 80 + len(repeats)
    assert {row["judged"] for row in store.rows("SELECT judged FROM queue")} == {1}
