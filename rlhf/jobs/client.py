# SPDX-License-Identifier: Apache-2.0
"""The worker's side of /api/v1/jobs. A server that is away differs from one that refuses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import BadInput
from data.version import __version__
from labeling.texts.pages import bad_input
from rlhf.common.http_json import BUSY
from rlhf.jobs.job_home import Claimed
from rlhf.jobs.manifest import Manifest

if TYPE_CHECKING:
    import httpx

TIMEOUT, ARCHIVE_TIMEOUT = 60.0, 3600.0
"""Seconds for each step of a request, and until the server has packed or unpacked an archive."""
ALIVE_SECONDS = 10.0
"""Seconds between two empty reports while a worker is busy with large files."""
AWAY = BUSY | {507}
"""Statuses after which the same request is sent again: the server is busy, starting, or its disk is full."""
BROKEN = 500
"""The status of an error that the server did not foresee."""
REFUSED = frozenset({401, 403, 410})
"""Statuses after which nothing more is sent: the token is not valid, or the run is over."""
PART_BYTES = 1024**2


class ServerAway(Exception):
    """The server cannot be reached or is busy. What it lacks is sent later."""


class ServerBroken(ServerAway):
    """The server answers with an error that it did not foresee."""


class Stopped(Exception):
    """An upload broke off because somebody asked for it."""


class RunRefused(BadInput):
    """The server takes nothing more for this run or this token. `ended`: the end of the run as the server has it."""

    ended: dict[str, Any] | None = None


class JobClient:
    """Requests with one token. Every method raises ServerAway, RunRefused, or BadInput for another refusal."""

    def __init__(self, server: str, token: str) -> None:
        import httpx  # takes 0.1 s, and most commands send no request

        self.server = server.rstrip("/")
        self._token = token
        headers = {"authorization": f"Bearer {token}"}
        self._client = httpx.Client(headers=headers, timeout=TIMEOUT, follow_redirects=False)

    def claim(self, claim: str, node: str) -> Claimed | None:
        """Return the run that the server gives to this worker; None if none waits."""
        given = self._send("POST", "claim", json={"claim": claim, "node": node, "version": __version__}).json()
        return Claimed(given["run"], given["resumes"], given["token"] or self._token) if given["run"] else None

    def download_bundle(self, run_id: int, out: Path) -> None:
        """Write the bundle of a run to `out`."""
        import httpx

        try:
            url, timeout = self._url(f"{run_id}/bundle"), _archive_timeout()
            with self._client.stream("GET", url, timeout=timeout) as response, out.open("wb") as file:
                if not response.is_success:
                    response.read()
                _check(response)
                for part in response.iter_raw():
                    file.write(part)
        except httpx.TransportError as problem:
            raise ServerAway(str(problem) or type(problem).__name__) from problem

    def report(self, run_id: int, report: dict[str, Any]) -> dict[str, Any]:
        """Send a report and return the answer: {cancel, arrived}."""
        return self._send("POST", f"{run_id}/report", json=report).json()

    def missing_files(self, run_id: int, manifest: Manifest) -> list[str]:
        """Return the hashes of the files of a checkpoint that the server lacks."""
        headers = {"content-type": "application/json"}
        body = manifest.model_dump_json().encode()
        timeout = _archive_timeout()  # the server may read its checkpoints
        return self._send("POST", f"{run_id}/manifest", content=body, headers=headers, timeout=timeout).json()["lacks"]

    def send_checkpoint(self, run_id: int, archive: Path, stopped: Callable[[], bool] = lambda: False) -> None:
        """Send the run's checkpoints. Raises Stopped as soon as `stopped` says so."""
        self._send("POST", f"{run_id}/checkpoint", content=_parts(archive, stopped), timeout=_archive_timeout())

    def send_end(self, run_id: int, archive: Path) -> dict[str, Any]:
        """Send the end of a run and what it produced -> {status, produced}."""
        return self._send("POST", f"{run_id}/end", content=_parts(archive), timeout=_archive_timeout()).json()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send(self, method: str, path: str, **body: Any) -> httpx.Response:  # noqa: ANN401 (httpx's own keywords)
        import httpx

        try:
            response = self._client.request(method, self._url(path), **body)
        except httpx.TransportError as problem:
            raise ServerAway(str(problem) or type(problem).__name__) from problem
        except httpx.InvalidURL as problem:
            raise bad_input("refused.job_server_address", server=self.server, problem=str(problem)) from problem
        return _check(response)

    def _url(self, path: str) -> str:
        return f"{self.server}/api/v1/jobs/{path}"


@contextmanager
def heartbeats(client: JobClient, run_id: int, cancel: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Send empty reports while this thread sends or gets large files, so that the server hears of the run.

    Call `cancel` if an answer says that the run is cancelled.
    """
    ended = threading.Event()

    def report() -> None:
        while not ended.wait(ALIVE_SECONDS):
            with suppress(ServerAway, BadInput):
                if client.report(run_id, {})["cancel"]:
                    cancel()

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _archive_timeout() -> httpx.Timeout:
    import httpx

    return httpx.Timeout(TIMEOUT, read=ARCHIVE_TIMEOUT)


def _parts(file: Path, stopped: Callable[[], bool] = lambda: False) -> Iterator[bytes]:
    with file.open("rb") as content:
        while part := content.read(PART_BYTES):
            if stopped():
                raise Stopped
            yield part


def _check(response: httpx.Response) -> httpx.Response:
    """Return a successful response. Raises as the methods of `JobClient`."""
    if response.is_success:
        return response
    try:
        document = response.json()
        ended = document.get("ended")
        error, remedy = str(document["error"]), str(document.get("remedy") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        unknown = bad_input("refused.job_server_answer", status=response.status_code)
        error, remedy, ended = unknown.error, unknown.remedy, None
    if response.status_code in AWAY:
        raise ServerBroken(error) if response.status_code == BROKEN else ServerAway(error)
    if response.status_code not in REFUSED:
        raise BadInput(error, remedy)
    refused = RunRefused(error, remedy)
    refused.ended = ended
    raise refused
