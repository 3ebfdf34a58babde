# SPDX-License-Identifier: Apache-2.0
"""Ranking tasks, rankings and drafts in the store."""

from __future__ import annotations

import pytest
from sqlite_utils.utils import sqlite3

from data.errors import BadInput, Refused


@pytest.fixture
def answers(store):
    """answers(n) -> a prompt's id and n completions of it."""

    def make(n, *, text="answer {}"):
        prompt = store.prompts.add(f"Prompt {store.prompts.count()}", source="test")
        rows = [{"prompt_id": prompt.id, "model_name": "m", "text": text.format(i), "number": i} for i in range(n)]
        return prompt.id, store.completions.add_many(rows)

    return make


def test_a_ranking_task_is_found_again_and_asks_for_a_text_once(store, answers):
    prompt_id, ids = answers(4)
    task = store.rankings.add_task(prompt_id, ids)
    assert store.rankings.add_task(prompt_id, ids[::-1]) == task
    assert task.completion_ids == tuple(sorted(ids))
    other, same = answers(4, text="the same")
    assert store.rankings.add_task(other, same) is None
    with pytest.raises(BadInput, match="10 answers are too many"):
        store.rankings.add_task(*answers(10))
    with pytest.raises(BadInput, match="no completion of prompt"):
        store.rankings.add_task(other, ids)


@pytest.fixture
def ranked(store, people, answers):
    """ranked(places) -> records a ranking of three answers a, b, c, shown in that order."""
    prompt_id, ids = answers(3)
    task = store.rankings.add_task(prompt_id, ids)
    row = {"id": "a1", "task_id": task.id, "labeler_id": people[0].id, "positions": '["' + '","'.join(ids) + '"]'}
    store.insert("assignments", row | {"expires_at": "", "created_at": ""})
    about = {
        "assignment_id": "a1",
        "task_id": task.id,
        "labeler_id": people[0].id,
        "source": "person",
        "project_id": 1,
        "guideline_version": 1,
    }

    def record(*places, id="r1", verdict="ranked", **more):
        placed = dict(zip(ids, places, strict=True)) if places else {}
        return store.rankings.record(id=id, verdict=verdict, positions=ids, places=placed, **about, **more)

    record.ids = ids
    return record


def test_a_ranking_keeps_places_without_gaps_and_yields_its_pairs(store, ranked):
    assert ranked(5, 2, 5, rationale="kinder")
    assert not ranked(5, 2, 5)
    a, b, c = ranked.ids
    (ranking,) = store.rankings.current()
    assert ranking.places == {b: 1, a: 2, c: 2}
    assert not ranking.unchanged
    assert store.rankings.rationale("r1") == "kinder"
    pairs = {(row["a_id"], row["b_id"]): row["winner_id"] for row in store.rows("SELECT * FROM ranked_pairs")}
    assert pairs == {(a, b): b, (a, c): None, (b, c): b}


def test_a_ranking_sent_as_it_was_shown_is_marked(store, ranked):
    ranked(1, 2, 3)
    assert store.rankings.get("r1").unchanged


def test_a_ranking_is_corrected_by_one_that_supersedes(store, ranked):
    ranked(1, 2, 3)
    with pytest.raises(Refused, match="has its answer"):
        ranked(3, 2, 1, id="r2")
    ranked(3, 2, 1, id="r2", supersedes="r1")
    with pytest.raises(Refused, match="not the current one"):
        ranked(1, 1, 1, id="r3", supersedes="r1")
    ranked(id="r3", verdict="withdrawn", supersedes="r2")
    assert store.rankings.current() == []
    assert [event.id for event in store.rankings.events()] == ["r1", "r2", "r3"]
    with pytest.raises(sqlite3.IntegrityError, match="written once"):
        store.execute("DELETE FROM ranking_places")


@pytest.mark.parametrize("places", [(1, 2, 0), (1, 2, 10), (1, 2, 1.5)])
def test_a_place_outside_one_to_nine_is_refused(store, ranked, places):
    with pytest.raises(BadInput, match="is no place"):
        ranked(*places)
    assert store.rankings.events() == []


def test_a_draft_is_kept_until_it_is_empty(store, ranked):
    store.drafts.save("a1", {"rationale": "becau", "places": []})
    store.drafts.save("a1", {"rationale": "because"})
    assert store.drafts.get("a1") == {"rationale": "because"}
    store.drafts.save("a1", {"rationale": ""})
    assert store.drafts.get("a1") == {}
    with pytest.raises(BadInput, match="a draft has no 'mood'"):
        store.drafts.save("a1", {"mood": "good"})
