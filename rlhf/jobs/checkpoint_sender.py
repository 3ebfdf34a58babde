# SPDX-License-Identifier: Apache-2.0
"""Sends the checkpoints of one job in a thread of its own: only the files that the server lacks.

The folder of the run is the queue. While one state of it is on its way, the newest of the later ones waits.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from data.errors import BadInput
from data.logs import LOG
from labeling.http.bodies import UPLOAD_LIMIT
from labeling.texts.pages import bad_input
from rlhf.jobs.archive import finished_files, pack
from rlhf.jobs.client import JobClient, RunRefused, Stopped
from rlhf.jobs.job_home import Job
from rlhf.jobs.manifest import FILES, MANIFEST, describe_files

RETRY_SECONDS = 10.0
"""Seconds from a failed upload to the next one."""
JOIN_SECONDS = 5.0
"""Most seconds to wait for a thread that was asked to stop."""


class CheckpointSender:
    """Checkpoints of one job on their way. `is_refused`: the server does not take the newest one."""

    def __init__(self, job: Job, client: JobClient) -> None:
        self.job, self.client = job, client
        self.is_refused = False
        self.sent_bytes = 0
        self._settled: tuple = ()
        self._refusal, self._retry_at = "", 0.0
        self._problem: Exception | None = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    @property
    def folder(self) -> Path:
        """The folder of the run's checkpoints."""
        return self.job.run_folder / "checkpoint"

    @property
    def is_busy(self) -> bool:
        """Return whether a checkpoint is on its way."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_settled(self) -> bool:
        """Return whether the server has the checkpoints as they are now, or refuses them."""
        return not self.is_busy and self._problem is None and read_state(self.folder) in ((), self._settled)

    def step(self) -> None:
        """Begin to send the checkpoints if they changed and none is on its way. Raises what the last upload raised."""
        if self.is_busy:
            return
        problem, self._problem = self._problem, None
        if problem is not None:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            raise problem
        if self._stopped.is_set() or self.is_settled or time.monotonic() < self._retry_at:
            return
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to break off, and begin no other one."""
        self._stopped.set()

    def close(self) -> None:
        """Stop, and wait a moment for the thread."""
        self.stop()
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)

    def _work(self) -> None:
        try:
            self._send()
        except (Stopped, FileNotFoundError):  # the next step looks at what is there then
            return
        except Exception as problem:
            self._problem = problem

    def _send(self) -> None:
        """Send the files that the server lacks, unless the folder changes meanwhile."""
        before, manifest = read_state(self.folder), describe_files(self.folder)
        try:
            lacking = set(self.client.missing_files(self.job.run_id, manifest))
            with TemporaryDirectory(prefix=".sent.", dir=self.job.run_folder) as place:
                archive = Path(place) / "checkpoint.tar"
                files = {file.hash: self.folder / file.path for file in manifest.files if file.hash in lacking}
                sent = [(path, f"{FILES}/{digest}") for digest, path in files.items()]
                pack(archive, [(MANIFEST, manifest.model_dump_json())], sent)
                if read_state(self.folder) != before:
                    return
                refuse_too_large(archive)
                self.client.send_checkpoint(self.job.run_id, archive, self._stopped.is_set)
                self.sent_bytes += archive.stat().st_size
                self.is_refused = False
        except (RunRefused, Stopped):
            raise
        except BadInput as problem:
            first, self._refusal = self._refusal, str(problem)
            if first != self._refusal:  # the archive may have been cut
                raise
            LOG.warning("the server does not get this checkpoint of run%s: %s", self.job.run_id, problem)
            self.is_refused = True
        self._settled = before


def refuse_too_large(archive: Path) -> None:
    """Raise BadInput for an archive that the server would not read to its end."""
    size = archive.stat().st_size
    if size > UPLOAD_LIMIT:
        raise bad_input("refused.job_archive_large", size=size, limit=UPLOAD_LIMIT)


def read_state(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return names, sizes and times of the complete files of a folder; empty while one vanishes."""
    try:
        return tuple((str(path), (state := path.stat()).st_size, state.st_mtime_ns) for path in finished_files(folder))
    except FileNotFoundError:
        return ()
