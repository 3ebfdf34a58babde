# SPDX-License-Identifier: Apache-2.0
"""A meter reads the CPU and the memory of a process with its descendants, and the GPU only if torch uses one."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import psutil
import pytest

from data.tables.process_identity import identify_process
from reward.base.usage import Meter, gpu_memory
from rlhf.kinds import KINDS
from rlhf.runs import worker as run_worker
from rlhf.runs.worker import beat

BURN = "import sys, time\nheld = bytearray(64 * 2**20)\nprint(1, flush=True)\nwhile True: pass"


def test_a_busy_child_counts_and_an_idle_process_does_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    meter = Meter()
    before = meter.read()["memory_mb"]
    child = subprocess.Popen([sys.executable, "-c", BURN], stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        watched, worked = psutil.Process(child.pid), psutil.Process(child.pid).cpu_times().user
        meter.read()
        while watched.cpu_times().user < worked + 0.1:
            time.sleep(0.01)
        busy = meter.read()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    assert busy["cpu_percent"] > 0
    assert busy["memory_mb"] > before + 64
    assert set(busy) == {"cpu_percent", "cores", "memory_mb"}
    assert meter.read()["cpu_percent"] >= 0  # the child took its seconds along


class Cuda(SimpleNamespace):
    """The answers of torch.cuda on a machine with two GPUs; the process uses the first."""

    started = True

    def is_initialized(self):
        return self.started

    def device_count(self):
        return 2

    def memory_reserved(self, device):
        return (3 * 2**30, 0)[device]

    def get_device_properties(self, device):
        return SimpleNamespace(total_memory=80 * 2**30)


def test_a_gpu_counts_from_its_first_use_on(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=Cuda()))
    assert gpu_memory() == {"gpu_mb": 3 * 1024, "gpu_total_mb": 80 * 1024}
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=Cuda(started=False)))
    assert gpu_memory() == {}


@pytest.mark.parametrize("torch", [None, SimpleNamespace(), SimpleNamespace(cuda=SimpleNamespace())])
def test_torch_that_is_absent_or_still_loads_has_no_gpu(monkeypatch, torch):
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert gpu_memory() == {}


def test_a_process_that_the_system_hides_counts_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    meter = Meter()

    def refuse(*args, **options):
        raise psutil.AccessDenied

    for name in ("children", "cpu_times"):
        monkeypatch.setattr(psutil.Process, name, refuse)
    used = meter.read()
    assert (used["cpu_percent"], used["memory_mb"]) == (0, 0)


def test_heartbeats_go_on_after_a_meter_that_cannot_start(store, monkeypatch):
    run = store.runs.start(store.runs.enqueue("ppo", {}, "rae").id, *identify_process())
    meters, beats = iter([psutil.NoSuchProcess(1), OSError()]), []

    def start(pid):
        raise next(meters)

    def heartbeat(run_id):
        beats.append(run_id)
        if len(beats) == 3:
            sys.exit()  # ends the loop

    monkeypatch.setattr(run_worker, "Meter", start)
    monkeypatch.setattr(run_worker, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr(store.runs, "heartbeat", heartbeat)
    with pytest.raises(SystemExit):
        run_worker._send_heartbeats(store, run.id, threading.Event())
    assert beats == [run.id] * 3


def test_heartbeats_end_with_their_run_so_that_nothing_writes_to_a_closed_home(store, monkeypatch):
    beating = []
    monkeypatch.setattr(run_worker, "_send_heartbeats", lambda store, run_id, ended: beating.append(ended))
    run = store.runs.enqueue("export", {"from": "p9"}, "rae")
    store.runs.claim()
    assert run_worker.work(store, run, KINDS["export"]) == "failed"
    (ended,) = beating
    assert ended.is_set()


def test_a_heartbeat_records_what_the_run_uses(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    run = store.runs.start(store.runs.enqueue("ppo", {}, "rae").id, *identify_process())
    assert store.metrics.usage(run.id) == {}
    for _ in range(2):
        beat(store, run.id, Meter())
    used = store.metrics.usage(run.id)
    assert used["memory_mb"] == pytest.approx(psutil.Process().memory_info().rss / 2**20, rel=0.5)
    assert store.runs.get(run.id).heartbeat_at > run.heartbeat_at
