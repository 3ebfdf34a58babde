# SPDX-License-Identifier: Apache-2.0
"""`kill -9` of the server, of workers and of whole nodes at random moments while runs work on two nodes.

Every run that was lost is resumed. No value, sample or line may be missing or doubled, and each run publishes once.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from data.errors import BadInput
from data.records import Run
from data.settings import as_dict
from data.store import Store
from rlhf.jobs.job_home import Job
from rlhf.launchers.elsewhere import JOB_FILE
from rlhf.runs.launch import enqueue, resume
from rlhf.settings import SFTSettings
from tests.attack import Report
from tests.support.jobs.node import start_node
from tests.support.jobs.server import JobServer
from tests.support.tiny_home import make_tiny_home

STEPS, PAUSE, SECONDS = 60, 0.05, 300.0
"""Steps of a run, seconds of a step, and seconds after which a run counts as stuck."""
VICTIMS = ("server", "worker", "node")
NODES = ("node-a", "node-b")


class Cluster:
    """A server and two nodes; what was killed is started again."""

    def __init__(self, home: Path, token: str) -> None:
        self.home, self.token = home, token
        self.server = JobServer(home)
        self.server.start()
        self.workers: dict[str, subprocess.Popen] = {name: self._start(name) for name in NODES}

    def kill(self, victim: str, name: str) -> None:
        """Kill the server, or a node's worker, or the worker and its run, and start it again."""
        if victim == "server":
            self.server.kill()
            self.server.start()
            return
        self._end(name)
        if victim == "node":
            self._kill_run(name)
        self.workers[name] = self._start(name)

    def close(self) -> None:
        """Kill everything."""
        for name in NODES:
            self._end(name)
            self._kill_run(name)
        self.server.kill()

    def _folder(self, name: str) -> Path:
        return self.home.parent / name

    def _start(self, name: str) -> subprocess.Popen:
        return start_node(self._folder(name), self.server.address, self.token, pause=PAUSE, once=False)

    def _end(self, name: str) -> None:
        process = self.workers[name]
        process.kill()
        process.wait()
        process.stdout.close()

    def _kill_run(self, name: str) -> None:
        for file in self._folder(name).glob(f"run*/{JOB_FILE}"):
            with suppress(BadInput, OSError, KeyError):
                job = Job.read(file.parent)
                store = job.open_store()
                run = job.run(store)
                store.close()
                if run.state == "running" and run.pid:
                    os.killpg(run.pid, signal.SIGKILL)


def main(home: Path, kills: int = 20, seed: int = 0) -> Report:
    """Kill something `kills` times while runs work, then wait for the end of all runs."""
    generator, counts = random.Random(seed), Counter()
    store = _fill(home)
    cluster = Cluster(home, store.worker_tokens.issue_for_worker("nodes"))
    try:
        for _ in range(kills):
            _keep_busy(store)
            _wait_for_work(store)
            time.sleep(generator.uniform(0.0, 2.0))
            victim = generator.choice(VICTIMS)
            counts[victim] += 1
            counts["at work"] += bool(store.runs.all(state="running"))
            cluster.kill(victim, generator.choice(NODES))
            counts["lost"] += _resume_lost(store)
        end = time.monotonic() + SECONDS
        while not all(run.over for run in store.runs.all()) or _resume_lost(store):
            if time.monotonic() > end:
                break
            time.sleep(0.1)
    finally:
        cluster.close()
    faults = _check(store)
    killed = ", ".join(f"{counts[victim]} of a {victim}" for victim in VICTIMS)
    first = [run for run in store.runs.all() if run.resumes is None]
    line = f"{kills} kills ({killed}), {counts['at work']} with runs at work; {len(first)} runs, {len(faults)} faults"
    store.close()
    return Report(line, faults + ([] if counts["at work"] else ["no kill met a run at work"]))


def _fill(home: Path) -> Store:
    model = home.parent / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    store = make_tiny_home(home, model, people=False)
    store.instructions.add("Thank Mina.", "Dear Mina, thank you.", source="test")
    return store


def _keep_busy(store: Store) -> None:
    """Queue a run if fewer wait or work than there are nodes."""
    while sum(not run.over for run in store.runs.all()) < len(NODES):
        enqueue(store, "sft", as_dict(SFTSettings(max_steps=STEPS, judge_pairs=0, launcher="worker")), by="attack")


def _wait_for_work(store: Store) -> None:
    """Wait until a run that works has sent a value, so that a kill meets something."""
    end = time.monotonic() + SECONDS
    while not any(store.metrics.count(run.id) for run in store.runs.all(state="running")) and time.monotonic() < end:
        _resume_lost(store)
        _keep_busy(store)
        time.sleep(0.05)


def _resume_lost(store: Store) -> int:
    """Resume the lost runs that nobody resumed, from their checkpoints or from the start; return their number."""
    resumed = {run.resumes for run in store.runs.all()}
    lost = [run for run in store.runs.all(state="lost") if run.id not in resumed]
    for run in lost:
        if (store.home / "runs" / str(run.id) / "checkpoint").is_dir():
            resume(store, run.id, by="attack")
        else:
            store.runs.enqueue(run.kind, run.settings, "attack", resumes=run.id)
    return len(lost)


def _check(store: Store) -> list[str]:
    faults: list[str] = []
    resumed = {run.resumes for run in store.runs.all()}
    produced = Counter(policy.run_id for policy in store.policies.all())
    for run in store.runs.all():
        faults += [f"{run.public} {fault}" for fault in _check_run(store, run)]
        if run.id not in resumed:
            policy = store.policies.get(run.produced[0]) if run.produced else None
            if run.state != "done" or policy is None or produced[run.id] != 1:
                faults.append(f"{run.public} is {run.state} and published {produced[run.id]} policies: {run.error}")
            elif (store.home / str(policy.adapter) / "weight").read_text() != str(STEPS):
                faults.append(f"{run.public} published another weight")
        elif produced[run.id]:
            faults.append(f"{run.public} was resumed and published")
    return faults


def _check_run(store: Store, run: Run) -> list[str]:
    """Return what is missing or doubled among a run's values, samples and lines of the log."""
    steps = [step for step, _ in store.metrics.series(run.id, "weight")]
    first = steps[0] if steps else 1
    whole = list(range(first, STEPS + 1 if run.state == "done" else first + len(steps)))
    samples = [sample["step"] for sample in reversed(store.metrics.samples(run.id, last=10 * STEPS))]
    log = store.home / "runs" / str(run.id) / "log.txt"
    lines = [line for line in log.read_text().splitlines() if line.startswith("step ")] if log.is_file() else []
    faults = [f"has values at {steps}"] if steps != whole else []
    faults += [f"has samples at {samples}"] if samples != whole and run.state == "done" else []
    faults += ["has a sample twice"] if len(set(samples)) < len(samples) else []
    faults += ["has a line twice"] if len(set(lines)) < len(lines) else []
    return faults + (["lacks lines"] if run.state == "done" and len(lines) < len(whole) else [])
