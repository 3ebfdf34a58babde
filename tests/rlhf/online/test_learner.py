# SPDX-License-Identifier: Apache-2.0
"""The reward of an online run orders answers as labelers do, and is unsure where nobody labelled."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from data.views.preferences import PreferenceRow
from reward.base.frozen_base import Base
from rlhf.online import learner as learner_module
from rlhf.online.learner import Learner, comparison_weights, count_labels
from rlhf.online.selection import choice_variance
from tests.support.tiny_model import make_tiny_model

PROMPT = "Write a note."


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return Base.load(make_tiny_model("llama", tmp_path_factory.mktemp("model")))


def row(number, good, bad, label=1.0):
    """A comparison of two texts of a prompt of its own, the first of them better by the label."""
    texts = (PROMPT, None, "train", f"a{number}", f"b{number}", good, bad, None, None)
    return PreferenceRow(f"c{number}", number, *texts, label, 2, 1.0, "person", 1, "Mina", "Standard", 1)


def notes(count, start=0):
    """Pairs of a note that thanks and one that refuses, each with a word of its own."""
    return [row(n, f"thank you so much {n}", f"no no no {n}") for n in range(start, start + count)]


def test_a_ranking_is_one_label_and_weighs_as_one_comparison():
    ranked = [replace(one, kind="ranking", said_in="r1", weight=2 / 3) for one in notes(3)]
    rows = [*ranked, *(replace(one, said_in=one.comparison_id) for one in notes(2, start=3))]
    assert count_labels(rows) == 3
    assert comparison_weights(rows).tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1.0, 1.0])
    assert comparison_weights(rows[3:]).tolist() == [1.0, 1.0]


def score(learner, *texts):
    return learner.score([PROMPT] * len(texts), list(texts))


def test_the_reward_is_0_before_the_first_label_and_then_orders_unseen_answers(base):
    learner = Learner(base, members=4, seed=0)
    assert score(learner, "thank you", "no") == [0.0, 0.0]
    assert not learner.is_fitted
    learner.fit(notes(20))
    better, worse = score(learner, "thank you so much 77", "no no no 77")
    assert better > worse
    assert learner.labels == 20


def test_labels_that_change_their_minds_turn_the_order(base):
    learner = Learner(base, members=4, seed=0)
    learner.fit(notes(20))
    learner.fit([row(n, f"thank you so much {n}", f"no no no {n}", label=0.0) for n in range(20)])
    better, worse = score(learner, "no no no 77", "thank you so much 77")
    assert better > worse


def test_labels_that_are_all_ties_teach_nothing(base):
    learner = Learner(base, members=4, seed=0)
    learner.fit([row(n, f"thank you so much {n}", f"no no no {n}", label=0.5) for n in range(20)])
    one, other = score(learner, "thank you so much 77", "no no no 77")
    assert one == pytest.approx(other, abs=1e-4)


def test_the_order_in_which_labels_came_changes_nothing(base):
    forward, backward = Learner(base, members=4, seed=0), Learner(base, members=4, seed=0)
    rows = notes(12)
    forward.fit(rows[:6])
    forward.fit(rows)
    backward.fit(rows[::-1])
    assert score(forward, "thank you 5") == pytest.approx(score(backward, "thank you 5"), abs=1e-5)


def test_the_ensemble_is_surer_of_what_was_labelled_than_of_other_answers(base):
    learner = Learner(base, members=50, seed=0)
    learner.fit(notes(40))
    labelled = [text for one in notes(10) for text in (one.a_text, one.b_text)]
    others = [text for n in range(10) for text in (f"qwx {n} {n} {n} !?", f"{n * 7} zz {n}")]
    prompt = base.encode_prompt(PROMPT)

    def doubt(texts):
        _, members = learner.scores([prompt] * len(texts), [base.encode_completion(text) for text in texts])
        return choice_variance(members, range(0, len(texts), 2), range(1, len(texts), 2)).mean()

    assert doubt(labelled) < 0.5 * doubt(others)


def test_an_answer_is_read_once_however_often_it_is_scored_and_labelled(base, monkeypatch):
    learner = Learner(base, members=4, seed=0)
    read = []
    plain = learner_module.answer_features
    monkeypatch.setattr(
        learner_module,
        "answer_features",
        lambda base, prompts, answers: read.extend(answers) or plain(base, prompts, answers),
    )
    rows = notes(6)
    score(learner, rows[0].a_text, rows[0].b_text, rows[0].a_text)
    learner.fit(rows)
    learner.fit(rows)
    score(learner, rows[0].a_text)
    assert len(read) == 12  # two answers of six pairs


def test_remembered_texts_are_bounded_and_the_labelled_ones_stay(base, monkeypatch):
    monkeypatch.setattr(learner_module, "REMEMBERED", 4)
    learner = Learner(base, members=4, seed=0)
    learner.fit(notes(6))
    before = score(learner, "thank you 1", "thank you 2", "thank you 3", "thank you 4", "thank you 5")
    assert len(learner._recent) == 4
    assert len(learner._labeled) == 12
    again = score(learner, "thank you 1", "thank you 2", "thank you 3", "thank you 4", "thank you 5")
    assert torch.allclose(torch.tensor(again), torch.tensor(before), atol=1e-5)
