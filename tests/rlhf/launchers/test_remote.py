# SPDX-License-Identifier: Apache-2.0
"""Runs of workers in the queue: where they may work, and when a silent worker's run is lost."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from data.errors import BadInput
from data.records import Run
from data.settings import as_dict
from data.texts import translate_line
from reward import optional_packages
from rlhf.common.locks import SERVER, acquire_lock
from rlhf.kinds import KINDS
from rlhf.launchers import remote
from rlhf.launchers.elsewhere import check_launcher
from rlhf.launchers.local import LocalLauncher
from rlhf.launchers.remote import WorkerLauncher
from rlhf.launchers.run_queue import RunQueue
from rlhf.runs.launch import enqueue
from rlhf.settings import SFTSettings
from tests.support.jobs import tiny_training


@pytest.fixture
def clock(monkeypatch):
    """Return a list whose sum is the time."""
    times = [1000.0]
    monkeypatch.setattr(remote.time, "monotonic", lambda: sum(times))
    return times


@pytest.fixture
def running(tiny_store):
    """Return a run that works on a node, and the queue of its home."""
    settings = as_dict(SFTSettings(launcher="worker", from_="p1"))
    tiny_store.runs.enqueue("sft", settings, "rae")
    queue = RunQueue(
        tiny_store, LocalLauncher(tiny_store, tiny_training.command), {"worker": WorkerLauncher(tiny_store, 100.0)}
    )
    return tiny_store.runs.claim_elsewhere("claim-1", "node-a"), queue


def test_a_silent_worker_s_run_is_lost_and_a_heard_one_s_is_not(tiny_store, running, clock):
    run, queue = running
    with acquire_lock(tiny_store.home / SERVER):
        for seconds in (0.0, 90.0):
            clock.append(seconds)
            queue.step()
        tiny_store.runs.heartbeat(run.id)
        for seconds in (20.0, 90.0):
            clock.append(seconds)
            queue.step()
        assert tiny_store.runs.get(run.id).state == "running"
        clock.append(20.0)
        queue.step()
    lost = tiny_store.runs.get(run.id)
    assert lost.state == "lost"
    assert lost.error == "its worker on node-a was silent for 100 s. Start it again."


def test_a_silent_worker_s_run_with_a_checkpoint_can_be_resumed(tiny_store, running):
    run, queue = running
    (tiny_store.home / "runs" / str(run.id) / "checkpoint" / "1").mkdir(parents=True)
    line = queue.launchers["worker"].explain_end(run)
    assert line.endswith(f"Continue it on any machine: preference-loop runs resume {run.public}")
    assert translate_line(line, "ko").startswith("node-a에 있는 작업자가 100초 동안 응답하지 않았고")


def test_the_time_without_a_server_does_not_count(tiny_store, running, clock):
    run, queue = running
    queue.step()
    clock.append(10_000.0)
    queue.step()
    with acquire_lock(tiny_store.home / SERVER):
        queue.step()
        clock.append(50.0)
        queue.step()
    assert tiny_store.runs.get(run.id).state == "running"


def test_a_silent_run_that_was_cancelled_is_cancelled(tiny_store, running, clock):
    run, queue = running
    tiny_store.runs.request_cancel(run.id)
    with acquire_lock(tiny_store.home / SERVER):
        queue.step()
        clock.append(101.0)
        queue.step()
    assert tiny_store.runs.get(run.id).state == "cancelled"


def test_an_error_of_one_run_does_not_keep_others_from_working(tiny_store):
    class Broken(WorkerLauncher):
        def submit(self, run: Run) -> None:
            raise RuntimeError("unforeseen")

    tiny_store.runs.enqueue("sft", as_dict(SFTSettings(launcher="ray", from_="p1")), "rae")
    waiting = tiny_store.runs.enqueue("sft", as_dict(SFTSettings(launcher="worker", from_="p1")), "rae")
    elsewhere = {"worker": WorkerLauncher(tiny_store), "ray": Broken(tiny_store)}
    queue = RunQueue(tiny_store, LocalLauncher(tiny_store, tiny_training.command), elsewhere)
    assert waiting.id in {run.id for run in queue.step()}


def test_a_run_that_reports_its_end_while_the_reason_is_looked_for_keeps_that_end(tiny_store, running):
    run, queue = running

    class Slow(WorkerLauncher):
        def is_alive(self, run: Run) -> bool:
            return False

        def explain_end(self, run: Run) -> str:
            self.store.runs.finish(run.id, "done")
            return "its worker was silent"

    queue.launchers["worker"] = Slow(tiny_store)
    queue.step()
    assert tiny_store.runs.get(run.id).state == "done"


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("online", {"launcher": "worker"}, "asks people while it trains"),
        ("embed", {"launcher": "worker", "model": "all-MiniLM"}, "the model 'all-MiniLM' is not sent"),
        ("sample", {"launcher": "worker", "from": "p2"}, "'own' is a source of this machine"),
        ("rejection", {"launcher": "worker", "reward": "own"}, "'own' is a source of this machine"),
        ("ppo", {"launcher": "worker", "reward": "r1", "people": 4, "guard": "none"}, "cannot ask people"),
        ("ppo", {"launcher": "worker", "reward": "own", "guard": "none"}, "'own' is a source of this machine"),
        ("ppo", {"launcher": "worker", "reward": "r1", "strategy": "sharded", "processes": "1"}, "strategy=sharded"),
        ("pretrain", {"launcher": "worker", "text": __file__}, "not sent"),
        ("ppo", {"launcher": "ray", "reward": "r1", "guard": "none"}, "cluster.yaml"),
    ],
)
def test_what_needs_this_machine_is_refused_before_it_is_queued(tiny_store, kind, settings, said):
    tiny_store.reward_models.add(name="tiny", base=tiny_store.policies.get(1).base, adapter="rewards/r1")
    (tiny_store.home / "reward-sources.json").write_text('{"own": "module:function"}')
    tiny_store.instructions.add("Thank Mina.", "Dear Mina, thank you.", source="test")
    about = {"base": tiny_store.policies.get(1).base, "parent_id": 1, "config": {"reward": "own", "n": 2}}
    tiny_store.policies.add(name="best", kind="best-of-n", **about)
    with pytest.raises(BadInput, match=said):
        enqueue(tiny_store, kind, settings, by="rae")
    assert tiny_store.runs.all() == []


@pytest.mark.parametrize("kind", ["quantity", "ab"])
def test_a_trial_is_refused_by_name_with_the_reason(tiny_store, kind):
    settings = KINDS[kind].settings_class()(launcher="worker")
    with pytest.raises(BadInput, match=f"kind {kind} reuses policies that this home has trained before") as raised:
        check_launcher(tiny_store, kind, settings)
    assert "These kinds work elsewhere: pretrain, sft, " in raised.value.remedy


@pytest.mark.parametrize("launcher", ["local", "worker"])
@pytest.mark.parametrize("settings", [{"quantize": "4bit"}, {"rollouts": "start"}])
def test_packages_and_commands_are_checked_on_the_machine_of_the_run(tiny_store, monkeypatch, settings, launcher):
    tiny_store.reward_models.add(name="tiny", base=tiny_store.policies.get(1).base, adapter="rewards/r1")
    monkeypatch.setitem(optional_packages.NEEDS, ("quantize", "4bit"), ("missing_package", "pip install it"))
    monkeypatch.setenv("PATH", "")
    asked = settings | {"launcher": launcher, "reward": "r1", "guard": "none"}
    with pytest.raises(BadInput, match="missing_package|vllm") if launcher == "local" else nullcontext():
        enqueue(tiny_store, "ppo", asked, by="rae")
    assert len(tiny_store.runs.all()) == (launcher == "worker")
