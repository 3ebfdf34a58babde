# SPDX-License-Identifier: Apache-2.0
"""The Labels page: its figures and texts, the disputed pairs, and the audit of a researcher's actions."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import gradio as gr
import pytest

from data.sqlite.connection import exclusive_lock
from data.store import Store
from data.views.preferences import snapshot_filters
from labeling.accounts.current import acting_as
from labeling.quality.agreement import Agreement, AgreementReport, Alpha
from labeling.quality.figures_process import process_of
from labeling.quality.figures_worker import LOCK
from labeling.quality.overview import build_overview
from labeling.texts.reader import writing_in
from rlhf.pages import disputes_view, labels, labels_tables, labels_view
from rlhf.pages.disputes import Disputes
from rlhf.pages.labels import LabelsPage

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """The page waits for another process as long as a busy machine needs."""
    monkeypatch.setattr(labels, "PATIENCE", 600.0)


@pytest.fixture
def judged(store, add_pairs) -> Iterator[Store]:
    """Two labelers agree on two pairs and disagree on the third."""
    rae = store.accounts.add("rae", "researcher")
    people = [store.accounts.add(name, "labeler") for name in ("mina", "jun")]
    for pair, verdicts in zip(add_pairs(3), (("left", "left"), ("left", "left"), ("left", "right_much")), strict=True):
        for person, verdict in zip(people, verdicts, strict=True):
            about = {"pair_id": pair.id, "labeler_id": person.id, "left_id": pair.first_id, "right_id": pair.second_id}
            store.insert("assignments", {"id": f"{person.name}-{pair.id}", **about, "expires_at": "", "created_at": ""})
            why = EVIL if verdict == "right_much" else None
            name = f"{person.name}-{pair.id}"
            store.comparisons.record(
                id=name, assignment_id=name, verdict=verdict, source="person", rationale=why, **about
            )
    with acting_as(rae):
        yield store


def page_of(store) -> LabelsPage:
    with gr.Blocks():
        return LabelsPage(store, gr.Button().click)


def queue_of(store) -> Disputes:
    with gr.Blocks():
        return Disputes(store, gr.Button().click)


def test_the_figures_are_drawn_once_and_only_while_the_page_is_on_the_screen(judged):
    page = page_of(judged)
    updates = page.refresh("", "people")
    groups, matrix, labelers = updates[page.groups], updates[page.matrix], updates[page.labelers]
    assert "too few to say (3)" in updates[page.summary]
    assert groups.value["data"][0][:4] == ["project", "Standard", 3, 66.7]
    assert "<b>67</b><small>3</small>" in matrix
    assert {row[0] for row in labelers.value["data"]} == {"mina", "jun"}
    assert "Gold (%)" not in labelers.value["headers"]  # nobody has met a gold item
    assert {name for name, _ in updates[page.who].choices} == {"mina", "jun"}
    assert page.refresh(updates[page.seen], "people") == gr.skip()


def test_while_newer_figures_are_computed_the_page_shows_the_old_ones_their_time_and_the_new_labels(judged, add_pairs):
    page, mina = page_of(judged), judged.accounts.by_name("mina")
    seen = page.refresh("", "people")[page.seen]
    (pair,) = add_pairs(1)
    with exclusive_lock(judged.home / LOCK):  # the process is in the middle of its work
        process = process_of(judged)
        process.newest["people"] = process.newest["people"]._replace(seconds=60.0)
        sides = {"left_id": pair.first_id, "right_id": pair.second_id}
        judged.comparisons.record(
            id="new", pair_id=pair.id, labeler_id=mina.id, verdict="left", source="import", **sides
        )
        updates = page.refresh(seen, "people")
        assert set(updates) == {page.seen, page.summary}  # the tables stay as they are
        assert "They are being updated: 1 new label since." in updates[page.summary]
        assert page.refresh(updates[page.seen], "people") == gr.skip()
    process.wait("people")
    drawn = page.refresh(updates[page.seen], "people")
    assert "being updated" not in drawn[page.summary]
    assert page.labelers in drawn


def test_a_cell_of_the_matrix_names_its_number_of_pairs_once(judged):
    matrix = labels_view.draw_matrix(build_overview(judged, "people"))
    assert re.findall("title='([^']+)'", matrix) == ["too few to say (3)"] * 2


def test_groups_and_intervals_are_named_in_the_readers_language(judged):
    with writing_in("ko"):
        groups = labels_tables.group_rows(build_overview(judged, "people").groups)
        assert [row[:2] for row in groups] == [
            ["프로젝트", "Standard"],
            ["지침", "Standard, 1판"],
            ["묶음", "가져왔거나 직접 만듦"],
        ]
        assert labels_tables.alpha_interval(Alpha(0.5, -0.1, 0.9), 10) == "-0.10 ~ 0.90"


def test_empty_states_say_which_step_fills_them(store):
    store.accounts.add("rae", "researcher")
    page, queue = page_of(store), queue_of(store)
    updates = page.refresh("", "people")
    texts = [updates[component] for component in (page.summary, page.matrix, page.notes)]
    texts.append(queue.refresh("")[queue.dispute])
    assert all("../label/" in text for text in texts)
    assert not updates[page.groups].visible
    assert not updates[page.labelers].visible


def test_without_shared_pairs_the_page_says_how_pairs_come_to_be_shared(store, add_pairs):
    (pair,) = add_pairs(1)
    mina = store.accounts.add("mina", "labeler")
    store.comparisons.record(
        id="one",
        pair_id=pair.id,
        labeler_id=mina.id,
        left_id=pair.first_id,
        right_id=pair.second_id,
        verdict="left",
        source="import",
    )
    assert "overlap above 1" in labels_view.draw_summary(build_overview(store, "people"))
    assert "but 1 from others" in labels_view.draw_summary(build_overview(store, "simulated"), others=1)


@pytest.mark.parametrize(
    ("rate", "pairs", "low", "means"),
    [
        (0.73, 400, 0.4, "right on 73 to 84 %"),
        (0.52, 400, -0.05, "more often than chance"),
        (0.9, 20, 0.5, "Only 20 pairs"),
    ],
)
def test_one_line_says_what_the_agreement_means(rate, pairs, low, means):
    # two labelers right with p agree with p^2 + (1 - p)^2: 0.73 gives p = (1 + sqrt(0.46)) / 2 = 0.839
    alpha = Alpha(low + 0.1, low, low + 0.2)
    assert means in labels_view.meaning(
        AgreementReport(Agreement(rate, rate - 0.1, rate + 0.1, pairs, pairs), alpha, alpha)
    )


def test_a_disputed_pair_shows_nobodys_vote_until_it_is_asked_for(judged):
    queue = queue_of(judged)
    updates = queue.refresh("")
    assert (updates[queue.pair], updates[queue.votes], updates[queue.votes_seen]) == ("3", "", "")
    assert updates[queue.verdicts].visible
    assert "mina" not in updates[queue.dispute]
    votes = queue.show_votes("3")
    assert "mina" in votes[queue.votes]
    assert "<img" not in votes[queue.votes]
    assert votes[queue.votes_seen] == "1"
    assert queue.refresh("3") == gr.skip()  # the pair on the screen stays


def test_a_verdict_is_about_the_answers_as_they_stood_and_can_be_taken_back(judged):
    queue = queue_of(judged)
    left, right = disputes_view.sides(judged.pairs.get(3))
    updates = queue.decide("right_slightly", "3", "")
    assert "Recorded: B slightly better." in updates[queue.status]
    decision = judged.adjudications.of_pair(3)
    assert (decision.winner_id, decision.left_id, decision.margin, decision.votes_seen) == (right, left, 1, False)
    assert "Adjudicated pairs: 1." in updates[queue.dispute]
    undone = queue.undo(updates[queue.last])
    assert (undone[queue.pair], judged.adjudications.of_pair(3)) == ("3", None)
    assert "no verdict" in queue.undo("")[queue.status]


def test_a_verdict_of_a_labeler_reads_as_the_answers_stand_on_this_page(judged):
    one, other = judged.comparisons.current(pair_id=3)
    assert disputes_view.seen_from(one, one.left_id) == one.verdict
    assert [disputes_view.seen_from(each, one.right_id) for each in (one, other)] == ["right", "left_much"]


def test_later_goes_round_the_disputed_pairs(judged, add_pairs):
    queue = queue_of(judged)
    assert queue.later("3")[queue.pair] == "3"  # the only one
    assert "No pair is on the screen" in queue.decide("tie", "", "")[queue.status]


def test_no_name_is_written_where_an_erasure_cannot_reach_it(judged):
    page = page_of(judged)
    page.exclude("mina", "asleep")
    page.compute_weights("people")
    mina = judged.accounts.by_name("mina")
    weighed, act = judged.audit.all()
    assert (weighed["actor"], weighed["action"]) == ("account 1", "weigh labelers")
    assert (act["actor"], act["detail"]) == ("account 1", {"labeler": mina.id, "reason": "asleep"})
    assert snapshot_filters(judged, "person") == {"labels": "person", "set_aside": [mina.id]}
    written = [row for table in ("audit", "set_asides", "weightings") for row in judged.rows(f"SELECT * FROM {table}")]
    assert len(written) == 4
    assert not [row for row in written if "rae" in str(row) or "mina" in str(row)]
    assert [one.name for one in judged.excluded_labelers.all()] == ["mina"]  # looked up where it is shown


def test_excluding_and_weighing_report_their_result(judged):
    page = page_of(judged)
    assert "Write one" in page.exclude("mina", " ")
    assert "mina is excluded" in page.exclude("mina", "asleep")
    table = page.refresh("", "people")[page.labelers].value
    assert (
        dict(zip(table["headers"], next(row for row in table["data"] if row[0] == "mina"), strict=True))["Excluded"]
        == "asleep"
    )
    assert "count again" in page.include("mina", "")
    assert "6 votes" in page.compute_weights("people")
    assert judged.labeler_weights.newest().actor == "account 1"


def test_a_download_is_its_rows_and_no_spreadsheet_takes_a_name_for_a_formula(judged):
    judged.accounts.add("=cmd", "labeler")
    link = labels_tables.csv_link("pairs", ["Labeler", "Labels"], [["=cmd", 3], ["mina", None]])
    text = base64.b64decode(re.search(r"base64,([^']+)", link)[1]).decode()
    assert text.splitlines() == ["Labeler,Labels", "'=cmd,3", "mina,"]
    assert labels_tables.draw_downloads(build_overview(judged, "people")).count("download=") == 1
