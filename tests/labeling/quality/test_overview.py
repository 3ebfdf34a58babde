# SPDX-License-Identifier: Apache-2.0
"""The overview of all labels, computed by hand on a few comparisons."""

from __future__ import annotations

import pytest

from data.tables.comparison_columns import current_mask
from labeling.quality.agreement import measure_agreement
from labeling.quality.overview import build_overview
from labeling.texts.reader import writing_in
from rlhf.pages import labels_view
from rlhf.pages.disputes_view import draw_votes


def test_each_two_answers_that_two_people_ranked_are_a_pair_of_their_agreement(store, record_ranking, mina, jun):
    """a b c against a (c b as a tie): a-b and a-c alike, b-c half."""
    record_ranking(mina, (1, 2, 3))
    record_ranking(jun, (1, 2, 2))
    overview = build_overview(store, "people")
    assert (overview.comparisons, overview.rankings) == (0, 2)
    assert (overview.report.raw.rate, overview.report.raw.pairs) == (pytest.approx((1 + 1 + 0.5) / 3), 3)
    assert measure_agreement(store) == overview.report.raw
    assert {(group.kind, group.report.raw.pairs) for group in overview.groups} == {
        ("project", 3),
        ("guideline", 3),
        ("batch", 3),
    }
    (two,) = overview.labeler_pairs
    assert two.agreement.value == overview.report.raw.rate
    assert [(group.comparisons, group.rankings, group.agreement.n) for group in overview.labelers] == [(0, 1, 3)] * 2


def test_rankings_and_comparisons_of_the_same_number_are_not_mixed(
    store, add_pairs, compare, record_ranking, mina, jun
):
    (pair,) = add_pairs(1)
    compare(pair, mina, "left")
    compare(pair, jun, "right")
    record_ranking(mina, (1, 2, 3))
    record_ranking(jun, (), verdict="all_bad")  # which says nothing about the order
    overview = build_overview(store, "people")
    assert (overview.comparisons, overview.rankings) == (2, 2)
    assert (overview.report.raw.rate, overview.report.raw.pairs) == (0.0, 1)
    assert build_overview(store, "simulated").labelers == ()


def test_labels_of_models_are_a_kind_of_their_own(store, add_pairs, compare, mina):
    (pair,) = add_pairs(1)
    skipped = compare(pair, mina, "left")
    store.insert("skips", {"assignment_id": skipped, "reason": "no", "created_at": ""})
    for judge, verdict in (("gpt-x", "left"), ("llama", "right")):
        account = store.accounts.add(f"file:x (ai {judge})", "labeler")
        store.comparisons.record(
            id=judge,
            pair_id=pair.id,
            labeler_id=account.id,
            left_id=pair.first_id,
            right_id=pair.second_id,
            verdict=verdict,
            source="ai",
        )
    assert [build_overview(store, kind).comparisons for kind in ("people", "simulated", "ai")] == [1, 0, 2]
    assert build_overview(store, "people").report.raw.rate is None  # one person: nobody to agree with
    report = build_overview(store, "ai").report.raw
    assert (report.rate, report.pairs) == (0.0, 1)
    assert measure_agreement(store, "ai") == report
    assert store.comparison_columns.skip_counts(("ai",)) == {}
    assert store.value("SELECT count(*) FROM disputes") == 0
    votes = draw_votes(store, pair)
    assert "mina" in votes
    assert "gpt-x" not in votes


def test_agreement_leaves_out_who_is_set_aside_whose_own_figures_stay(store, add_pairs, compare, mina, jun):
    ada = store.accounts.add("ada", "labeler")
    for pair in add_pairs(4):
        for labeler, verdict in ((mina, "left"), (jun, "left"), (ada, "right")):
            compare(pair, labeler, verdict)
    assert build_overview(store, "people").report.raw.rate == pytest.approx(1 / 3)
    store.excluded_labelers.exclude("ada", "the wrong way round", by="rae")
    overview = build_overview(store, "people")
    assert (overview.report.raw.rate, len(overview.labelers)) == (1.0, 3)
    assert overview.excluded == {ada.id: "the wrong way round"}


def test_groups_are_projects_guideline_versions_and_batches(store, add_pairs, compare, mina, jun):
    for pair in add_pairs(2):
        compare(pair, mina, "left")
        compare(pair, jun, "left")
    groups = build_overview(store, "people").groups
    assert {(group.kind, group.title): group.report.raw.pairs for group in groups} == {
        ("project", "Standard"): 2,
        ("guideline", "Standard, version 1"): 2,
        ("batch", "imported or by hand"): 2,
    }
    with writing_in("ko"):
        assert [group.title for group in groups] == ["Standard", "Standard, 1판", "가져왔거나 직접 만듦"]


def test_two_by_two_is_known_of_each_batch_too(store, compare, mina, jun):
    for verdict in ("left", "right"):
        prompt = store.prompts.add(f"Say {verdict}.", source="test")
        ids = store.completions.add_many({"prompt_id": prompt.id, "model_name": name, "text": name} for name in "ab")
        pair = store.pairs.add(prompt.id, *ids, purpose="train", run_id=store.runs.enqueue("sample", {}, "rae").id)
        compare(pair, mina, "left")
        compare(pair, jun, verdict)
    overview = build_overview(store, "people")
    batches = {
        one.name: [(two.agreement.value, two.agreement.n) for two in one.labeler_pairs]
        for one in overview.groups
        if one.kind == "batch"
    }
    assert batches == {"run1": [(1.0, 1)], "run2": [(0.0, 1)]}
    assert [group["between"][0]["labelers"] for group in overview.agreement_json()["groups"]] == [["mina", "jun"]] * 4
    html = labels_view.draw_matrix(overview)
    assert (html.count("class=matrix"), html.count("<details>")) == (
        3,
        2,
    )  # of all, and of each batch; there is one project and one guideline


def test_only_what_holds_now_counts(store, add_pairs, compare, mina):
    (pair,) = add_pairs(1)
    name = compare(pair, mina, "left")
    compare(pair, mina, "right", supersedes=f"{name}-left", id=name)
    compare(pair, mina, "withdrawn", supersedes=f"{name}-right", id=name)
    events = store.comparison_columns.comparisons()
    assert len(events) == 3
    assert current_mask(events).tolist() == [False, False, False]


def test_grades_are_of_the_pairs_first_answer_whichever_side_it_stood_on(store, add_pairs, compare, mina, jun):
    (pair,) = add_pairs(1)
    compare(pair, mina, "left_much")
    compare(pair, jun, "right_much", swapped=True)
    events = store.comparison_columns.comparisons()
    assert events["grade"].tolist() == [3, 3]
    assert events["left"].tolist() == [True, False]
