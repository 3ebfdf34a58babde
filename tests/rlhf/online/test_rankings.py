# SPDX-License-Identifier: Apache-2.0
"""An online run asks for rankings: they wait, are withdrawn and answered like pairs, and each is one label."""

from __future__ import annotations

import random

import pytest

from data.errors import BadInput
from data.settings import parse_settings
from data.views.preferences import preference_rows
from data.views.rebuild_derived import rebuild
from labeling.session import RankingAnswer, RankingItem, Session
from rlhf.online.figures import Freshness, measure, read_answers
from rlhf.online.questions import FEWEST, Answer, Question, QuestionQueue, RankingQuestion
from rlhf.online.settings import OnlineSettings
from tests.support.labeling.answers import answer_to

OLD = """SELECT t.id FROM online_rankings AS o JOIN ranking_tasks AS t ON t.id = o.task_id
WHERE o.version = 0 AND t.shown AND NOT t.judged"""
"""Rankings of the first policy that somebody may still answer."""


@pytest.fixture
def queue(store):
    """The questions of a run whose random arm has a quarter of the answers."""
    run, start = store.runs.enqueue("online", {}, "test"), store.policies.add(name="tiny", kind="base", base="none")
    return QuestionQueue(store, run.id, 1, start, {"temperature": 1.0}, seed=0, random_share=0.25)


@pytest.fixture
def labeler(store):
    """Return labeler(name), a session that shows rankings."""

    def session(name="Mina"):
        account = store.accounts.by_name(name) or store.accounts.add(name, "labeler")
        return Session(store, account, rankings=True, rng=random.Random(0))

    return session


def answers(store, count, text="say"):
    """Different answers to a prompt of its own."""
    prompt = store.prompts.add(f"Note {store.prompts.count()}.", source="test")
    return tuple(Answer(prompt.id, [number], f"{text} {number}", True, number) for number in range(count))


def rankings(store, count):
    return [RankingQuestion(answers(store, 3), "random", 0.5) for _ in range(count)]


def pairs(store, count):
    return [Question(*answers(store, 2), "random", "random", 0.1, 0.5) for _ in range(count)]


def rank(session, id, places=(1, 2, 3), **more):
    """Answer the session's item, which is a ranking."""
    item = session.next()
    assert isinstance(item, RankingItem)
    session.submit(RankingAnswer(id, item.assignment, places, **more))
    return item


def test_rankings_are_withdrawn_when_the_policy_moves_unless_somebody_looks_at_them(store, queue, labeler):
    queue.begin(0, lambda count: rankings(store, count))
    assert store.online_pairs.waiting(queue.run_id, 0) == queue.wanted == FEWEST
    rank(labeler(), "ranking-1")
    held = labeler("Jun").next()
    task = store.assignments.get(held.assignment).task_id
    assert store.online_pairs.waiting(queue.run_id, 0) == FEWEST - 2
    queue.begin(3, lambda count: rankings(store, count))
    for _ in range(2):
        assert [row["id"] for row in store.rows(OLD)] == [task]
        rebuild(store)  # it must not show again what was withdrawn
    assert store.online_pairs.waiting(queue.run_id, 0) == FEWEST  # all of version 3
    labeler("Jun").submit(RankingAnswer("ranking-2", held.assignment, (2, 1, 3)))
    assert len(preference_rows(store)) == 2 * 3
    queue.close()
    assert store.online_pairs.waiting(queue.run_id, 0) == 0
    assert labeler("Ada").next() is None


def test_rankings_count_as_labels_and_are_fresh_if_they_are_of_the_newest_policy(store, queue, labeler):
    queue.begin(0, lambda count: rankings(store, count))
    rank(labeler(), "ranking-1")
    held = labeler("Jun").next()
    queue.begin(3, lambda count: rankings(store, count))
    labeler("Jun").submit(RankingAnswer("ranking-2", held.assignment, (2, 1, 3)))
    rank(labeler(), "ranking-3")
    figures = measure(read_answers(store, queue.run_id, "person"))
    assert (figures.labels, figures.freshness) == (3, Freshness(newest=2, parent=1, older=0))
    assert (figures.accuracy.count, figures.win_rate.count, figures.agreement.count) == (0, 0, 0)


def test_a_ranking_becomes_three_training_rows_and_a_corrected_or_withdrawn_one_comes_out_right(store, queue, labeler):
    queue.begin(0, lambda count: rankings(store, count))
    session = labeler()
    item = rank(session, "ranking-1")
    session.submit(RankingAnswer("corrected-1", item.assignment, (3, 2, 1), supersedes="ranking-1"))
    best = store.assignments.get(item.assignment).positions[2]
    rows = preference_rows(store)
    assert len(rows) == 3
    assert {row.said_in for row in rows} == {"corrected-1"}
    assert sum(best in (row.a_id, row.b_id) for row in rows) == 2
    assert all(row.chosen == store.completions.get(best).text for row in rows if best in (row.a_id, row.b_id))
    assert len(store.online_pairs.answers(queue.run_id)) == 1
    session.undo()
    assert store.online_pairs.answers(queue.run_id) == []
    with pytest.raises(BadInput):
        preference_rows(store)


def test_answers_of_excluded_labelers_do_not_count(store, queue, labeler):
    queue.begin(0, lambda count: rankings(store, count))
    rank(labeler(), "ranking-1")
    rank(labeler("Jun"), "ranking-2")
    store.excluded_labelers.exclude("Jun", "answers at random", by="test")
    (given,) = store.online_pairs.answers(queue.run_id)
    assert (given.labeler_id, given.arm, given.pair_id) == (store.accounts.by_name("Mina").id, "active", None)


def test_pairs_of_the_random_arm_enter_the_queue_by_their_share_of_the_answers(store, queue, labeler):
    def more(count):
        return [*pairs(store, count), *rankings(store, count)]

    queue.begin(0, more)
    session, kinds = labeler(), ""
    for number in range(9):
        item = session.next()
        kinds += "r" if isinstance(item, RankingItem) else "p"
        session.submit(
            RankingAnswer(f"answer-{number}", item.assignment, (1, 2, 3))
            if isinstance(item, RankingItem)
            else answer_to(item)
        )
        queue.top_up(more)
    assert kinds == "prrrprrrp"  # one pair is due for each four answers that are there or come next


def test_pairs_that_are_not_due_do_not_keep_a_step_waiting(store, queue, labeler):
    queue.begin(0, lambda _: [*pairs(store, 3), *rankings(store, 1)])
    session = labeler()
    session.submit(answer_to(session.next()))
    assert not queue.is_dry
    rank(session, "ranking-1")
    queue.top_up(lambda _: [])
    assert queue.is_dry
    assert len(queue.prepared) == 2


@pytest.mark.parametrize(("ranking", "group"), [(1, 8), (2, 8), (9, 8), (4, 3)])
def test_a_ranking_of_too_few_answers_or_more_than_a_prompt_gets_is_refused(ranking, group):
    with pytest.raises(BadInput, match=f"ranking={ranking} does not fit group_size={group}") as refused:
        parse_settings(OnlineSettings, {"ranking": ranking, "group_size": group})
    assert refused.value.field == "ranking"
    assert "3 to 9" in refused.value.remedy
