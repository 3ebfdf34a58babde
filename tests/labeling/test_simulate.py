# SPDX-License-Identifier: Apache-2.0
"""Simulated labelers: marked, as noisy as asked, and never allowed where the formula does not reach."""

from __future__ import annotations

import math
import random
from collections import Counter

import numpy as np
import pytest

from data.errors import BadInput
from labeling.quality.agreement import measure_agreement
from labeling.simulate import (
    Watcher,
    count_waiting,
    expected_agreement,
    fit_beta,
    perceive,
    perceive_order,
    rubric_score,
    simulate,
)


def score(prompt, completion):
    """A gold score whose differences between the two answers of a prompt are -3 .. 3."""
    number = int(prompt.text.split()[2][:-1])
    return float(number % 7 - 3) if completion.model_name == "kind" else 0.0


def by_number(prompt, completion):
    """A gold score that differs between the answers of a ranking."""
    return float(completion.text.split()[1])


def test_each_pair_is_judged_once_and_every_answer_is_marked_simulated(store, add_pairs):
    add_pairs(40)
    assert simulate(store, labels=100, labelers=3, seed=1, score=score, agreement=0.7) == 40
    rows = store.comparisons.current()
    assert Counter(row.pair_id for row in rows) == dict.fromkeys(range(1, 41), 1)
    assert {row.source for row in rows} == {"simulated"}
    assert Counter(store.accounts.get(row.labeler_id).name for row in rows) == {"sim-1": 14, "sim-2": 13, "sim-3": 13}
    assert all(account.simulated and account.password_hash is None for account in store.accounts.all())


def test_rankings_are_answered_like_pairs(store, ranking):
    tasks = [ranking(3), ranking(4)]
    assert count_waiting(store, 200).items == 2
    assert simulate(store, labels=9, labelers=2, seed=1, score=by_number, agreement=0.7) == 2
    assert count_waiting(store, 200).items == 0
    rankings = store.rankings.current()
    assert {(one.task_id, one.source) for one in rankings} == {(task.id, "simulated") for task in tasks}
    assert all(sorted(one.places.values()) == list(range(1, len(one.places) + 1)) for one in rankings)


def test_two_answers_of_a_ranking_follow_the_law_of_a_pair():
    rng, draws = random.Random(3), 4000
    wins = sum(places[1] < places[0] for places in (perceive_order([0.0, math.log(3), 9.0], rng) for _ in range(draws)))
    # sigmoid(ln 3) = 3/4; four standard errors of sqrt(3/16 / 4000) = 0.007
    assert abs(wins / draws - 0.75) < 0.028


def test_the_asked_number_is_given_and_the_rest_waits(store, add_pairs):
    add_pairs(40)
    assert simulate(store, labels=25, labelers=4, seed=1, score=score, agreement=0.7) == 25
    assert simulate(store, labels=25, labelers=4, seed=1, score=score, agreement=0.7) == 15


def test_two_labelers_agree_as_often_as_asked(store, add_pairs):
    add_pairs(600)
    simulate(store, labels=1200, labelers=2, seed=5, score=score, agreement=0.73, overlap=2)
    measured = measure_agreement(store, "simulated")
    assert measured.pairs == 600
    # binomial: sqrt(0.73 * 0.27 / 600) = 0.018; three of them either way
    assert abs(measured.rate - 0.73) < 0.055
    assert measured.low < 0.73 < measured.high


def test_the_same_seed_gives_the_same_labels(tmp_path, store, add_pairs):
    add_pairs(30)
    simulate(store, labels=30, labelers=2, seed=9, score=score, agreement=0.7)
    first = [(row.pair_id, row.labeler_id, row.left_id, row.verdict) for row in store.comparisons.events()]
    from data.store import Store

    again = Store(tmp_path / "again")
    for number in range(30):
        prompt = again.prompts.add(f"Write note {number}.", source="test")
        rows = [
            {"prompt_id": prompt.id, "model_name": m, "text": f"{m} answer {number}", "number": 0}
            for m in ("plain", "kind")
        ]
        again.pairs.add(prompt.id, *again.completions.add_many(rows))
    simulate(again, labels=30, labelers=2, seed=9, score=score, agreement=0.7)
    assert [(row.pair_id, row.labeler_id, row.left_id, row.verdict) for row in again.comparisons.events()] == first
    again.close()


def test_expected_agreement_is_the_mean_of_p_squared_plus_q_squared():
    p = 1 / (1 + math.exp(-2.0)), 1 / (1 + math.exp(1.0))
    expected = sum(each**2 + (1 - each) ** 2 for each in p) / 2
    assert expected_agreement(np.array([1.0, -0.5]), 2.0) == pytest.approx(expected)


def test_beta_is_found_in_closed_form_where_all_differences_are_one():
    # p^2 + (1-p)^2 = 0.73 gives p = (1 + sqrt(2 * 0.73 - 1)) / 2, and beta = log(p / (1 - p))
    p = (1 + math.sqrt(0.46)) / 2
    assert fit_beta([1.0, -1.0, 1.0], 0.73) == pytest.approx(math.log(p / (1 - p)))


def test_a_verdict_leans_to_the_better_answer_and_grades_by_what_was_seen():
    rng = random.Random(2)
    verdicts = Counter(perceive(2.0, rng) for _ in range(4000))
    left = sum(count for verdict, count in verdicts.items() if verdict.startswith("left"))
    # sigmoid(2) = 0.881 with a standard deviation of 0.005
    assert left / 4000 == pytest.approx(0.881, abs=0.02)
    # P(z > 2.5) = sigmoid(2 - 2.5) = 0.378
    assert verdicts["left_much"] / 4000 == pytest.approx(0.378, abs=0.03)
    assert set(verdicts) <= {side + grade for side in ("left", "right") for grade in ("_much", "", "_slightly")}


@pytest.mark.parametrize("wanted", [0.49, 0.98, 1.0])
def test_an_agreement_that_cannot_be_had_is_refused_with_the_range(store, add_pairs, wanted):
    add_pairs(28)  # 1 in 7 has no difference, so at most 1/2 + 6/14 = 0.929
    with pytest.raises(BadInput, match="below 0.929"):
        simulate(store, labels=5, labelers=3, seed=0, score=score, agreement=wanted)
    assert nothing_recorded(store)


def nothing_recorded(store) -> bool:
    return store.comparisons.events() == store.accounts.all() == []


def test_without_pairs_the_remedy_is_to_sample(store):
    with pytest.raises(BadInput, match="preference-loop sample"):
        simulate(store, labels=5, labelers=3, seed=0, score=score)
    assert nothing_recorded(store)


def test_a_prompt_without_facts_is_refused_before_anything_is_recorded(store, add_pairs):
    add_pairs(7)
    with pytest.raises(BadInput, match="rubric does not cover the prompt"):
        simulate(store, labels=5, labelers=3, seed=0, score=rubric_score)
    assert nothing_recorded(store)


@pytest.mark.parametrize(("labels", "labelers", "field"), [(0, 1, "labels"), (5, 0, "labelers")])
def test_a_number_below_one_is_refused(store, labels, labelers, field):
    with pytest.raises(BadInput) as caught:
        simulate(store, labels=labels, labelers=labelers, seed=0, score=score)
    assert caught.value.field == field


def test_a_persons_account_is_never_used(store, add_pairs):
    add_pairs(7)
    store.accounts.add("sim-2", "labeler")
    with pytest.raises(BadInput, match="'sim-2' belongs to a person"):
        simulate(store, labels=5, labelers=3, seed=0, score=score)
    assert [account.name for account in store.accounts.all()] == ["sim-2"]


def test_the_waiting_pairs_are_counted_without_gold_items_and_no_further_than_asked(store, add_pairs):
    pairs = add_pairs(7)
    assert count_waiting(store, 200) == (7, False)
    store.gold.set(pairs[0].id, pairs[0].first_id, by="rae")
    assert count_waiting(store, 200) == (6, False)
    assert count_waiting(store, 2) == (2, False)
    simulate(store, labels=4, labelers=2, seed=0, score=score, agreement=0.7)
    assert count_waiting(store, 200) == (2, False)


def test_the_recorded_answers_are_reported_after_each_commit(store, add_pairs, monkeypatch):
    monkeypatch.setattr("labeling.simulate.ROUNDS", 2)
    add_pairs(10)
    reported: list[tuple[int, int]] = []

    class Reports(Watcher):
        def report(self, answers):
            reported.append((answers, store.comparisons.count("simulated")))

    simulate(store, labels=10, labelers=2, seed=0, score=score, agreement=0.7, watcher=Reports())
    assert reported == [(4, 4), (8, 8), (10, 10)]


def test_labelers_who_wait_answer_the_pairs_that_come_later(store, add_pairs):
    """Four pairs wait; four more come at the first wait, none at the second."""
    add_pairs(4)

    class Once(Watcher):
        waits = ()

        def wait(self):
            self.waits += (store.comparisons.count("simulated"),)
            if len(self.waits) == 1:
                add_pairs(4)
            return len(self.waits) == 1

    watcher = Once()
    assert simulate(store, labels=20, labelers=2, seed=0, score=score, agreement=0.7, watcher=watcher) == 8
    assert watcher.waits == (4, 8)
