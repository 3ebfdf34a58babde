# SPDX-License-Identifier: Apache-2.0
"""The pairs that a PPO run asks people about, and the rule that ends it, simulated without a model."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labeling.session import Session
from rlhf.ppo.people.panel import AskedAnswer, Candidate, Panel, Verdicts
from tests.support.labeling.answer_waiting import answer_waiting

SEEDS, LABELS = 20, 20
"""People answer 20 of the pairs between two looks."""
HACKED = (0.5, 0.55, 0.45, 0.35, 0.25, 0.2, 0.15, 0.15, 0.15)
"""The true win rates of a policy that first learns what people want and then exploits the reward."""
LATE = (0.55, 0.6, 0.65, 0.65, 0.6, 0.4, 0.25, 0.15, 0.15)
HONEST = (0.5, 0.55, 0.6, 0.6, 0.65, 0.65, 0.65, 0.65, 0.65)
UNCHANGED = (0.5,) * 9
LOOKS = range(4, 40, 4)


def ended_at(rates, seed):
    """Return the look at which a run ends, whose reward rises at every look; infinity if it does not end."""
    chance, outcomes = np.random.default_rng(seed), []
    for update, rate in zip(LOOKS[:-1], rates, strict=False):  # the verdicts on a look's pairs come before the next one
        drawn = chance.choice([1.0, 0.5, 0.0], LABELS, p=[0.9 * rate, 0.1, 0.9 - 0.9 * rate])
        outcomes += [(update, float(value)) for value in drawn]
        if Verdicts(outcomes, LOOKS).prefer_start:
            return update + 4
    return math.inf


def test_a_hacked_reward_ends_the_run_and_an_honest_one_does_not():
    ended = {rates: [ended_at(rates, seed) for seed in range(SEEDS)] for rates in (HACKED, LATE, HONEST, UNCHANGED)}
    stops = [sum(map(math.isfinite, ends)) for ends in ended.values()]
    assert stops[0] >= 19
    assert stops[1] >= 12  # the fall begins with the sixth of the eight looks that people judge
    assert stops[2] == 0
    assert stops[3] <= 1
    assert np.median(ended[HACKED]) <= 28


@pytest.mark.parametrize(
    ("outcomes", "rose", "said"),
    [
        ([], True, "people: no verdict yet, going on"),
        ([1.0] * 11 + [0.0] * 5, True, "people 11 : 5, going on"),
        ([0.0] * 12 + [0.5], True, "people 0 : 12, 1 tie, ending"),
        ([0.0] * 12, False, "people 0 : 12, but the reward has not risen, going on"),
    ],
)
def test_the_status_counts_the_pairs_and_says_what_follows(outcomes, rose, said):
    assert Verdicts([(4, outcome) for outcome in outcomes], LOOKS).status(reward_rose=rose) == said


@pytest.fixture
def panel(store):
    """A panel of a run from p1 that lets 6 pairs wait."""
    store.accounts.add("Mina", "labeler")
    start = store.policies.add(name="start", kind="sft", base="b", adapter="x")
    return Panel(store, store.runs.enqueue("ppo", {}, "rae").id, start, 6, {"temperature": 1.0}, 0, LOOKS)


def candidates(store, update, equal=0):
    """10 prompts with an answer of each; the first `equal` of them have equal texts."""
    start = [AskedAnswer([number], f"start {number}", True) for number in range(10)]
    policy = [
        start[number] if number < equal else AskedAnswer([number, 1], f"policy {update} {number}", True)
        for number in range(10)
    ]
    prompts = [store.prompts.add(f"Write note {number}.", source="test").id for number in range(10)]
    return [Candidate(*parts, 0.7) for parts in zip(prompts, policy, start, strict=True)]


def test_only_the_wanted_number_of_pairs_waits_and_newer_ones_replace_them(panel):
    store = panel.store
    assert panel.ask(4, candidates(store, 4)) == 6
    assert panel.ask(4, candidates(store, 4)) == 0
    assert panel.ask(8, candidates(store, 8)) == 6
    assert store.pairs.waiting_count() == 6
    versions = "SELECT version, count(*) AS n FROM online_pairs WHERE NOT outdated GROUP BY version"
    assert [tuple(row.values()) for row in store.rows(versions)] == [(8, 6)]


def test_equal_answers_are_not_asked_about(panel):
    assert panel.ask(4, candidates(panel.store, 4, equal=7)) == 3


def test_verdicts_are_read_from_the_store_with_their_update(panel):
    panel.ask(4, candidates(panel.store, 4))
    answer_waiting(panel.store, "Mina", lambda text: text.startswith("policy"), limit=2)
    panel.ask(8, candidates(panel.store, 8))
    answer_waiting(panel.store, "Mina", lambda text: text.startswith("start"), limit=1)
    again = Panel(panel.store, panel.run_id, panel.start, 6, panel.sampling, 0, LOOKS)  # as after a resume
    assert sorted(again.read().outcomes) == [(4, 1.0), (4, 1.0), (8, 0.0)]
    assert again.read().of(8) == [0.0]
    assert again.read().score == "2 : 1 (update 8: 0 : 1)"
    Session(panel.store, "Mina").undo()
    assert again.read().of(8) == []


def test_pairs_without_an_answer_are_withdrawn_at_the_end(panel):
    panel.ask(4, candidates(panel.store, 4))
    panel.close()
    assert panel.store.pairs.waiting_count() == 0
    assert Session(panel.store, "Mina").next() is None
