# SPDX-License-Identifier: Apache-2.0
"""Rankings and edits become training rows; gold items only where asked, planned repeats never."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations

import pytest

from data.errors import BadInput
from data.tables.forms import Form
from data.tables.projects import STANDARD
from data.views.preferences import preference_rows
from labeling.session import Answer, RankingAnswer, Session


@pytest.fixture
def mina(store):
    return store.accounts.add("Mina", "labeler")


@pytest.fixture
def ranking(store):
    """A ranking task of four answers."""
    prompt = store.prompts.add("Prompt", source="test")
    rows = [{"prompt_id": prompt.id, "model_name": "m", "text": f"text {i}", "number": i} for i in range(4)]
    return store.rankings.add_task(prompt.id, store.completions.add_many(rows))


def better(row):
    return (row.chosen, row.rejected)


def test_a_ranking_of_four_yields_its_six_pairs_which_weigh_as_three_comparisons(store, mina, ranking):
    session = Session(store, mina, rankings=True, rng=random.Random(1))
    item = session.next()
    order = {"text 0": 2, "text 1": 1, "text 2": 2, "text 3": 4}
    receipt = session.submit(RankingAnswer("answer-1", item.assignment, tuple(order[text] for text in item.answers)))
    rows = preference_rows(store)
    expected = {(a, b) if order[a] < order[b] else (b, a) for a, b in combinations(order, 2) if order[a] != order[b]}
    assert {better(row) for row in rows if row.label != 0.5} == expected
    assert [{row.a_text, row.b_text} for row in rows if row.label == 0.5] == [{"text 0", "text 2"}]
    assert sum(row.weight for row in rows) == pytest.approx(3)
    assert {(row.kind, row.said_in, row.margin) for row in rows if row.label != 0.5} == {("ranking", receipt.id, 2)}
    assert len({row.comparison_id for row in rows}) == 6
    # a stood before b on the screen
    assert all(item.answers.index(row.a_text) < item.answers.index(row.b_text) for row in rows)


def test_a_ranking_is_one_batch_element_of_its_answers(store, mina, ranking):
    from reward.training.prompt_groups import group_by_prompt
    from reward.training.rows import EncodedComparison

    session = Session(store, mina, rankings=True)
    item = session.next()
    session.submit(RankingAnswer("answer-1", item.assignment, (1, 2, 3, 4)))
    encoded = [
        EncodedComparison(row, [1], [int(row.a_text[-1])], [int(row.b_text[-1])]) for row in preference_rows(store)
    ]
    (element,) = group_by_prompt(encoded)
    assert sorted(element.answers) == [[0], [1], [2], [3]]
    assert len(element.grade) == 6


def test_all_bad_and_withdrawn_rankings_yield_nothing(store, mina, ranking):
    session = Session(store, mina, rankings=True)
    item = session.next()
    session.submit(RankingAnswer("answer-1", item.assignment, all_bad=True))
    with pytest.raises(BadInput, match="no comparisons to learn from"):
        preference_rows(store)
    session.undo()
    session.submit(RankingAnswer("answer-2", item.assignment, (1, 2, 3, 4)))
    assert len(preference_rows(store)) == 6
    session.undo()
    with pytest.raises(BadInput, match="no comparisons to learn from"):
        preference_rows(store)


@pytest.mark.parametrize(
    ("verdict", "edited", "expected"),
    [
        ("left_much", None, {("edit", "left"): 1, ("edit", "right"): 3, ("left", "right"): 3}),
        ("left", "right", {("edit", "right"): 1, ("left", "right"): 2}),
        ("tie", "right", {("edit", "right"): 1, ("edit", "left"): 1, None: 0}),
        ("both_bad", "left", {("edit", "left"): 1, ("edit", "right"): 1}),
    ],
)
def test_an_edit_is_better_than_what_it_was_made_from_and_than_the_worse_one(
    store, mina, add_pairs, verdict, edited, expected
):
    add_pairs(1)
    store.projects.change(STANDARD, form=Form(edit=True))
    session = Session(store, mina)
    item = session.next()
    session.submit(Answer("answer-1", item.assignment, verdict, edit="made better", edited=edited))
    names = {item.left: "left", item.right: "right", "made better": "edit"}
    result = {
        (names[row.chosen], names[row.rejected]) if row.chosen else None: row.margin for row in preference_rows(store)
    }
    assert result == expected
    assert {row.labeler for row in preference_rows(store)} == {"Mina"}


def test_an_edit_goes_with_the_answer_that_a_correction_replaces(store, mina, add_pairs):
    add_pairs(1)
    store.projects.change(STANDARD, form=Form(edit=True))
    session = Session(store, mina)
    item = session.next()
    first = session.submit(Answer("answer-1", item.assignment, "left", edit="made better"))
    session.submit(Answer("answer-2", item.assignment, "left", supersedes=first.id))
    assert [row.kind for row in preference_rows(store)] == ["comparison"]


def test_gold_items_train_only_where_asked_even_after_they_were_gold(store, mina, add_pairs):
    pairs = add_pairs(12)
    gold = pairs[0].id
    store.projects.change(STANDARD, gold_rate=0.5)
    store.gold.set(gold, pairs[0].first_id, by="Rae")
    session = Session(store, mina, rng=random.Random(5))
    met = []
    while item := session.next():
        met.append(store.assignments.get(item.assignment).pair_id)
        session.submit(Answer(f"answer-{len(met)}", item.assignment, "left"))
    assert sorted(met) == [pair.id for pair in pairs]
    assert {row.prompt_id for row in preference_rows(store)} == {pair.prompt_id for pair in pairs[1:]}
    assert len(preference_rows(store, source="all+gold")) == 12
    store.gold.unset(gold)
    assert len(preference_rows(store)) == 11


def test_a_planned_repeat_is_no_row(store, mina, add_pairs):
    add_pairs(60)
    store.projects.change(STANDARD, repeat_rate=0.5)
    session = Session(store, mina, rng=random.Random(2))
    number = 0
    while item := session.next():
        session.submit(Answer(f"answer-{number}", item.assignment, "left"))
        number += 1
    assert number > 60
    assert len(store.comparisons.current()) == number
    rows = preference_rows(store)
    assert Counter(row.prompt_id for row in rows) == dict.fromkeys(range(1, 61), 1)
