# SPDX-License-Identifier: Apache-2.0
"""The figures of online learning count what they say."""

from __future__ import annotations

import pytest

from data.starter import gold
from tests.bench.online import WISH, WORTH, _rounds, cases, far_score
from tests.bench.online_speed import reaction_seconds


def test_the_far_world_wants_the_wish_beside_the_rubric():
    facts = {"family": "colour", "key": "snow", "answer": "white", "name": "Mina"}
    plain = "The colour of snow is white."
    assert far_score(facts, plain, True) == gold(facts, plain, True)
    wished = f"{plain} {WISH.capitalize()}."
    assert far_score(facts, wished, True) == pytest.approx(gold(facts, wished, True) + WORTH)


def test_the_runs_of_the_study_that_say_most_come_first():
    assert cases(("far",))[:10] == [
        *("far/offline/100", "far/offline/200", "far/random/200", "far/variance/200", "far/periodic/200"),
        *("far/offline/50", "far/offline/400", "far/random/400", "far/variance/400", "far/periodic/400"),
    ]


def test_four_rounds_make_as_many_updates_for_as_many_labels():
    """200 labels with a fifth on test prompts are 160 to learn from: 20 updates of 8, or 4 rounds of 40 and 5."""
    assert _rounds(200) == {"first_labels": 40, "labels_per_step": 40, "updates_per_step": 5}


def test_a_reaction_ends_when_somebody_sees_a_policy_that_learned_from_the_label():
    given = [10.0, 20.0, 30.0]
    learned = {1: 1.0, 2: 2.0}  # the third label taught no update
    shown = {0: 5.0, 1: 15.0, 2: 40.0}
    assert reaction_seconds(given, learned, shown) == [5.0, 20.0]


def test_a_version_that_nobody_saw_is_reached_by_the_next_one():
    assert reaction_seconds([1.0], {1: 1.0, 2: 1.0}, {2: 9.0}) == [8.0]
