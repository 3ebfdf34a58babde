# SPDX-License-Identifier: Apache-2.0
"""Estimates of time and memory: from the run's own rate or finished runs, and None without a basis."""

from __future__ import annotations

from dataclasses import replace

import gradio as gr
import pytest

from rlhf.common.estimate import (
    elapsed_seconds,
    expected_seconds,
    format_duration,
    peak_memory_mb,
    remaining_seconds,
    typical_seconds,
)
from rlhf.kinds import KINDS
from rlhf.pages.loop_counts import count_loop
from rlhf.pages.runs.form import RunForm

START, LATER = "2026-01-01T10:00:00.000000+00:00", "2026-01-01T10:01:00.000000+00:00"


@pytest.fixture
def run(store):
    return replace(store.runs.enqueue("ppo", {}, "tester"), state="running", started_at=START)


def test_a_quarter_done_in_a_minute_leaves_three_minutes(run):
    assert remaining_seconds(replace(run, done=25, total=100), LATER) == 180.0


def test_there_is_no_estimate_before_the_first_step_or_in_the_first_seconds(run):
    assert remaining_seconds(replace(run, done=0, total=100), LATER) is None
    assert remaining_seconds(replace(run, done=1, total=100), "2026-01-01T10:00:04.000000+00:00") is None


def test_a_queued_run_has_no_elapsed_time(store):
    assert elapsed_seconds(store.runs.enqueue("ppo", {}, "tester"), LATER) is None


def test_the_usual_time_is_the_median_of_finished_runs_of_the_kind(run):
    ended = [replace(run, state="done", ended_at=f"2026-01-01T10:0{minutes}:00.000000+00:00") for minutes in (1, 2, 9)]
    others = [replace(run, kind="sft", state="done", ended_at=LATER), replace(run, state="failed", ended_at=LATER)]
    assert typical_seconds(ended + others, "ppo") == 120.0
    assert typical_seconds(others, "ppo") is None


def test_the_expected_time_grows_with_the_settings_at_the_rate_of_the_last_runs(run):
    small, large = {"max_steps": 9, "batch_size": 64}, {"max_steps": 36, "batch_size": 128}
    ended = [
        replace(run, settings=settings, state="done", ended_at=f"2026-01-01T10:0{minutes}:00.000000+00:00")
        for settings, minutes in ((small, 1), (large, 9), ({}, 2))
    ]
    # 60 s for 576 answers is 0.104 s, 540 s for 4608 is 0.117 s: 4608 answers at the mean of both rates take 510 s
    assert expected_seconds(ended, "ppo", large) == pytest.approx(510)
    assert expected_seconds(ended[:1], "ppo", large) == pytest.approx(480)
    assert expected_seconds(ended[2:], "ppo", large) is None
    assert expected_seconds(ended, "ppo", {"max_steps": 9}) is None


def test_peak_memory_is_the_most_of_the_last_finished_runs_of_the_kind(run):
    ended = [
        replace(run, state="done", ended_at=LATER, report={"peak_mb": peak})
        for peak in (512.0, 700.5, 600.0, 1.0, 2.0, 9000.0)
    ]
    others = [
        replace(run, kind="sft", state="done", report={"peak_mb": 8000.0}),
        replace(run, state="done", ended_at=LATER),
    ]
    assert peak_memory_mb(others + ended[:2], "ppo") == 700.5
    assert peak_memory_mb(ended, "ppo") == 700.5  # the sixth is too old
    assert peak_memory_mb(others, "ppo") is None


def test_the_form_shows_the_time_and_memory_of_the_last_runs(store):
    store.prompts.add("Say hi.", source="test")
    store.policies.add(name="first", kind="base", base="some/hub-id")
    with gr.Blocks():
        form = RunForm(store, KINDS["sample"])
    assert "No run of this kind has finished on this machine yet." in form.outlook()
    for report in ({}, {"peak_mb": 1234.4}):
        run = store.runs.enqueue("sample", {}, "tester")
        store.runs.claim()
        store.runs.finish(run.id, "done", report=report)
        assert ("s and up to 1,234 MB on this machine." in form.outlook()) == bool(report)


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "1 s"), (59, "59 s"), (200, "3 min"), (9000, "2.5 h")])
def test_times_are_rounded_for_people(seconds, words):
    assert format_duration(seconds) == words


def test_the_loop_counts_of_a_fresh_home_are_zero_and_name_a_waiting_run(store):
    assert count_loop(store).prompts == 0
    store.runs.enqueue("sample", {}, "tester")
    assert count_loop(store).active == "run1"
