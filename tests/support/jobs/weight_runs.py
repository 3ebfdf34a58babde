# SPDX-License-Identifier: Apache-2.0
"""Runs of the tiny training: queue one for a worker, and check that all of it arrived once."""

from __future__ import annotations

from data.settings import as_dict
from data.store import Store
from rlhf.settings import SFTSettings

STEPS = 6


def queue(store: Store, **more) -> int:
    """Queue a run and return its number."""
    settings = as_dict(SFTSettings(max_steps=STEPS, judge_pairs=0, launcher="worker", from_="p1"))
    return store.runs.enqueue("sft", settings | more, "rae").id


def check_whole(store: Store, run_id: int = 1, first: int = 1) -> None:
    """Check that every value, sample and line of the log of a done run arrived once."""
    run, steps = store.runs.get(run_id), list(range(first, STEPS + 1))
    assert (run.state, run.error, run.done, run.total, run.report["weight"]) == ("done", None, STEPS, STEPS, STEPS)
    assert store.metrics.series(run_id, "weight") == [(step, float(step)) for step in steps]
    assert [sample["text"] for sample in store.metrics.samples(run_id)] == [
        f"sample {step}" for step in reversed(steps)
    ]
    log = (store.home / "runs" / str(run_id) / "log.txt").read_text().splitlines()
    assert log == [f"from {first - 1}", *(f"step {step}" for step in steps)]
    (policy,) = [policy for policy in store.policies.all() if policy.run_id == run_id]
    assert run.produced == [policy.public]
    assert (store.home / policy.adapter / "weight").read_text() == str(STEPS)
    assert (policy.parent_id, policy.base) == (1, store.policies.get(1).base)
    assert not (store.home / "runs" / str(run_id) / "checkpoint").exists()
