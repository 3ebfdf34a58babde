# SPDX-License-Identifier: Apache-2.0
"""The large home of the benchmarks is what the store's own calls write, and what pages count on it does not grow with it."""

from __future__ import annotations

import random

import pytest

from data import Store
from data.views.head_to_head import head_to_head
from data.views.preferences import stream_rows
from labeling.page import actions, feedback
from labeling.quality.figures_process import FiguresProcess
from labeling.session import Answer, Session
from rlhf.pages.loop_counts import count_loop
from rlhf.pages.policies.answers import draw_answers
from tests.bench.serve.large_home import fill

NEW = {"created_at", "shown_at", "expires_at", "hour"}
"""Columns that say when: those of the home are spread over weeks."""
TABLES = (
    "policies",
    "accounts",
    "prompts",
    "completions",
    "pairs",
    "assignments",
    "comparisons",
    "queue",
    "tallies",
    "disputes",
)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("large"))
    fill(store, pairs=40, comparisons=200, labelers=15)
    yield store
    store.close()


def rows(store, table):
    return [
        {name: value for name, value in row.items() if name not in NEW}
        for row in store.rows(f"SELECT * FROM {table} ORDER BY 1")
    ]


def repeated(large, store):
    """The same home by the store's own calls."""
    for policy in large.policies.all():
        store.policies.add(name=policy.name, kind=policy.kind, base=policy.base)
    for account in large.accounts.all():
        store.accounts.add(account.name, account.role)
    store.prompts.add_many({"text": prompt.text, "source": prompt.source} for prompt in large.prompts.all())
    store.completions.add_many(one for prompt in large.prompts.all() for one in large.completions.of_prompt(prompt.id))
    for pair in large.pairs.all():
        store.pairs.add(pair.prompt_id, pair.second_id, pair.first_id, purpose=pair.purpose)
    for row in large.rows("SELECT * FROM assignments ORDER BY rowid"):
        store.insert("assignments", row | {"done": 0})
    said = ("id", "assignment_id", "pair_id", "labeler_id", "left_id", "right_id", "verdict", "source", "seconds")
    for event in large.comparisons.events():
        store.comparisons.record(**{name: getattr(event, name) for name in said})


def test_every_row_and_every_derived_row_is_as_the_stores_own_calls_write_it(large, store):
    with store.transaction():
        repeated(large, store)
    for table in TABLES:
        assert rows(store, table) == rows(large, table), table
    assert large.rows("SELECT count(*) AS n FROM disputes")[0]["n"] > 0
    assert {row["judged"] for row in rows(large, "queue")} == set(range(11))


def test_schema_and_references_are_whole_after_the_large_commit(large, store):
    schema = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2, 3"
    assert large.rows(schema) == store.rows(schema)
    assert large.rows("PRAGMA foreign_key_check") == []
    assert large.value("PRAGMA integrity_check") == "ok"


def scans(store, work):
    """Each statement that `work` runs, with what its plan reads from end to end."""
    seen = []
    store.db.conn.set_trace_callback(seen.append)
    try:
        work()
    finally:
        store.db.conn.set_trace_callback(None)
    found = {}
    for sql in {one for one in seen if one.lstrip().startswith(("SELECT", "WITH"))}:
        plan = [row["detail"] for row in store.rows(f"EXPLAIN QUERY PLAN {sql}")]
        inner = {
            line.split()[1] for line in plan if line.startswith(("CO-ROUTINE", "MATERIALIZE"))
        }  # what these read has lines of its own
        found[sql] = {line.split()[1] for line in plan if line.startswith("SCAN")} - inner
    return found


@pytest.mark.parametrize(
    "look",
    [
        count_loop,
        lambda store: store.projects.counts(1),
        lambda store: (store.adjudications.open_pairs(limit=1_000), store.adjudications.open_count()),
        lambda store: (store.comparison_columns.change_counters(), store.comparison_columns.skip_counts(("person",))),
        lambda store: head_to_head(store, "person"),
        lambda store: draw_answers(store, store.policies.get("p2")),
    ],
    ids=["loop", "projects", "disputes", "labels", "arena", "policies"],
)
def test_no_page_reads_comparisons_assignments_or_pairs_from_end_to_end(large, look):
    found = scans(large, lambda: look(large))
    assert found
    for sql, tables in found.items():
        assert not tables & {"comparisons", "c", "assignments", "a", "pairs"}, sql


class Undone(Exception):
    """Rolls a transaction back."""


def undone(store, work):
    """Do it in a transaction that `work` breaks off."""
    with store.transaction():
        work()


def steps(store, work):
    """How many steps of its machine SQLite takes for `work`, to 10."""
    taken = [0]

    def count():
        taken[0] += 10

    store.db.conn.set_progress_handler(count, 10)
    work()
    store.db.conn.set_progress_handler(None, 0)
    return taken[0]


def test_the_first_row_for_training_costs_as_much_in_a_home_ten_times_as_large(large, store):
    fill(store, pairs=400, comparisons=2_000, labelers=15)

    def cost(home):
        return steps(home, lambda: next(stream_rows(home)))

    assert cost(store) < 1.5 * cost(large)


@pytest.mark.parametrize("overlap", [1, 1.1, 3])
def test_the_next_pair_costs_as_much_in_a_home_ten_times_as_large(large, store, overlap):
    fill(store, pairs=400, comparisons=2_000, labelers=15)

    def cost(home):
        def work():
            assert Session(home, home.accounts.add("new", "labeler"), overlap=overlap, rng=random.Random(1)).next()
            raise Undone

        return steps(home, lambda: pytest.raises(Undone, undone, home, work))

    assert cost(store) < 1.5 * cost(large)


def test_the_next_pair_and_an_answer_read_no_large_table_from_end_to_end(large):
    session = Session(large, "person 3", overlap=3)

    def work():
        item = session.next()
        session.submit(Answer("new-answer", item.assignment, "left"))
        session.progress()

    for sql, tables in scans(large, work).items():
        assert not tables & {"comparisons", "c", "assignments", "a", "pairs", "completions", "prompts", "queue", "q"}, (
            sql
        )


def test_no_request_of_the_labelers_page_reads_a_large_table_from_end_to_end_also_not_one_with_nothing_to_judge(
    store, monkeypatch
):
    fill(store, pairs=40, comparisons=200, labelers=15)
    monkeypatch.setattr(feedback, "FOREGROUND_LIMIT", 0)  # a home too large for what is worked out while labelers wait
    monkeypatch.setattr(FiguresProcess, "ask", lambda self, name: None)

    def turn(verb, **body):
        with store.transaction():
            reply = verb(actions.PageRequest(Session(store, "person 3", rankings=True), "en", body))
        return actions.render_reply(reply)  # after the commit, as the page does

    def work():
        reply, number = turn(actions.look), 0
        while assignment := reply["item"]["assignment"]:
            number += 1
            for verb in (actions.draft, actions.beat, actions.guide):
                turn(verb, assignment=assignment, content={"verdict": "left"})
            reply = turn(
                actions.answer, answer={"id": f"new-answer-{number}", "assignment": assignment, "verdict": "left"}
            )
        assert number
        assert (
            "Two labelers of the same pair agree" not in reply["regions"]["screen"]
        )  # that is worked out elsewhere, for the next look
        for verb in (actions.undo, actions.history, actions.older):
            turn(verb)

    found = scans(store, work)
    for sql, tables in found.items():
        assert not tables & {
            "comparisons",
            "c",
            "assignments",
            "a",
            "pairs",
            "completions",
            "prompts",
            "queue",
            "q",
            "rankings",
            "r",
        }, sql
