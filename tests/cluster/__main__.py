# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.cluster RAY`: send runs to two real Ray nodes and print a line for each check. RAY: Ray's command.

The exit status is 1 if a check fails.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import yaml

from data.settings import as_dict
from rlhf.common.locks import SUPERVISOR, acquire_lock
from rlhf.launchers.cluster import FILE
from rlhf.runs.launch import enqueue, resume
from rlhf.runs.supervisor import Supervisor
from rlhf.settings import SFTSettings
from tests.cluster.nodes import RayNodes
from tests.support.jobs import node
from tests.support.jobs.server import JobServer
from tests.support.jobs.tiny_training import HOLD, HOLD_AT, PAUSE
from tests.support.tiny_home import make_tiny_home

SECONDS = 120.0
STEPS = 40


class Checks:
    """A home, its server and supervisor, and two Ray nodes."""

    def __init__(self, folder: Path, ray: Path) -> None:
        self.folder = folder
        model = folder / "model"
        model.mkdir()
        (model / "config.json").write_text("{}")
        self.store = make_tiny_home(folder / "home", model, people=False)
        self.store.instructions.add("Thank Mina.", "Dear Mina, thank you.", source="test")
        self.server, self.nodes = JobServer(self.store.home), RayNodes(ray, folder)
        self.ended = threading.Event()
        self.go = folder / "go"

    def start(self) -> None:
        """Start everything."""
        self.lock = acquire_lock(self.store.home / SUPERVISOR)  # `resume` starts no supervisor of its own
        self.nodes.start()
        self.server.start()
        threading.Thread(target=self._supervise, daemon=True).start()

    def close(self) -> None:
        """End everything."""
        self.ended.set()
        self.server.kill()
        self.nodes.close()

    def on(self, name: str, **environment: str) -> None:
        """Send the next runs to the node of that name."""
        given = {"address": self.nodes.address, "server": self.server.address, "resources": {name: 0.01}, "cpus": 0}
        given |= {"command": f"{sys.executable} {node.__file__}", "home": str(self.folder / name)}
        given |= {"environment": {"OMP_NUM_THREADS": "1", PAUSE: "0.1", **environment}}
        (self.store.home / FILE).write_text(yaml.safe_dump(given))

    def queue(self, **more: object) -> int:
        """Queue a run for the cluster and return its number."""
        settings = as_dict(SFTSettings(max_steps=STEPS, judge_pairs=0, launcher="ray")) | more
        return enqueue(self.store, "sft", settings, by="check").id

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition."""
        end = time.monotonic() + SECONDS
        while not condition():
            if time.monotonic() > end:
                states = [(run.public, run.state, run.done, run.error) for run in self.store.runs.all()]
                raise AssertionError(f"it did not happen in {SECONDS:.0f} s: {states}")
            time.sleep(0.1)

    def ends(self, run: int, state: str) -> None:
        """Wait for the end of a run and check its state."""
        self.until(lambda: self.store.runs.get(run).over)
        ended = self.store.runs.get(run)
        assert ended.state == state, f"{ended.public} is {ended.state}: {ended.error}"

    def whole(self, run: int, first: int = 1) -> None:
        """Check that a done run has every value and sample once, and one policy."""
        self.ends(run, "done")
        steps = list(range(first, STEPS + 1))
        assert [step for step, _ in self.store.metrics.series(run, "weight")] == steps
        assert sorted(sample["step"] for sample in self.store.metrics.samples(run, 1000)) == steps
        assert sum(policy.run_id == run for policy in self.store.policies.all()) == 1

    def _supervise(self) -> None:
        supervisor = Supervisor(self.store.home)
        while not self.ended.wait(0.3):
            supervisor.step()


def submit_to_a_named_node(checks: Checks) -> str:
    """Send a run to the second node and see its values while it works."""
    checks.on("node-b", **{HOLD: str(checks.go), HOLD_AT: "5"})
    began = time.monotonic()
    run = checks.queue()
    checks.until(lambda: checks.store.metrics.count(run) >= 10)
    seconds = time.monotonic() - began
    assert checks.store.runs.get(run).state == "running"
    checks.go.touch()
    checks.whole(run)
    assert list((checks.folder / "node-b" / "ray").glob("*/worker.lock"))
    return f"first values after {seconds:.1f} s"


def two_at_once(checks: Checks) -> str:
    """Run on both nodes at the same time."""
    runs = []
    for name in ("node-a", "node-b"):
        checks.on(name)
        runs.append(checks.queue())
        checks.until(lambda: checks.store.runs.get(runs[-1]).handle is not None)
    checks.until(lambda: all(checks.store.runs.get(run).state == "running" for run in runs))
    for run in runs:
        checks.whole(run)
    return "both worked at once"


def cancel_and_resume(checks: Checks) -> str:
    """Cancel a run, which saves a checkpoint, and resume it on the other node."""
    checks.on("node-b", **{HOLD: str(checks.folder / "never"), HOLD_AT: "7"})
    run = checks.queue()
    checks.until(lambda: checks.store.metrics.newest(run, "weight") == 7)
    began = time.monotonic()
    checks.store.runs.request_cancel(run)
    checks.ends(run, "cancelled")
    seconds = time.monotonic() - began
    checks.on("node-a")
    checks.whole(resume(checks.store, run, by="check").id, first=8)
    return f"cancelled with its checkpoint after {seconds:.1f} s"


def server_away(checks: Checks) -> str:
    """Take the server away for 20 s."""
    checks.on("node-a")
    run = checks.queue()
    checks.until(lambda: checks.store.metrics.count(run) >= 6)
    checks.server.kill()
    time.sleep(20.0)
    checks.server.start()
    checks.whole(run)
    return "no value missing"


def foreign_base(checks: Checks) -> str:
    """Refuse a base with other files."""
    foreign = checks.folder / "foreign"
    foreign.mkdir()
    (foreign / "config.json").write_text('{"another": 1}')
    checks.on("node-a")
    file = checks.store.home / FILE
    given = yaml.safe_load(file.read_text()) | {"bases": {checks.store.policies.get(1).base: str(foreign)}}
    file.write_text(yaml.safe_dump(given))
    run = checks.queue()
    checks.ends(run, "failed")
    assert "foreign base" in str(checks.store.runs.get(run).error)
    return "refused"


def node_killed(checks: Checks) -> str:
    """Kill the second node; its run is lost and continues on the other one."""
    checks.on("node-b", **{HOLD: str(checks.folder / "never"), HOLD_AT: "9"})
    run = checks.queue()
    checks.until(lambda: (checks.store.home / f"runs/{run}/checkpoint/9").is_file())
    began = time.monotonic()
    checks.nodes.kill("node-b")
    checks.ends(run, "lost")
    seconds = time.monotonic() - began
    checks.on("node-a")
    checks.whole(resume(checks.store, run, by="check").id, first=10)
    return f"lost after {seconds:.0f} s"


CHECKS = (submit_to_a_named_node, two_at_once, cancel_and_resume, server_away, foreign_base, node_killed)


def main(ray: Path) -> int:
    """Return 1 if any check fails."""
    failed = 0
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        checks = Checks(Path(folder), ray)
        try:
            checks.start()
            for check in CHECKS:
                began = time.monotonic()
                try:
                    outcome = check(checks)
                except AssertionError:
                    outcome, failed = "FAILED", failed + 1
                    traceback.print_exc()
                print(f"{check.__name__:<24} {outcome} ({time.monotonic() - began:.0f} s)", flush=True)
        finally:
            checks.close()
            checks.store.close()
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]).resolve()))
