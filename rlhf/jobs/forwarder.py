# SPDX-License-Identifier: Apache-2.0
"""The forwarder of one job: it starts the run in its job home, and sends what the run writes there to the server.

The job home is the spool: the forwarder remembers nothing that it cannot ask the server again. It may be killed at any
moment, and the next one finds the run at work or ended.
"""

from __future__ import annotations

import base64
import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from data.cli import print_note
from data.errors import BadInput
from data.ids import RUN, public_id
from data.logs import LOG
from data.records import Run
from data.tables.metrics import Arrived
from rlhf.jobs.checkpoint_sender import CheckpointSender, refuse_too_large
from rlhf.jobs.client import JobClient, RunRefused, ServerAway, ServerBroken, heartbeats
from rlhf.jobs.job_home import Job, check_bases
from rlhf.jobs.results import pack_end, pack_failure
from rlhf.jobs.retries import Retries
from rlhf.launchers.local import GRACE, Command, LocalLauncher, worker_command
from rlhf.launchers.run_queue import RunQueue

VALUES, SAMPLES, LOG_BYTES, SAMPLE_BYTES = 2000, 50, 256 * 1024, 1024**2
"""The most that one report carries: values, samples, bytes of the log, and bytes after which no sample follows."""
RETRY_SECONDS = 10.0
"""Seconds from a failed upload to the next one."""


class Forwarder:
    """One job. `step` looks once and returns whether the run is still to be followed."""

    def __init__(
        self,
        job: Job,
        client: JobClient,
        command: Command = worker_command,
        grace: float = GRACE,
        say: Callable[[str], None] = print_note,
    ) -> None:
        self.job, self.client = job, client
        self.store = job.open_store()
        self.queue = RunQueue(self.store, LocalLauncher(self.store, command, grace))
        self.arrived: Arrived | None = None
        self.outcome: dict[str, Any] | None = None
        self._reported_at: str | None = None
        self._upload_at = 0.0
        self._refusal = ""
        self._checked = self.is_away = False
        self.sender = CheckpointSender(job, client)
        self._retries = Retries(public_id(RUN, job.run_id), job.folder, say)

    def step(self) -> bool:
        """Start or check the run, then send what is new. What a server cannot take now, it gets later.

        Raises RunRefused if the server takes nothing more; the run is then stopped first. Raises Unsent if it did not
        take the end for too long.
        """
        if not self._checked:
            with heartbeats(self.client, self.job.run_id, self.stop):
                self._check_bases()
        self.queue.step()
        try:
            is_at_work = self._send()
            self.is_away = False
            return is_at_work
        except RunRefused as problem:
            run, ended = self.job.run(self.store), problem.ended or {}
            if not run.over or (ended.get("status"), ended.get("error")) != (run.state, run.error):
                raise
            self.outcome = ended  # the server has the end, whose answer did not arrive
            return False
        except (ServerAway, BadInput, OSError) as problem:
            if isinstance(problem, ServerBroken) and self.job.run(self.store).over:
                self._retries.note_failure(problem)
            elif not self.is_away:
                LOG.warning("the server of run%s gets the rest later: %s", self.job.run_id, problem)
            self.is_away = True
            return True

    def stop(self) -> None:
        """Ask the run to save and stop, as a cancellation does."""
        run = self.job.run(self.store)
        if not run.over and not run.cancel_requested:
            self.store.runs.request_cancel(run.id)

    def close(self) -> None:
        """Break off an upload, and close the job's store."""
        self.sender.close()
        self.store.close()

    def _check_bases(self) -> None:
        """End a run whose base is missing or foreign before it starts."""
        self._checked = True
        run = self.job.run(self.store)
        if run.state == "queued":
            try:
                check_bases(self.job)
            except BadInput as problem:
                with self.store.transaction():
                    if self.job.run(self.store).state == "queued":  # a cancellation may have arrived meanwhile
                        self.store.runs.claim()
                        self.store.runs.finish(run.id, "failed", error=str(problem))

    def _send(self) -> bool:
        """Send reports until nothing is left, then files; return whether the run is still to be followed."""
        run = self.job.run(self.store)
        if self.arrived is None:
            self._report(run, {})
        while self._report(run, self._batch()):
            pass
        if time.monotonic() < self._upload_at or not self._retries.is_due:
            return True
        try:
            return self._upload(run)
        except Exception:
            self._upload_at = time.monotonic() + RETRY_SECONDS
            raise

    def _upload(self, run: Run) -> bool:
        """Send the end of a run whose checkpoints have arrived; return whether the run is still to be followed."""
        if run.state == "done":  # its checkpoints are of no use
            self.sender.stop()
        self.sender.step()
        if not run.over or (self.sender.is_busy if run.state == "done" else not self.sender.is_settled):
            return True
        if run.state == "lost":  # a heartbeat that arrives after this end would reopen the run
            self._send_end(run)
        else:
            with heartbeats(self.client, run.id, self.stop):
                self._send_end(run)
        return False

    def _send_end(self, run: Run) -> None:
        """Send the end of a run. Raises RunRefused, and has ended it as failed, if the server refuses it twice."""
        self.job.run_folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".end.", dir=self.job.run_folder) as place:
            archive = Path(place) / "end.tar"
            pack_end(self.job, self.store, archive)
            try:
                refuse_too_large(archive)
                self.outcome = self.client.send_end(run.id, archive) | {"error": run.error}
            except RunRefused:
                raise
            except BadInput as problem:
                if not self._is_final(problem):
                    raise
                refused = RunRefused.of("error.result_refused", inner=str(problem))
                pack_failure(str(refused), archive)
                refused.ended = self.client.send_end(run.id, archive)
                raise refused from problem

    def _is_final(self, problem: BadInput) -> bool:
        """Return whether an upload is refused for the same reason as before. The first one may have been cut."""
        before, self._refusal = self._refusal, str(problem)
        return before == self._refusal

    def _report(self, run: Run, new: dict[str, Any]) -> bool:
        """Send one report with the run's progress; return whether more may be waiting."""
        report = dict(new)
        if run.progress_at != self._reported_at:
            report["progress"] = [run.done, run.total, run.note]
        if used := self.store.metrics.usage(run.id):
            report["usage"] = {name: value for name, value in used.items() if math.isfinite(value)}
        answer = self.client.report(run.id, report)
        self.arrived, self._reported_at = Arrived(**answer["arrived"]), run.progress_at
        if answer["cancel"]:
            self.stop()
        return bool(new)

    def _batch(self) -> dict[str, Any]:
        """Return what the server lacks, as much as one report carries; empty if it lacks nothing."""
        assert self.arrived is not None, "the first report asks for it"
        batch: dict[str, Any] = {}
        if values := self.store.metrics.values_after(self.arrived.metrics, VALUES):
            batch["values"] = [[number, key, step, _as_json(value)] for number, key, step, value in values]
        samples, size = [], 0
        for sample in self.store.metrics.samples_after(self.arrived.samples, SAMPLES):
            samples.append(sample)
            size += len(sample[2])
            if size > SAMPLE_BYTES:
                break
        return batch | ({"samples": samples} if samples else {}) | self._new_log(self.arrived.log)

    def _new_log(self, start: int) -> dict[str, Any]:
        """Return the new part of the log; from its start if the file was cut."""
        log = self.job.run_folder / "log.txt"
        if not log.is_file():
            return {}
        was_cut = log.stat().st_size < start
        start = 0 if was_cut else start
        with log.open("rb") as file:
            file.seek(start)
            new = file.read(LOG_BYTES)
        text = base64.b64encode(new).decode()
        return {"log": text, "log_start": start, "restarted": was_cut} if new else {}


def delete_job(job: Job) -> None:
    """Delete a job home whose end the server has."""
    shutil.rmtree(job.folder, ignore_errors=True)


def _as_json(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)
