# SPDX-License-Identifier: Apache-2.0
"""The Clinic page: texts never become markup, each empty state names its step, figures are those of the reports."""

from __future__ import annotations

import numpy as np

from labeling.texts.reader import writing_in
from rlhf.clinic.examination import Examination
from rlhf.pages import clinic_map, clinic_view

EVIL = "<img src=x onerror=alert(1)>"
CURVE = [
    {"rows": 250, "win_rate": 0.6, "win_rate_ci": [0.55, 0.65]},
    {"rows": 500, "win_rate": 0.7, "win_rate_ci": [0.66, 0.74]},
    {"rows": 1000, "win_rate": 0.7, "win_rate_ci": [0.66, 0.74]},
]


def examination(count: int = 6) -> Examination:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(count, 3)).astype(np.float32)
    return Examination(
        ids=np.arange(count),
        instructions=vectors,
        answers=vectors,
        columns=np.ones((count, 1)),
        names=np.array(["ifd"]),
        map=vectors[:, :2],
        clusters=np.arange(count) % 2,
        groups=np.arange(count),
    )


def curated(store, **quality):
    held = {"accuracy": 0.8, "ci": [0.7, 0.9], "baseline": 0.6, "spearman": 0.5}
    row = {"id": 1, "points": 4.9, "task": EVIL, "answer": EVIL}
    about = {"ratings": 200, "rated_rows": 190, "whose": "simulated", "held_out": held, "defects": None}
    about["agreement"] = {"simulated": {"rows": 0, "rate": None}}
    report = {
        "chosen": 5,
        "snapshot": "s1",
        "quality": about | {"histogram": [1] * 20, "best": [row], "worst": [row]} | quality,
    }
    store.runs.enqueue("curate", {"min_quality": 3.5}, "rae")
    run = store.runs.claim()
    return store.runs.finish(run.id, "done", report=report)


def test_a_rows_text_is_text_wherever_it_is_shown(store):
    found = examination()
    drawn = [
        clinic_map.draw_map(found, [EVIL] * 6, [EVIL] * 6),
        clinic_map.draw_clusters(found, [EVIL] * 6, [EVIL] * 6),
        clinic_view.draw_quality(curated(store)),
    ]
    assert all("<img" not in html and "&lt;img" in html for html in drawn)


def test_a_snapshots_card_names_recipe_ratings_and_rows_left_out_in_the_readers_language(store):
    about = {
        "recipe": {"min_quality": 3.0, "pick": "diverse"},
        "left_out": {"below the quality": 4, "near-duplicates": 3, "near to a chosen one": 2, "not drawn": 1},
        "coverage": {name: {"mean": 0.5} for name in ("chosen", "random")},
        "quality": {"ratings": 200, "whose": "person", "hash": "abc"},
        "sources": {"starter": 5},
        "rows": 15,
        "run": "run2",
        "examination": "run1",
    }
    rows = [{"id": 1, "instruction": "Say hi.", "input": "", "output": "Hi."}]
    card = clinic_view.draw_snapshots([store.snapshots.freeze("instructions", rows, about, "five")])
    assert "4 below the quality; 2 near to a chosen one; 3 near-duplicates; 1 not drawn" in card
    with writing_in("ko"):
        card = clinic_view.draw_snapshots(store.snapshots.all())
    assert "품질 미달 4개; 선택된 행과 가까움 2개; 유사 중복 3개; 뽑히지 않음 1개" in card
    assert ">다양하게<" in card
    assert "200개(사람), 해시 abc" in card


def test_every_cluster_has_a_line_with_its_share_and_its_words():
    html = clinic_map.draw_clusters(
        examination(), ["thanks"] * 6, ["thank Mina", "name Lima", "thank Theo", "name Oslo", "thank Ana", "name Rome"]
    )
    assert html.count("<tr>") == 3  # the head and two clusters
    assert "3 (50 %)" in html
    assert html.index("thank") < html.index("name")


def test_the_step_that_is_due_is_the_first_that_is_not_done(store):
    html = clinic_view.draw_steps(store)
    assert html.count("card next") == 1
    assert html.index("card next") < html.index("1 Examine") < html.index("2 Rate")


def test_quality_stands_beside_what_it_is_read_against(store):
    html = clinic_view.draw_quality(curated(store))
    assert "80 % (70–90)" in html
    assert "60 %" in html
    assert "Rate rows" in clinic_view.draw_quality(None)


def test_people_and_simulated_raters_each_have_their_agreement():
    one, other = {"rows": 9, "rate": 0.8, "ci": [0.5, 0.95]}, {"rows": 40, "rate": 0.6, "ci": [0.4, 0.75]}
    assert clinic_view.rater_agreement({"whose": "all", "agreement": {"person": one, "simulated": other}}) == {
        "Two people agree": "too few to say (9)",
        "Two simulated raters agree": "60 % (40–75) of 40",
    }
    assert clinic_view.rater_agreement({"whose": "simulated", "agreement": other}) == {
        "Two simulated raters agree": "60 % (40–75) of 40"
    }
    assert clinic_view.rater_agreement({"whose": "all", "agreement": other}) == {}


def test_marked_defects_show_what_the_filter_does_with_them(store):
    defects = {"recall": 0.9, "precision": 0.75, "macro_auc": 0.981, "auc": {"off_topic": 0.999}}
    html = clinic_view.draw_quality(curated(store, defects=defects))
    assert "90 %" in html
    assert "AUC: off topic" in html
    assert "0.981" in html


def test_a_snapshot_shows_its_data_card(store):
    coverage = {"chosen": {"mean": 0.31, "p95": 0.6}, "random": {"mean": 0.42, "p95": 0.7}}
    filters = {
        "recipe": {"min_quality": 3.5, "pick": "diverse"},
        "rows": 900,
        "left_out": {"near-duplicates": 4},
        "coverage": coverage,
        "sources": {EVIL: 1},
        "run": "run2",
        "examination": "run1",
        "quality": {"ratings": 200, "whose": "person", "hash": "abc"},
    }
    store.snapshots.freeze("instructions", [{"instruction": "a", "input": "", "output": "b"}], filters, EVIL)
    html = clinic_view.draw_snapshots(store.snapshots.all())
    assert "<img" not in html
    for said in (
        "1 of 900",
        "3.5 points or more",
        "4 near-duplicates",
        "0.31 (random rows: 0.42)",
        "run2 from run1",
        "snapshot=s1",
    ):
        assert said in html


def test_the_curve_says_where_it_flattens(store):
    store.runs.enqueue("quantity", {}, "rae")
    run = store.runs.finish(
        store.runs.claim().id, "done", report={"curve": CURVE, "flat_from": 500, "steps": 150, "against": "p1"}
    )
    html = clinic_view.draw_curve(run)
    assert "More than 500 rows do not raise" in html
    assert html.count("<circle") == 3
    assert "No curve yet" in clinic_view.draw_curve(None)
