# SPDX-License-Identifier: Apache-2.0
"""Researchers' decisions about labels: what they change in rows and exports, and that nothing of what was said is lost."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from data.errors import BadInput, Refused
from data.tables.adjudications import Decision, rebuild_disputes
from data.transfer.exporting import ExportRequest, export_rows
from data.views.preferences import count_excluded, preference_rows, snapshot_filters
from labeling.session import RankingAnswer, Session


@pytest.fixture
def people(store):
    return {name: store.accounts.add(name, "labeler") for name in ("mina", "jun", "ada")} | {
        "rae": store.accounts.add("rae", "researcher")
    }


@pytest.fixture
def say(store, people):
    """say(pair, who, verdict) records a person's comparison with the pair's first answer on the left."""

    def record(pair, who, verdict, source="person", supersedes=None):
        assignment = f"{who}-{pair.id}"
        about = {"pair_id": pair.id, "labeler_id": people[who].id, "left_id": pair.first_id, "right_id": pair.second_id}
        if supersedes is None:
            store.insert("assignments", {"id": assignment, **about, "expires_at": "", "created_at": ""})
        id = f"{assignment}-{verdict}"
        store.comparisons.record(
            id=id, assignment_id=assignment, verdict=verdict, source=source, supersedes=supersedes, **about
        )
        return id

    return record


def decision(pair, people, verdict="left_much", id="decision-1", seen=False):
    return Decision(id, pair.id, people["rae"].id, pair.first_id, pair.second_id, verdict, seen)


def test_a_pair_is_disputed_where_two_labelers_prefer_different_answers(store, add_pairs, say):
    opposite, tied, same, alone, both_bad = add_pairs(5)
    for pair, other in ((opposite, "right_slightly"), (tied, "tie"), (same, "left_much"), (both_bad, "both_bad")):
        say(pair, "mina", "left")
        say(pair, "jun", other)
    say(alone, "mina", "left")
    assert store.adjudications.open_pairs() == [opposite.id]
    assert store.adjudications.open_count() == 1


def test_a_correction_ends_a_dispute_and_what_is_kept_is_what_is_rebuilt(store, add_pairs, say):
    one, other = add_pairs(2)
    for pair in (one, other):
        first = say(pair, "mina", "left")
        say(pair, "jun", "right")
    say(other, "mina", "right", supersedes=first)
    remaining = store.rows("SELECT * FROM disputes")
    assert [row["pair_id"] for row in remaining] == [one.id]
    rebuild_disputes(store)
    assert store.rows("SELECT * FROM disputes") == remaining


def test_simulated_and_imported_comparisons_and_gold_items_make_no_dispute(store, add_pairs, say, people):
    simulated, gold, imported = add_pairs(3)
    for who, verdict in (("mina", "left"), ("jun", "right")):
        say(simulated, who, verdict, source="simulated")
        say(gold, who, verdict)
        store.comparisons.record(
            id=f"{who}-imported",
            pair_id=imported.id,
            labeler_id=people[who].id,
            left_id=imported.first_id,
            right_id=imported.second_id,
            verdict=verdict,
            source="import",
        )
    store.gold.set(gold.id, gold.first_id, by="rae")
    assert store.adjudications.open_count() == 0


def test_an_adjudication_stands_in_place_of_what_people_said_and_the_events_stay(
    store, add_pairs, say, people, tmp_path
):
    disputed, plain = add_pairs(2)
    say(disputed, "mina", "left")
    say(disputed, "jun", "right")
    say(plain, "mina", "left")
    assert store.adjudications.decide(decision(disputed, people, "right_much"))
    rows = {(row.source, row.labeler): row for row in preference_rows(store)}
    assert set(rows) == {("person", "mina"), ("adjudication", "rae")}
    decided = rows["adjudication", "rae"]
    assert (decided.label, decided.margin, decided.comparison_id) == (0.0, 3, "decision-1")
    assert store.adjudications.open_count() == 0
    assert len(store.comparisons.events()) == 3
    assert snapshot_filters(store, "person")["adjudicated"] == 1
    export_rows(store, tmp_path / "events.jsonl", ExportRequest("events"))
    message = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [one["event"] for one in message].count("comparison") == 3
    (one,) = (one for one in message if one["event"] == "adjudication")
    assert (one["source"], one["verdict"], one["votes_seen"]) == ("adjudication", "right_much", 0)


def test_a_pair_adjudicated_as_both_bad_gives_no_row(store, add_pairs, say, people):
    disputed, plain = add_pairs(2)
    say(disputed, "mina", "left")
    say(disputed, "jun", "right")
    say(plain, "mina", "left")
    store.adjudications.decide(decision(disputed, people, "both_bad"))
    assert [row.labeler for row in preference_rows(store)] == ["mina"]


def test_deciding_twice_is_deciding_once_and_a_second_researcher_is_told(store, add_pairs, say, people):
    (pair,) = add_pairs(1)
    assert store.adjudications.decide(decision(pair, people))
    assert not store.adjudications.decide(decision(pair, people))
    with pytest.raises(Refused, match="adjudicated meanwhile"):
        store.adjudications.decide(decision(pair, people, id="decision-2"))
    with pytest.raises(BadInput, match="not a verdict"):
        store.adjudications.decide(decision(pair, people, "best", id="decision-3"))


def test_a_verdict_taken_back_makes_the_pair_wait_again_and_can_be_decided_anew(store, add_pairs, say, people):
    (pair,) = add_pairs(1)
    say(pair, "mina", "left")
    say(pair, "jun", "right")
    store.adjudications.decide(decision(pair, people))
    with pytest.raises(Refused):
        store.adjudications.withdraw("decision-1", people["mina"].id)
    store.adjudications.withdraw("decision-1", people["rae"].id)
    assert store.adjudications.open_count() == 1
    store.adjudications.decide(decision(pair, people, "tie", id="decision-2"))
    assert store.adjudications.of_pair(pair.id).verdict == "tie"
    assert store.value("SELECT count(*) FROM adjudications") == 3


def test_a_verdict_on_a_pair_that_became_gold_trains_only_where_gold_is_asked_for(store, add_pairs, say, people):
    one, other = add_pairs(2)
    say(other, "mina", "left")
    store.adjudications.decide(decision(one, people))
    store.gold.set(one.id, one.first_id, by="rae")
    assert [row.kind for row in preference_rows(store)] == ["comparison"]
    assert sorted(row.kind for row in preference_rows(store, source="person+gold")) == ["adjudication", "comparison"]


def test_a_verdict_replaces_comparisons_of_its_answers_and_leaves_rankings(store, people):
    prompt = store.prompts.add("Prompt", source="test")
    made = store.completions.add_many(
        {"prompt_id": prompt.id, "model_name": "m", "text": f"text {i}", "number": i} for i in range(3)
    )
    store.rankings.add_task(prompt.id, made)
    session = Session(store, people["mina"], rankings=True)
    item = session.next()
    session.submit(RankingAnswer("answer-1", item.assignment, (1, 2, 3)))
    store.adjudications.decide(decision(store.pairs.add(prompt.id, made[0], made[1]), people))
    assert Counter(row.kind for row in preference_rows(store)) == {"ranking": 3, "adjudication": 1}


@pytest.mark.parametrize(
    "statement", ["UPDATE adjudications SET margin = 0", "DELETE FROM adjudications", "DELETE FROM set_asides"]
)
def test_decisions_are_never_changed_or_deleted(store, add_pairs, people, statement):
    (pair,) = add_pairs(1)
    store.adjudications.decide(decision(pair, people))
    store.excluded_labelers.exclude("mina", "answers at random", by="rae")
    with pytest.raises(Exception, match="written once"):
        store.execute(statement)


def test_a_labeler_set_aside_is_left_out_by_a_filter_that_is_recorded(store, add_pairs, say, people, tmp_path):
    one, other = add_pairs(2)
    say(one, "mina", "left")
    say(other, "jun", "left")
    store.excluded_labelers.exclude("Mina", " answers at random ", by="rae")
    assert [row.labeler for row in preference_rows(store)] == ["jun"]
    assert snapshot_filters(store, "person+import") == {"labels": "person+import", "set_aside": [people["mina"].id]}
    assert count_excluded(store) == {"labeler excluded": 1}
    assert export_rows(store, tmp_path / "out.jsonl", ExportRequest("preferences"), by="rae")["omitted"] == {
        "labeler excluded": 1
    }
    export, aside = store.audit.all(2)
    assert export["detail"]["set_aside"] == [people["mina"].id]
    assert (aside["actor"], aside["action"], aside["detail"]["reason"]) == (
        "rae",
        "set labeler aside",
        "answers at random",
    )
    store.excluded_labelers.include("mina", by="rae")
    assert len(preference_rows(store)) == 2


def test_setting_a_labeler_aside_settles_the_disputes_that_were_theirs_alone(store, add_pairs, say):
    one, other = add_pairs(2)
    for pair in (one, other):
        say(pair, "mina", "left")
        say(pair, "jun", "right")
    say(other, "ada", "left")
    store.excluded_labelers.exclude("mina", "away", by="rae")
    assert store.adjudications.open_pairs() == [other.id]
    store.excluded_labelers.include("mina", by="rae")
    assert store.adjudications.open_pairs() == [one.id, other.id]


def test_setting_aside_needs_a_known_labeler_and_a_reason(store, people):
    with pytest.raises(BadInput, match="needs a reason"):
        store.excluded_labelers.exclude("mina", "  ", by="rae")
    with pytest.raises(BadInput, match="no labeler 'nobody'"):
        store.excluded_labelers.exclude("nobody", "x", by="rae")
    with pytest.raises(BadInput, match="not excluded"):
        store.excluded_labelers.include("mina", by="rae")


def test_where_everybody_is_set_aside_the_refusal_says_so(store, add_pairs, say):
    say(add_pairs(1)[0], "mina", "left")
    store.excluded_labelers.exclude("mina", "away", by="rae")
    with pytest.raises(BadInput, match="excluded"):
        preference_rows(store)
