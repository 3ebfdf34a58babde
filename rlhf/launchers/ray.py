# SPDX-License-Identifier: Apache-2.0
"""Runs on a Ray cluster, by the REST API of Ray Jobs: no Ray is installed here.

A job is a worker with the token of one run. Ray reserves what it asks for and starts it when there is room; the run
waits in the queue until then. Ray's status decides whether a run lives. If Ray cannot be reached, the worker's own
reports do.
"""

from __future__ import annotations

import os
import secrets
import shlex
import time
from typing import Any

from data.errors import BadInput
from data.logs import LOG
from data.records import Run
from data.store import Store
from labeling.texts.pages import bad_input
from rlhf.launchers.cluster import Cluster, read_cluster
from rlhf.launchers.local import GRACE
from rlhf.launchers.remote import WorkerLauncher

TOKEN = "PREFERENCE_LOOP_WORKER_TOKEN"
"""The environment variable in which a job finds the token of its run."""
MISSING, ASKED = "MISSING", "ASKED"
"""Our words for a job that Ray does not know, and for one that it was just asked for."""
ENDED = ("STOPPED", "SUCCEEDED", "FAILED")
"""Statuses of a job that has ended."""
LOOK_SECONDS, TIMEOUT = 3.0, 10.0
"""Seconds between two questions about a job, and for each step of a request."""
LONGEST_PAUSE = 60.0
"""Seconds in which a Ray that cannot be reached is asked nothing; the first pause is shorter."""
BUSY = (408, 429)
"""Statuses by which a server says, as by those from 500 on, that the same question may be answered later."""
LOG_CHARACTERS = 1500


def read_token() -> str:
    """Return the token in this process's environment; empty without one."""
    return os.environ.get(TOKEN, "")


class RayAway(Exception):
    """Ray's job server cannot be reached, or cannot answer now."""


class RayLauncher(WorkerLauncher):
    """Submits workers as jobs. The handle of a run is the submission id of its newest job."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._looked: dict[int, tuple[float, str]] = {}
        self._stopped: set[int] = set()
        self._pause, self._away_until = 0.0, 0.0

    def submit(self, run: Run) -> None:
        """Submit a queued run once; end it if Ray refuses, or if its job ended before it began.

        Each job has a name and a token of its own, stored first. So a job that Ray took without an answer is found, and
        one that Ray starts after its successor has no rights.
        """
        try:
            status = MISSING if run.handle is None else self._status(run)
            if status == MISSING:
                self._submit(run)
            elif status in ENDED and self.store.runs.get(run.id).state == "queued":
                self._refuse(run, self.explain_end(run))
        except RayAway as problem:
            LOG.warning("%s waits: Ray cannot be reached: %s", run.public, problem)
        except BadInput as problem:
            self._refuse(run, str(problem))

    def is_alive(self, run: Run) -> bool:
        """Return False if Ray says that the job has ended; else whether the worker was heard lately."""
        try:
            return self._status(run) not in ENDED and super().is_alive(run)
        except (RayAway, BadInput):
            return super().is_alive(run)

    def cancel(self, run: Run) -> None:
        """Leave it to the answer that the worker gets; stop the job once if the worker is silent for long."""
        _, since = self._heard.get(run.id, (None, time.monotonic()))
        if run.id not in self._stopped and time.monotonic() - since > 2 * GRACE and self._stop(run):
            self._stopped.add(run.id)

    def explain_end(self, run: Run) -> str:
        """Return the status of the job with Ray's message, and the last lines of its log if its node still has them."""
        try:
            about = self._ask("GET", f"/api/jobs/{run.handle}")
        except (RayAway, BadInput):
            return super().explain_end(run)
        reason = f"its Ray job {run.handle} is {about.get('status')}: {about.get('message') or 'no message'}"
        try:
            log = str(self._ask("GET", f"/api/jobs/{run.handle}/logs").get("logs", "")).strip()
        except (RayAway, BadInput):  # the log was on a node that is gone
            return reason
        return f"{reason}\n{log[-LOG_CHARACTERS:]}" if log else reason

    def forget(self, run: Run) -> None:
        """Stop the job of a run that is over, if Ray still has it, and drop what is known of it.

        The job of a lost run may only be cut off, and bring its result later: it ends by itself. A run that was
        cancelled in the queue keeps its handle until its job is stopped.
        """
        super().forget(run)
        lost = self.store.runs.get(run.id).state == "lost"
        if not lost and self._stop(run) and run.started_at is None:
            self.store.runs.set_handle(run.id, None)
        self._looked.pop(run.id, None)
        self._stopped.discard(run.id)

    def _submit(self, run: Run) -> None:
        """Submit a new job of a run that waits."""
        with self.store.transaction():
            if self.store.runs.get(run.id).state != "queued":
                return
            handle = f"preference-loop-{run.public}-{secrets.token_hex(6)}"
            self.store.runs.set_handle(run.id, handle)
            token = self.store.worker_tokens.issue_for_run(run.id)
        self._looked[run.id] = (time.monotonic(), ASKED)
        self._ask("POST", "/api/jobs/", job_document(read_cluster(self.store.home), handle, token))

    def _status(self, run: Run) -> str:
        """Return the status of the run's job, asked for at most every few seconds; MISSING if Ray knows no such job."""
        at, status = self._looked.get(run.id, (0.0, ""))
        if not at or time.monotonic() - at > LOOK_SECONDS:
            status = str(self._ask("GET", f"/api/jobs/{run.handle}", missing={"status": MISSING}).get("status"))
            self._looked[run.id] = (time.monotonic(), status)
        return status

    def _stop(self, run: Run) -> bool:
        """Stop the run's job if Ray has it; return False if Ray must be asked again."""
        try:
            self._ask("POST", f"/api/jobs/{run.handle}/stop", missing={})
        except RayAway as problem:
            LOG.warning("the Ray job of %s was not stopped: %s", run.public, problem)
            return False
        except BadInput as problem:
            LOG.warning("Ray does not stop the job of %s: %s", run.public, problem)
        return True

    def _refuse(self, run: Run, error: str) -> None:
        """End a run that never began, unless somebody cancelled it meanwhile."""
        with self.store.transaction():
            if self.store.runs.get(run.id).state == "queued":
                self.store.runs.claim_elsewhere(run.handle or "ray", "ray", run.id)
                self.store.runs.finish(run.id, "failed", error=error)
        self._stop(self.store.runs.get(run.id))

    def _ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, missing: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the JSON answer of Ray, or `missing` if there is no such job.

        Raises RayAway, or BadInput with Ray's words for a refusal.
        """
        import httpx

        cluster = read_cluster(self.store.home)
        if time.monotonic() < self._away_until:
            raise RayAway("it did not answer a moment ago")
        own = os.environ.get("RAY_AUTH_TOKEN", "")
        headers = {"authorization": f"Bearer {own}"} if own else {}
        url = cluster.address.rstrip("/") + path
        try:
            response = httpx.request(method, url, json=body, headers=headers, timeout=TIMEOUT)
            document = response.json() if response.is_success else {}
        except (httpx.HTTPError, ValueError) as problem:
            raise self._away(str(problem) or type(problem).__name__) from problem
        reason = " ".join(response.text.split())[:300]
        refused = bad_input("refused.ray_answer", status=response.status_code, reason=reason)
        if response.status_code in BUSY or response.is_server_error:
            raise self._away(refused.error)
        self._pause = 0.0
        if response.is_success:
            return document if isinstance(document, dict) else {}
        if response.status_code == 404 and missing is not None:
            return missing
        raise refused

    def _away(self, words: str) -> RayAway:
        """Ask Ray nothing for a while, so that the runs of this machine need not wait for it, and return the error."""
        self._pause = min(max(2 * self._pause, LOOK_SECONDS), LONGEST_PAUSE)
        self._away_until = time.monotonic() + self._pause
        return RayAway(words)


def job_document(cluster: Cluster, handle: str, token: str) -> dict[str, Any]:
    """Return what Ray Jobs is asked for: a worker that does one run, with the needs that the cluster file states."""
    home = ["--home", f"{cluster.home}/ray/{handle}"]  # several jobs may share a node
    bases = [word for name, folder in cluster.bases.items() for word in ("--base", f"{name}={folder}")]
    worker = ["worker", "--server", cluster.server, "--once", *home, *bases]
    environment = {"RAY_JOB_STOP_WAIT_TIME_S": f"{2 * GRACE:.0f}", **cluster.environment, TOKEN: token}
    needs: dict[str, Any] = {"entrypoint_num_cpus": cluster.cpus, "entrypoint_num_gpus": cluster.gpus}
    needs |= {"entrypoint_memory": cluster.memory} if cluster.memory else {}
    needs |= {"entrypoint_resources": dict(cluster.resources)} if cluster.resources else {}
    command = f"{cluster.command} {shlex.join(worker)}"
    return {"entrypoint": command, "submission_id": handle, "runtime_env": {"env_vars": environment}, **needs}
