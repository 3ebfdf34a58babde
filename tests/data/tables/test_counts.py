# SPDX-License-Identifier: Apache-2.0
"""Counts that triggers keep are those of the events."""

from __future__ import annotations

from data.sqlite.schema.counts import COUNTED
from data.tables.adjudications import Decision
from data.views.rebuild_derived import rebuild
from labeling.session import Answer, Session


def counts(store):
    result = store.rows("SELECT source, hour, import_id, n FROM comparison_counts WHERE n != 0 ORDER BY 1, 2, 3")
    store.execute("DELETE FROM comparison_counts")
    store.execute(COUNTED)
    assert result == store.rows("SELECT source, hour, import_id, n FROM comparison_counts ORDER BY 1, 2, 3")
    return result


def test_running_counts_are_those_of_the_events_after_corrections_and_undoing(store, add_pairs):
    add_pairs(6)
    session = Session(store, store.accounts.add("Mina", "labeler"))
    for number in range(5):
        session.submit(Answer(f"answer-{number}", session.next().assignment, "left"))
    session.undo()
    last = session.events.latest_answer(session.labeler.id)
    session.submit(Answer("correction", last.assignment_id, "tie", supersedes=last.id))
    assert store.comparisons.count() == store.comparisons.count("person") == 4
    assert store.comparisons.count("simulated") == 0
    assert sum(row["n"] for row in counts(store)) == 4
    moments = [event.created_at for event in store.comparisons.current()]
    assert [store.comparisons.count("person", moment) for moment in moments] == [3, 2, 1, 0]
    rebuild(store)
    assert store.comparisons.count() == 4


def test_what_an_import_wrote_is_counted_once_the_import_is_done(store, add_pairs):
    (pair,) = add_pairs(1)
    mina = store.accounts.add("Mina", "labeler")
    about = {
        "pair_id": pair.id,
        "labeler_id": mina.id,
        "left_id": pair.first_id,
        "right_id": pair.second_id,
        "verdict": "left",
    }
    number = store.imports.begin("Rae", "preferences", ["x.jsonl"])
    store.comparisons.record(id="one", source="import", import_id=number, source_hash="x", **about)
    assert store.comparisons.count() == 0
    store.imports.end(number)
    assert store.comparisons.count() == store.comparisons.count("import") == 1
    other = store.imports.begin("Rae", "preferences", ["y.jsonl"])
    store.comparisons.record(id="two", source="import", import_id=other, source_hash="y", **about)
    store.imports.remove(other)
    assert store.comparisons.count() == 1
    counts(store)


def test_the_pairs_that_wait_and_the_open_disputes_are_counted_as_the_events_have_them(store, add_pairs):
    pairs = add_pairs(4)
    people = [store.accounts.add(name, "labeler") for name in ("Mina", "Jun")]
    for pair in pairs[:3]:
        for person, verdict in zip(people, ("left", "right"), strict=True):
            about = {"pair_id": pair.id, "labeler_id": person.id, "left_id": pair.first_id, "right_id": pair.second_id}
            id = f"{person.name}-{pair.id}"
            store.insert("assignments", about | {"id": id, "expires_at": "", "created_at": ""})
            store.comparisons.record(id=id, assignment_id=id, verdict=verdict, source="person", **about)
    assert store.pairs.waiting_count() == 1
    assert store.adjudications.open_count() == store.adjudications.open_count(1) == 3
    store.gold.set(pairs[0].id, pairs[0].first_id, by="Rae")
    store.gold.set(pairs[3].id, pairs[3].first_id, by="Rae")  # no dispute
    rae = store.accounts.add("Rae", "researcher")
    store.adjudications.decide(Decision("d", pairs[1].id, rae.id, pairs[1].first_id, pairs[1].second_id, "left", False))
    assert store.adjudications.open_count() == store.adjudications.open_count(1) == 1
