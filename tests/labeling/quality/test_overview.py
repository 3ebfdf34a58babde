# SPDX-License-Identifier: Apache-2.0
"""The overview of all labels, computed by hand on a few comparisons."""

from __future__ import annotations

import pytest

from data.tables.comparison_columns import current_mask
from labeling.quality.agreement import measure_agreement
from labeling.quality.overview import build_overview
from rlhf.pages import labels_view


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
