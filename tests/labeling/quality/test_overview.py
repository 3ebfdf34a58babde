# SPDX-License-Identifier: Apache-2.0
"""The figures of the Labels page and of `preference-loop labels`, worked out by hand on a few comparisons."""

from __future__ import annotations

import json

import numpy as np
import pytest

import app
from data.errors import BadInput
from data.tables.comparison_columns import current_mask
from labeling.quality import cached_overview
from labeling.quality.agreement import measure_agreement
from labeling.quality.cached_overview import CachedOverview
from labeling.quality.labeler_report import labeler_pairs, position_bias
from labeling.quality.overview import build_overview, weigh
from labeling.quality.votes import Votes
from reward.settings import RewardSettings
from reward.training.rows import run_rows
from rlhf.pages import labels_view
from tests.support.labeled_notes import context_of, fill
from tests.support.tiny_model import make_tiny_model


@pytest.fixture
def mina(store):
    return store.accounts.add("mina", "labeler")


@pytest.fixture
def jun(store):
    return store.accounts.add("jun", "labeler")


@pytest.fixture
def said(store):
    """said(pair, labeler, verdict, ...) records a person's answer to an assignment with the first answer on the left."""

    def record(
        pair, labeler, verdict, *, gold=False, repeats=None, seconds=None, swapped=False, supersedes=None, id=None
    ):
        left, right = (pair.second_id, pair.first_id) if swapped else (pair.first_id, pair.second_id)
        id = id or f"{labeler.name}-{pair.id}" + ("-again" if repeats else "")
        if supersedes is None:
            store.insert(
                "assignments",
                {
                    "id": id,
                    "pair_id": pair.id,
                    "labeler_id": labeler.id,
                    "left_id": left,
                    "right_id": right,
                    "gold": int(gold),
                    "repeats": repeats,
                    "expires_at": "",
                    "created_at": "",
                },
            )
        store.comparisons.record(
            id=f"{id}-{verdict}",
            assignment_id=id,
            pair_id=pair.id,
            labeler_id=labeler.id,
            left_id=left,
            right_id=right,
            verdict=verdict,
            source="person",
            seconds=seconds,
            supersedes=supersedes,
        )
        return id

    return record


def test_a_labelers_figures_are_those_of_the_events(store, add_pairs, said, mina, jun):
    pairs = add_pairs(6)
    for pair, verdict, seconds in zip(
        pairs, ("left", "left_much", "left", "right", "tie", "both_bad"), (2.0, 4.0, 9.0, 8.0, 3.0, 5.0), strict=True
    ):
        said(pair, mina, verdict, seconds=seconds)
    for pair, verdict in zip(pairs[:3], ("left", "right", "tie"), strict=True):
        said(pair, jun, verdict)
    store.active_time.record(f"mina-{pairs[2].id}-left", 1.0)  # of nine seconds at work for one
    store.insert(
        "assignments",
        {
            "id": "let-go",
            "pair_id": pairs[3].id,
            "labeler_id": jun.id,
            "left_id": pairs[3].first_id,
            "right_id": pairs[3].second_id,
            "expires_at": "",
            "created_at": "",
        },
    )
    store.insert("skips", {"assignment_id": "let-go", "reason": "?", "created_at": ""})
    found = {one.labeler_id: one for one in build_overview(store, "people").labelers}
    one, other = found[mina.id], found[jun.id]
    assert (one.comparisons, other.comparisons) == (6, 3)
    assert (one.agreement.value, one.agreement.n) == (0.5, 3)  # 1, 0 and a half
    assert (one.left.value, one.left.n) == (0.75, 4)
    assert one.seconds == 3.5  # of 1, 2, 3, 4, 5 and 8
    assert (one.ties.value, one.both_bad.value) == (1 / 6, 1 / 6)
    assert (other.skips.value, other.skips.n) == (1 / 4, 4)
    assert one.gold.value is None


@pytest.fixture
def ranks(store):
    """ranks(labeler, places) records a person's ranking of three answers to one prompt."""
    prompt = store.prompts.add("Name three animals.", source="test")
    ids = store.completions.add_many({"prompt_id": prompt.id, "model_name": name, "text": name} for name in "abc")
    task = store.rankings.add_task(prompt.id, ids)

    def record(labeler, places, verdict="ranked"):
        shown = sorted(ids, reverse=labeler.id % 2 == 0)  # whoever saw them in which order
        about = {"task_id": task.id, "labeler_id": labeler.id}
        row = {"id": f"ranks-{labeler.name}", "positions": json.dumps(shown), "expires_at": "", "created_at": ""}
        store.insert("assignments", about | row)
        placed = dict(zip(ids, places, strict=True)) if places else {}
        store.rankings.record(
            id=f"r-{labeler.name}",
            assignment_id=row["id"],
            verdict=verdict,
            positions=shown,
            places=placed,
            source="person",
            project_id=1,
            guideline_version=1,
            **about,
        )

    return record


def test_each_two_answers_that_two_people_ranked_are_a_pair_of_their_agreement(store, ranks, mina, jun):
    """a b c against a (c b as a tie): a-b and a-c alike, b-c half."""
    ranks(mina, (1, 2, 3))
    ranks(jun, (1, 2, 2))
    found = build_overview(store, "people")
    assert (found.comparisons, found.rankings) == (0, 2)
    assert (found.report.raw.rate, found.report.raw.pairs) == (pytest.approx((1 + 1 + 0.5) / 3), 3)
    assert measure_agreement(store) == found.report.raw
    assert {(one.kind, one.report.raw.pairs) for one in found.groups} == {
        ("project", 3),
        ("guideline", 3),
        ("batch", 3),
    }
    (two,) = found.labeler_pairs
    assert two.agreement.value == found.report.raw.rate
    assert [(one.comparisons, one.rankings, one.agreement.n) for one in found.labelers] == [(0, 1, 3)] * 2


def test_rankings_and_comparisons_of_the_same_number_are_not_mixed(store, add_pairs, said, ranks, mina, jun):
    (pair,) = add_pairs(1)
    said(pair, mina, "left")
    said(pair, jun, "right")
    ranks(mina, (1, 2, 3))
    ranks(jun, (), verdict="all_bad")  # which says nothing about the order
    found = build_overview(store, "people")
    assert (found.comparisons, found.rankings) == (2, 2)
    assert (found.report.raw.rate, found.report.raw.pairs) == (0.0, 1)
    assert build_overview(store, "simulated").labelers == ()


def test_gold_is_met_by_the_right_answer_however_strongly_and_only_on_gold_items(store, add_pairs, said, mina):
    first, second, tie, bad, plain = add_pairs(5)
    store.gold.set(first.id, first.first_id, by="rae")
    store.gold.set(second.id, second.second_id, by="rae")
    store.gold.set(tie.id, None, outcome="tie", by="rae")
    store.gold.set(bad.id, None, outcome="both_bad", by="rae")
    for pair, verdict in ((first, "left_slightly"), (second, "left"), (tie, "tie"), (bad, "both_bad")):
        said(pair, mina, verdict, gold=True)
    said(plain, mina, "right")
    (one,) = build_overview(store, "people").labelers
    assert (one.gold.value, one.gold.n) == (0.75, 4)


def test_self_consistency_compares_a_planned_repeat_with_what_it_repeats(store, add_pairs, said, mina):
    pairs = add_pairs(4)
    for pair, before, again in zip(
        pairs, ("left", "left", "tie", "both_bad"), ("right_much", "left", "left", "tie"), strict=True
    ):
        name = said(pair, mina, before)
        said(pair, mina, again, repeats=name, swapped=True)  # the same answer now stands on the other side
    (one,) = build_overview(store, "people").labelers
    assert (one.consistency.value, one.consistency.n) == ((1 + 0 + 0.5 + 0) / 4, 4)
    assert one.agreement.value is None


def test_position_bias_has_wilsons_interval():
    # Wilson for 60 of 100: (0.6 + 0.0192 -+ 1.96 sqrt(0.0024 + 0.0000960)) / 1.0384
    found = position_bias(60, 100)
    assert (found.value, found.low, found.high) == pytest.approx((0.6, 0.502, 0.6906), abs=5e-4)


def test_position_bias_covers_a_half_for_ninety_five_in_a_hundred_who_have_none():
    drawn = np.random.default_rng(7).binomial(200, 0.5, size=2000)
    covered = np.mean([position_bias(int(k), 200).low <= 0.5 <= position_bias(int(k), 200).high for k in drawn])
    assert covered == pytest.approx(0.95, abs=0.015)


def test_agreement_leaves_out_who_is_set_aside_whose_own_figures_stay(store, add_pairs, said, mina, jun):
    ada = store.accounts.add("ada", "labeler")
    for pair in add_pairs(4):
        for labeler, verdict in ((mina, "left"), (jun, "left"), (ada, "right")):
            said(pair, labeler, verdict)
    assert build_overview(store, "people").report.raw.rate == pytest.approx(1 / 3)
    store.excluded_labelers.exclude("ada", "the wrong way round", by="rae")
    found = build_overview(store, "people")
    assert (found.report.raw.rate, len(found.labelers)) == (1.0, 3)
    assert found.excluded == {ada.id: "the wrong way round"}


def test_groups_are_projects_guideline_versions_and_batches(store, add_pairs, said, mina, jun):
    for pair in add_pairs(2):
        said(pair, mina, "left")
        said(pair, jun, "left")
    found = {(one.kind, one.name): one.report.raw.pairs for one in build_overview(store, "people").groups}
    assert found == {
        ("project", "Standard"): 2,
        ("guideline", "Standard, version 1"): 2,
        ("batch", "imported or by hand"): 2,
    }


def test_two_by_two_is_known_of_each_batch_too(store, said, mina, jun):
    for verdict in ("left", "right"):
        prompt = store.prompts.add(f"Say {verdict}.", source="test")
        ids = store.completions.add_many({"prompt_id": prompt.id, "model_name": name, "text": name} for name in "ab")
        pair = store.pairs.add(prompt.id, *ids, purpose="train", run_id=store.runs.enqueue("sample", {}, "rae").id)
        said(pair, mina, "left")
        said(pair, jun, verdict)
    found = build_overview(store, "people")
    batches = {
        one.name: [(two.agreement.value, two.agreement.n) for two in one.labeler_pairs]
        for one in found.groups
        if one.kind == "batch"
    }
    assert batches == {"run1": [(1.0, 1)], "run2": [(0.0, 1)]}
    assert [group["between"][0]["labelers"] for group in found.agreement_json()["groups"]] == [["mina", "jun"]] * 4
    html = labels_view.draw_matrix(found)
    assert (html.count("class=matrix"), html.count("<details>")) == (
        3,
        2,
    )  # of all, and of each batch; there is one project and one guideline


def test_only_what_holds_now_counts(store, add_pairs, said, mina):
    (pair,) = add_pairs(1)
    name = said(pair, mina, "left")
    said(pair, mina, "right", supersedes=f"{name}-left", id=name)
    said(pair, mina, "withdrawn", supersedes=f"{name}-right", id=name)
    events = store.comparison_columns.comparisons()
    assert len(events) == 3
    assert current_mask(events).tolist() == [False, False, False]


def test_grades_are_of_the_pairs_first_answer_whichever_side_it_stood_on(store, add_pairs, said, mina, jun):
    (pair,) = add_pairs(1)
    said(pair, mina, "left_much")
    said(pair, jun, "right_much", swapped=True)
    events = store.comparison_columns.comparisons()
    assert events["grade"].tolist() == [3, 3]
    assert events["left"].tolist() == [True, False]


def test_two_by_two_counts_the_pairs_that_both_judged():
    pair, labeler, grade = np.array([[1, 1, 2, 2, 3, 3], [5, 6, 5, 6, 5, 7], [1, 1, 1, -1, 2, 0]])
    found = {
        (one.first, one.second): (one.agreement.value, one.agreement.n)
        for one in labeler_pairs(Votes(pair, labeler, grade))
    }
    assert found == {(5, 6): (0.5, 2), (5, 7): (0.5, 1)}


def test_the_live_overview_reads_only_what_is_new_and_works_in_the_background_where_there_is_much(
    store, add_pairs, said, mina, jun, monkeypatch
):
    (pair,) = add_pairs(1)
    monkeypatch.setattr(cached_overview, "REST_FACTOR", 0)
    read, whole = [], type(store.comparison_columns).comparisons
    monkeypatch.setattr(
        type(store.comparison_columns), "comparisons", lambda self, after=0: (read.append(after), whole(self, after))[1]
    )
    page = CachedOverview(store)
    assert page.read("people").overview.comparisons == 0
    said(pair, mina, "left")
    before = page.read("people")
    assert before.overview.comparisons == 1
    assert page.read("people").mark == before.mark
    page.caches["people"].foreground_limit = 0
    said(pair, jun, "left")
    with page.caches["people"].lock:  # the newer one waits
        old = page.read("people")
    assert old.overview.comparisons == 1
    assert old.since  # of when it is
    while (after := page.read("people")).busy:
        pass
    assert (after.overview.comparisons, after.since, read) == (2, "", [0, 0, 1])
    assert after.mark != before.mark


def test_an_imports_comparisons_count_when_it_is_done_also_for_the_live_overview(store, add_pairs, said, mina):
    one, other = add_pairs(2)
    store.insert("imports", {"id": 1, "actor": "rae", "what": "preferences", "files": "[]", "created_at": ""})
    about = {
        "pair_id": one.id,
        "labeler_id": mina.id,
        "left_id": one.first_id,
        "right_id": one.second_id,
        "winner_id": one.first_id,
        "margin": 2,
    }
    fixed = {
        "id": "imported",
        "verdict": "left",
        "source": "import",
        "project_id": 1,
        "guideline_version": 1,
        "created_at": "",
        "import_id": 1,
    }
    store.insert("comparisons", about | fixed)
    said(other, mina, "left")
    page = CachedOverview(store)
    assert page.read("people").overview.comparisons == 1
    store.execute("UPDATE imports SET done_at = '2026'")
    assert page.read("people").overview.comparisons == 2


def test_weights_are_kept_as_a_version_and_adjudicated_pairs_count_as_known(store, add_pairs, said, mina, jun):
    pairs = add_pairs(40)
    for number, pair in enumerate(pairs):
        said(pair, mina, "left" if number % 2 else "right")
        said(pair, jun, "right" if number % 2 else "left", swapped=number % 3 == 0)
        store.gold.set(pair.id, pair.first_id if number % 2 else pair.second_id, by="rae")
    made = weigh(store, ("person", "import"), by="rae")
    weights = made.by_labeler()
    assert weights[mina.id] > 1.5 > 0.5 > weights[jun.id]
    assert store.labeler_weights.newest() == made
    assert (made.votes, made.labels) == (80, "person+import")


def test_who_is_set_aside_is_not_weighed_and_without_comparisons_nothing_is_kept(store, add_pairs, said, mina, jun):
    with pytest.raises(BadInput, match="no comparisons"):
        weigh(store, ("person",), by="rae")
    for pair in add_pairs(3):
        said(pair, mina, "left")
        said(pair, jun, "left")
    store.excluded_labelers.exclude("jun", "asleep", by="rae")
    assert set(weigh(store, ("person",), by="rae").by_labeler()) == {mina.id}
    assert store.value("SELECT count(*) FROM weightings") == 1


def test_reward_training_freezes_rows_with_their_labelers_weights_and_names_the_version(store, tmp_path):
    labeled = fill(store, make_tiny_model("llama", tmp_path / "model"))
    settings = RewardSettings(weights="reliability")
    snapshot, training, held_out = run_rows(context_of(labeled, settings), settings, settings.weights)
    rows = [*training, *held_out.validation, *held_out.test]
    assert snapshot.filters["weighting"] == store.labeler_weights.newest().id
    assert {row.weight for row in rows} == {1.0}  # one labeler, who is the mean
    (author,) = {row.labeler_id for row in rows}
    assert {row["labeler"] for row in labeled.snapshots.rows(snapshot.id)} == {f"labeler-{author}"}
    again = run_rows(context_of(labeled, settings), RewardSettings(), "equal")[0]
    assert again.id == snapshot.id  # the same rows are the same snapshot


def test_the_command_tells_the_figures_as_json(store, add_pairs, said, mina, jun, capsys):
    for pair in add_pairs(2):
        said(pair, mina, "left")
        said(pair, jun, "left")

    def command(*words):
        return app.main(["labels", *words, "--home", str(store.home)])

    assert command("agreement", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rate"], told["pairs"], told["between"][0]["labelers"]) == (1.0, 2, ["mina", "jun"])
    assert command("quality", "--json") == 0
    assert json.loads(capsys.readouterr().out)["labelers"][0]["agreement"]["of"] == 2
    for words in (
        ["agreement"],
        ["quality"],
        ["weigh"],
        ["set-aside", "jun", "--reason", "asleep"],
        ["take-in", "jun"],
    ):
        assert command(*words) == 0
    assert "100% (34% to 100%) of 2 pairs" in capsys.readouterr().out
    assert command("set-aside", "nobody", "--reason", "x") == 2
