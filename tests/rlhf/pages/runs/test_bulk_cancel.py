# SPDX-License-Identifier: Apache-2.0
"""Several runs are cancelled at once, and one line names what was cancelled and what was not."""

from __future__ import annotations

import re

import pytest

from data.tables.process_identity import identify_process
from labeling.texts.pages import text
from labeling.texts.reader import writing_in
from rlhf.pages.runs.bulk_cancel import Cancellation, cancel_runs, describe_cancellation
from rlhf.runs import supervisor


@pytest.fixture
def watched(monkeypatch):
    """The homes for which a supervisor was asked: a test starts none."""
    homes: list = []
    monkeypatch.setattr(supervisor, "ensure", homes.append)
    return homes


def test_each_run_is_cancelled_as_its_state_allows(store, watched):
    for _ in range(5):
        store.runs.enqueue("ppo", {}, "rae")
    store.runs.start(1, *identify_process())
    store.runs.finish(1, "done")
    store.runs.start(2, *identify_process())
    outcome = cancel_runs(store, ["run1", "run2", "run3", "run4", "run9", "p1"])
    assert outcome == Cancellation(
        ["run4", "run3"], ["run2"], {"p1": "'p1' is not the id of a run", "run9": "there is no run9", "run1": "done"}
    )
    assert [run.state for run in store.runs.all()] == ["queued", "cancelled", "cancelled", "running", "done"]
    assert store.runs.get(2).cancel_requested
    assert watched == [store.home]
    assert describe_cancellation(outcome) == (
        "Removed from the queue: run4, run3. Stopping after a checkpoint: run2."
        " Not cancelled: p1 ('p1' is not the id of a run), run9 (there is no run9), run1 (done)."
    )


def test_reasons_are_in_the_reader_s_language(store, watched):
    store.runs.enqueue("ppo", {}, "rae")
    store.runs.request_cancel(1)
    with writing_in("ko"):
        refused = cancel_runs(store, ["run1", "run9", "p1"]).refused
        assert refused["run1"] == text("runs.state_cancelled")
    assert all(re.search("[가-힣]", why) for why in refused.values())


def test_queued_runs_alone_need_no_supervisor(store, watched):
    store.runs.enqueue("ppo", {}, "rae")
    assert cancel_runs(store, ["run1", "run1"]) == Cancellation(["run1"], [], {})
    assert watched == []
