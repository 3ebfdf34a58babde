# SPDX-License-Identifier: Apache-2.0
"""The document of the charts: runs, plots, tables and texts, as JSON and as text without markup."""

from __future__ import annotations

import json
import re

import pytest

from data.errors import BadInput
from data.records import Run
from data.store import Store
from labeling.texts.reader import writing_in
from labeling.texts.translate import TEXTS as CATALOGUE
from rlhf.pages.charts.document import BLANKS, TEXTS, make_document

EVIL = "<img src=x onerror=alert(1)>"


def add_run(store: Store, kind: str = "ppo", resumes: int | None = None, **settings: object) -> Run:
    """Add a run with two points on three curves, each at its own second."""
    run = store.runs.enqueue(kind, settings, "rae", resumes=resumes)
    for step in (1, 2):
        store.metrics.log(run.id, step, {"reward": step / 3, "kl": 0.5, "value_loss": 4.0, "seconds": 10.0 * step})
    return run


def test_the_document_of_a_run_is_its_curves_by_metric(store):
    add_run(store, batch_size=128, kl_budget=6.0)
    document = make_document(store, "run1")
    (run,) = document["runs"]
    assert run["run"] == "run1"
    assert run["title"] == "run1 PPO"
    assert run["series"]["reward"] == {"steps": [1, 2], "values": [0.333333, 0.666667], "not_finite": 0}
    assert (run["episodes"], run["seconds"], run["lacks"]) == (128, {1: 10.0, 2: 20.0}, {})
    assert run["limits"] == {"kl": {"name": "kl budget", "value": 6.0}}
    assert [group["key"] for group in document["groups"]] == ["reward", "policy", "value"]
    assert document["axes"] == {"step": "update", "episodes": "episodes", "seconds": "seconds"}
    assert (document["settings"], document["totals"]) == ("", "")
    json.dumps(document, allow_nan=False)


def test_a_run_says_which_axes_it_lacks(store):
    add_run(store, "sft")
    store.metrics.log(store.runs.enqueue("sft", {}, "rae").id, 1, {"loss": 1.0})
    first, second = make_document(store, "run1,run2")["runs"]
    assert list(first["lacks"]) == ["episodes"]
    assert list(second["lacks"]) == ["episodes", "seconds"]
    assert second["lacks"]["seconds"].startswith("run2 has no record of seconds")
    assert make_document(store, "run1,run2")["axes"]["step"] == "step"


def test_only_settings_that_differ_stand_in_the_table_and_ids_are_links(store):
    add_run(store, learning_rate=1e-3, seed=0, reward="r1", guard="")
    add_run(store, learning_rate=2e-3, seed=0, reward="r2", minibatch=32)
    table = make_document(store, "run2,run1")["settings"]
    rows = re.findall(r"<tr><th scope=row>(.*?)</th><td>(.*?)</td><td>(.*?)</td></tr>", table)
    assert {name: values for name, *values in rows} == {
        "learning rate": ["0.002", "0.001"],
        "reward": ["<a class=id href='#reward/r2'>r2</a>", "<a class=id href='#reward/r1'>r1</a>"],
        "minibatch": ["32", "–"],
        "guard": ["–", "–"],
    }


def test_runs_with_equal_settings_say_so(store):
    add_run(store, seed=1)
    add_run(store, seed=1)
    assert "All settings are equal." in make_document(store, "run1,run2")["settings"]


def test_what_a_run_reports_once_stands_in_a_table_and_in_no_plot(store):
    store.metrics.log(add_run(store).id, 2, {"train_runtime": 1234.5})
    add_run(store)
    document = make_document(store, "run1,run2")
    assert "<th scope=row>train runtime</th><td>1,234</td><td>–</td>" in document["totals"]
    assert not any("train_runtime" in plot["metrics"] for group in document["groups"] for plot in group["plots"])


def test_a_resumed_run_says_what_it_continues_and_the_others_with_curves_are_offered(store):
    first = add_run(store)
    add_run(store, resumes=first.id)
    store.runs.enqueue("sample", {}, "rae")  # without curves
    document = make_document(store, "run2")
    assert document["runs"][0]["before"] == ["run2 continues run1: one curve shows both."]
    assert [run for run, _ in document["others"]] == ["run1"]


def test_no_text_of_a_run_becomes_markup(store):
    add_run(store, start=EVIL)
    add_run(store, **{EVIL: "b"})
    assert "<img" not in make_document(store, "run1,run2")["settings"]


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ("", "There is no run . "),
        ("run1,p3", "There is no run p3."),
        ("run99", "There is no run run99."),
        (",".join(f"run{n}" for n in range(1, 10)), "9 runs are too many for one chart. Choose at most 8."),
    ],
)
def test_a_list_that_names_no_runs_is_refused(store, names, line):
    for _ in range(9):
        store.runs.enqueue("sft", {}, "rae")
    with pytest.raises(BadInput, match=re.escape(line)):
        make_document(store, names)


def test_every_text_is_in_both_languages_with_the_blanks_that_the_browser_fills(store):
    add_run(store)
    assert [name for name in TEXTS if f"train.runs.{name}" not in CATALOGUE["ko"]] == []
    with writing_in("ko"):
        texts = make_document(store, "run1")["texts"]
    assert texts["remove"] == "{run} 빼기"
    assert {blank for shown in texts.values() for blank in re.findall(r"{(\w+)}", shown)} <= set(BLANKS)
