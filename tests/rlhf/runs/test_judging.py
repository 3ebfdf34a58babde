# SPDX-License-Identifier: Apache-2.0
"""After a training blind pairs of the new policy against its parent wait for people, without a click."""

from __future__ import annotations

import pytest

from data import Store
from data.settings import as_dict, parse_settings
from data.views.judging import newest_judging
from rlhf.kinds import KINDS
from rlhf.runs.launch import judge_trained, queue_judging
from rlhf.runs.worker import work
from rlhf.settings import JudgedSettings
from tests.support.tuning import FAST, filled

SETTINGS = {name: definition.settings_class() for name, definition in KINDS.items()}
SMALL = {"from": "p1", "epochs": FAST.epochs, "rank": 2, "batch_size": 8, "max_steps": 1}


@pytest.fixture
def notes(tmp_path, base_folder):
    store = filled(tmp_path / "home", base_folder)
    yield store
    store.close()


def do(store: Store, kind: str, settings: dict):
    """Do the oldest queued run after a run of that kind was queued, if settings are given; return it."""
    if settings:
        store.runs.enqueue(kind, as_dict(parse_settings(KINDS[kind].settings_class(), settings)), "rae")
    run = store.runs.claim()
    work(store, run, KINDS[run.kind])
    return store.runs.get(run.id)


def trained(store: Store, kind: str = "sft", **settings):
    """A run of that kind that has just published p2, a child of p1."""
    complete = as_dict(parse_settings(KINDS[kind].settings_class(), {"from": "p1"} | settings))
    run = store.runs.enqueue(kind, complete, "rae")
    store.runs.claim()
    about = {"base": store.policies.get("p1").base, "adapter": None, "parent_id": 1, "run_id": run.id}
    store.policies.add(name="new", kind=kind, **about)
    return store.runs.get(run.id)


def test_every_kind_that_trains_a_policy_from_another_has_its_pairs_judged():
    judged = {name for name, settings in SETTINGS.items() if issubclass(settings, JudgedSettings)}
    assert judged == {"sft", "dpo", "ppo", "online", "rejection", "best-of-n"}


def test_a_training_is_judged_without_a_click(notes):
    training = do(notes, "sft", SMALL | {"judge_pairs": 6})
    assert (training.state, training.report["judged_by"]) == ("done", "run2")
    sampling = do(notes, "sample", {})
    assert (sampling.state, sampling.error, sampling.created_by) == ("done", None, "rae")
    judging = newest_judging(notes, "p2", "p1")
    assert judging.waiting == sampling.report["pairs"] - sampling.report["equal"] > 0


def test_the_pairs_take_placement_template_and_length_from_the_training(notes):
    run = trained(notes, "rejection", max_new_tokens=33, judge_pairs=7, dtype="float32", batch_size=3)
    assert queue_judging(notes, run, KINDS["rejection"], {"kl": 1.0}) == {"kl": 1.0, "judged_by": "run2"}
    settings = notes.runs.get(2).settings
    wanted = {"from": "p2", "against": "p1", "prompts": 7, "max_new_tokens": 33, "dtype": "float32", "batch_size": 128}
    assert {name: settings[name] for name in wanted} == wanted
    assert settings["until_decided"]


def test_the_answers_to_judge_of_a_sharded_training_come_from_whole_bases(notes):
    run = trained(notes, strategy="sharded", processes=2)
    assert queue_judging(notes, run, KINDS["sft"], {}) == {"judged_by": "run2"}
    settings = notes.runs.get(2).settings
    assert (settings["processes"], settings["strategy"]) == ("2", "auto")


def test_the_answers_to_judge_of_a_training_elsewhere_are_sampled_as_this_machine_can(notes):
    run = trained(notes, launcher="worker", processes=8, attention="eager", max_length=64)
    assert queue_judging(notes, run, KINDS["sft"], {}) == {"judged_by": "run2"}
    settings = notes.runs.get(2).settings
    assert (settings["processes"], settings["attention"]) == ("auto", "auto")  # not 8 and eager


def test_no_pair_is_queued_where_it_would_tell_nothing(notes):
    off = trained(notes, judge_pairs=0)
    assert queue_judging(notes, off, KINDS["sft"], {}) == {}
    notes.runs.finish(off.id, "done")
    unchanged = trained(notes, "ppo")
    assert queue_judging(notes, unchanged, KINDS["ppo"], {"checkpoint": 0}) == {"checkpoint": 0}
    notes.runs.finish(unchanged.id, "done")
    nothing_made = notes.runs.enqueue("sft", as_dict(parse_settings(KINDS["sft"].settings_class(), {})), "rae")
    assert queue_judging(notes, nothing_made, KINDS["sft"], {}) == {}


def test_no_pair_is_queued_in_a_home_that_only_simulated_labelers_label(notes):
    run, labeler = trained(notes), notes.accounts.add("sim-1", "labeler", simulated=True)
    pair = notes.pairs.all()[0]
    about = {"pair_id": pair.id, "labeler_id": labeler.id, "left_id": pair.first_id, "right_id": pair.second_id}
    notes.insert("assignments", {"id": "a", **about, "expires_at": "", "created_at": ""})
    notes.comparisons.record(id="c", assignment_id="a", verdict="left", source="simulated", **about)
    assert queue_judging(notes, run, KINDS["sft"], {}) == {}


def test_a_home_without_test_prompts_gets_a_note_with_the_reason(store):
    base = {"base": "starter", "adapter": None}
    store.policies.add(name="start", kind="base", **base)
    report = queue_judging(store, trained(store), KINDS["sft"], {"notes": ["first"]})
    assert report["notes"][0] == "first"
    assert report["notes"][1].startswith("No pairs of p2 were queued for people: ")


def test_a_judging_that_fails_half_way_queues_nothing_and_costs_no_training(notes, monkeypatch):
    def queue_and_fail(store, run, kind, report):
        store.runs.enqueue("sample", {}, "rae")
        raise RuntimeError("unforeseen")

    monkeypatch.setattr("rlhf.runs.launch.queue_judging", queue_and_fail)
    run = trained(notes)
    assert judge_trained(notes, run, {"rows": 3}) == {"rows": 3}
    assert [row.kind for row in notes.runs.all()] == ["sft"]
