# SPDX-License-Identifier: Apache-2.0
"""`preference-loop worker`: work on runs of a server on another machine.

One worker has one folder and works on one run at a time. A worker that starts again continues its unfinished job. When
it is asked to end (SIGTERM, Ctrl-C), its run saves a checkpoint, and the server gets it.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import socket
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from data.cli import print_note
from data.errors import BadInput, StoreTrouble
from data.logs import limit_repeats
from rlhf.common.locks import acquire_lock
from rlhf.jobs.client import JobClient, RunRefused, ServerAway, heartbeats
from rlhf.jobs.forwarder import Forwarder, delete_job
from rlhf.jobs.job_home import DRAFT, Claimed, Job, make_job
from rlhf.jobs.results import pack_failure
from rlhf.jobs.retries import Unsent
from rlhf.launchers.elsewhere import JOB_FILE
from rlhf.launchers.local import Command, worker_command
from rlhf.launchers.ray import TOKEN, read_token

JOBS = "jobs"
"""Folder in the worker's home that holds its job homes."""
LOCK, CLAIM = "worker.lock", "claim"
"""Files there: the lock of the worker, and the name of a claim that no job home holds yet."""
STEP_SECONDS, CLAIM_SECONDS = 1.0, 3.0
"""Seconds between two looks at a run, and between two questions for one."""
Line = Callable[[str], None]


def add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `worker`."""
    parser.add_argument("--server", required=True, metavar="URL", help="address of the server as this machine sees it")
    parser.add_argument(
        "--token",
        default="",
        metavar="TOKEN",
        help="token of this worker (`runs worker-token NAME` prints it on the server), or of one run;"
        f" default: ${TOKEN}",
    )
    parser.add_argument(
        "--node", default="", metavar="NAME", help="name of this machine on the Runs page (default: its host name)"
    )
    parser.add_argument(
        "--base",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="where a base of the server lies here, if not at the same path; may be repeated",
    )
    parser.add_argument("--once", action="store_true", help="end after one run, or at once if none waits")


def cmd_worker(args: argparse.Namespace) -> dict[str, Any]:
    """Work on runs until a signal ends it; with --once return the document of the run."""
    token = args.token or read_token()
    if not token:
        raise BadInput("a worker needs a token", f"Give --token, or set {TOKEN}.", field="token")
    limit_repeats()
    worker = Worker(args.home.expanduser() / JOBS, args.server, token, args.node or socket.gethostname())
    worker.moved = read_bases(args.base)
    signal.signal(signal.SIGTERM, worker.end)
    signal.signal(signal.SIGINT, worker.end)
    return worker.work(once=args.once)


def render_worker(document: dict[str, Any]) -> str:
    """Return one line about the run that the worker worked on last."""
    if not document["run"]:
        return document.get("error") or "No run waits."
    produced = f": {', '.join(document['produced'])}" if document["produced"] else ""
    error = f": {document['error']}" if document.get("error") else ""
    return f"{document['run']} {document['status']}{produced}{error}"


class Worker:
    """One worker with its folder of job homes."""

    def __init__(
        self,
        folder: Path,
        server: str,
        token: str,
        node: str,
        command: Command = worker_command,
        say: Line = print_note,
    ) -> None:
        self.folder, self.server, self.token, self.node = folder, server, token, node
        self.command, self.say = command, say
        self.moved: dict[str, str] = {}
        self.ending = False

    def end(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Ask the run at work to save, and take no other one."""
        self.ending = True

    def work(self, *, once: bool = False) -> dict[str, Any]:
        """Finish the jobs that were begun here, then claim runs -> the document of the last one."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = acquire_lock(self.folder / LOCK)
        if lock is None:
            raise BadInput("another worker uses this folder", "Give each worker its own --home.", file=str(self.folder))
        with lock:
            document: dict[str, Any] = {"run": None, "status": "done", "produced": []}
            for job in self._begun():
                document = self.follow(job)
            while not self.ending and not (once and document["run"]):
                try:
                    claimed = self._next()
                except (ServerAway, StoreTrouble, OSError) as problem:
                    is_away = isinstance(problem, ServerAway)
                    self.say(f"the server is away: {problem}" if is_away else f"{self.folder} is not usable: {problem}")
                    time.sleep(CLAIM_SECONDS)
                    continue
                if claimed is not None:
                    document = self.follow(claimed) if isinstance(claimed, Job) else claimed
                elif once:
                    break
                else:
                    time.sleep(CLAIM_SECONDS)
            if self.ending and not document["run"]:
                document |= {"status": "cancelled" if once else "done", "error": "The worker ended without a run."}
            return document

    def follow(self, job: Job) -> dict[str, Any]:
        """Follow a job to its end -> {run, status, produced, error}."""
        client = JobClient(job.server, job.token)
        forwarder = Forwarder(job, client, self.command, say=self.say)
        public = job.run(forwarder.store).public
        self.say(f"{public} works on {self.node}")
        try:
            while forwarder.step():
                if self.ending:
                    forwarder.stop()
                    if forwarder.is_away and (run := job.run(forwarder.store)).over:
                        error = "The server is away. Start the worker again with the same --home: it sends the rest."
                        return {"run": public, "status": run.state, "produced": [], "error": error}
                time.sleep(STEP_SECONDS)
        except RunRefused as problem:
            self._abandon(forwarder)
            self._keep(job, str(problem))
            status = (problem.ended or {}).get("status", "lost")
            return {"run": public, "status": status, "produced": [], "error": problem.error}
        except Unsent as problem:
            self.ending = True
            command = f"preference-loop worker --once --server {job.server} --home {self.folder.parent}"
            return {"run": public, "status": "failed", "produced": [], "error": f"{problem}. Send it later: {command}"}
        finally:
            forwarder.close()
            client.close()
        assert forwarder.outcome is not None, "a run that is over has an outcome"
        if forwarder.sender.is_refused and forwarder.outcome["status"] != "done":
            self._keep(job, f"The server has not the newest checkpoint of {public}.")
        else:
            delete_job(job)
        return {"run": public, **forwarder.outcome}

    def _keep(self, job: Job, reason: str) -> None:
        """Leave the files of a job that is over."""
        (job.folder / JOB_FILE).rename(job.folder / f"{JOB_FILE}.ended")
        self.say(f"{reason} What it made so far stays in {job.folder}")

    def _abandon(self, forwarder: Forwarder) -> None:
        """Stop a run that the server no longer takes."""
        forwarder.stop()
        while not forwarder.job.run(forwarder.store).over:
            forwarder.queue.step()
            time.sleep(STEP_SECONDS)

    def _begun(self) -> list[Job]:
        """Return the jobs that were begun here and have not ended. Their server may have another address now."""
        files = [file for file in sorted(self.folder.glob(f"*/{JOB_FILE}")) if not file.parent.name.endswith(DRAFT)]
        return [Job.read(file.parent)._replace(server=self.server) for file in files]

    def _next(self) -> Job | dict[str, Any] | None:
        """Claim a run and make its job home; None if no run waits. A run that cannot work here ends as failed.

        The name of the claim is stored first, so that a killed worker gets the same run again. So does one whose disk
        is full. Raises ServerAway, and OSError or StoreTrouble if the folder cannot be written.
        """
        claim = self.folder / CLAIM
        if not claim.is_file() or not claim.stat().st_size:  # a full disk leaves an empty file
            claim.write_text(uuid.uuid4().hex)
        client = JobClient(self.server, self.token)
        try:
            claimed = client.claim(claim.read_text(), self.node)
            if claimed is None:
                return None
            try:
                job: Job | dict[str, Any] = self._fetch(claimed, claim.read_text())
            except StoreTrouble:
                raise
            except BadInput as problem:
                job = self._refuse(claimed, problem)
            claim.unlink()
            return job
        finally:
            client.close()

    def _fetch(self, claimed: Claimed, claim: str) -> Job:
        """Download the bundle of a run and make its job home."""
        bundle = self.folder / f"run{claimed.run_id}.tar"
        folder = self.folder / f"run{claimed.run_id}-{claim[:8]}"
        client = JobClient(self.server, claimed.token)
        try:
            with heartbeats(client, claimed.run_id):
                client.download_bundle(claimed.run_id, bundle)
                return make_job(bundle, folder, claimed, self.server, self.moved)
        finally:
            shutil.rmtree(folder.with_name(folder.name + DRAFT), ignore_errors=True)
            bundle.unlink(missing_ok=True)
            client.close()

    def _refuse(self, claimed: Claimed, problem: BadInput) -> dict[str, Any]:
        """End a run that cannot work here, unless the server has ended it, and return its document."""
        archive = self.folder / f"run{claimed.run_id}.end.tar"
        client = JobClient(self.server, claimed.token)
        try:
            if not isinstance(problem, RunRefused):
                pack_failure(str(problem), archive)
                client.send_end(claimed.run_id, archive)
        except RunRefused as refused:
            problem = refused
        finally:
            archive.unlink(missing_ok=True)
            client.close()
        self.say(str(problem))
        return {"run": f"run{claimed.run_id}", "status": "failed", "produced": [], "error": str(problem)}


def read_bases(given: Sequence[str]) -> dict[str, str]:
    """Return the folders of NAME=FOLDER. Raises BadInput for another form."""
    for text in given:
        if "=" not in text:
            raise BadInput(f"{text!r} is not NAME=FOLDER", "Write --base NAME=FOLDER.", field="base")
    return dict(text.split("=", 1) for text in given)
