# SPDX-License-Identifier: Apache-2.0
"""Routes below /api/v1/jobs: a worker claims a run, gets its bundle, and sends reports, checkpoints and the end.

The gate has found the token; each route checks that it is the run's. A run that has ended answers 410.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from data.errors import BadInput, StoreTrouble
from data.logs import LOG
from data.records import Run
from data.sqlite.disk_full import is_disk_full
from data.store import Store
from labeling.accounts.gate import JOBS
from labeling.http.bodies import UPLOAD_LIMIT, limit_of, read_bytes, receive_file
from labeling.http.responses import error_response
from labeling.texts.pages import bad_input
from rlhf.jobs.bundle import find_bundle
from rlhf.jobs.manifest import Manifest
from rlhf.jobs.receive import (
    Claim,
    Report,
    RunOver,
    WrongToken,
    claim_run,
    open_run,
    receive_report,
)
from rlhf.jobs.receive_checkpoint import missing_files, receive_checkpoint
from rlhf.jobs.results import publish_end
from rlhf.launchers.elsewhere import delete_bundle

Body = TypeVar("Body", bound=BaseModel)
Work = Callable[[Request], Awaitable[Response]]


def routes(store: Store) -> list[Route]:
    """Return the routes of workers."""

    async def claim(request: Request) -> Response:
        asked = await _read(request, Claim)
        return JSONResponse(await run_in_threadpool(claim_run, store, request.state.worker, asked))

    async def bundle(request: Request) -> Response:
        run = await _find(store, request)
        file = await run_in_threadpool(_find_bundle, store, run)
        return FileResponse(file, media_type="application/x-tar")

    async def report(request: Request) -> Response:
        run, news = await _find(store, request), await _read(request, Report)
        return JSONResponse(await run_in_threadpool(receive_report, store, run, news))

    async def manifest(request: Request) -> Response:
        run, files = await _find(store, request), await _read(request, Manifest)
        return JSONResponse({"lacks": await run_in_threadpool(missing_files, store, run, files)})

    async def checkpoint(request: Request) -> Response:
        run = await _find(store, request)
        async with receive_file(request, store.home / "cache", UPLOAD_LIMIT) as file:
            await run_in_threadpool(receive_checkpoint, store, run, file)
        return JSONResponse({})

    async def end(request: Request) -> Response:
        run = await _find(store, request)
        async with receive_file(request, store.home / "cache", UPLOAD_LIMIT) as file:
            ended = await run_in_threadpool(publish_end, store, run, file)
        delete_bundle(store.home, ended)
        return JSONResponse({"status": ended.state, "produced": ended.produced})

    handlers = {f"{{run:int}}/{work.__name__}": work for work in (report, manifest, checkpoint, end)}
    posted = [Route(f"{JOBS}/{path}", _answer(work), methods=["POST"]) for path, work in handlers.items()]
    return [
        Route(f"{JOBS}/claim", _answer(claim), methods=["POST"]),
        Route(f"{JOBS}/{{run:int}}/bundle", _answer(bundle), methods=["GET"]),
        *posted,
    ]


def _answer(work: Work) -> Work:
    """Return the endpoint that answers errors of `work` as JSON, with a status of their own for a worker."""

    async def answer(request: Request) -> Response:
        try:
            return await work(request)
        except BadInput as problem:
            if isinstance(problem, RunOver):
                return JSONResponse(problem.as_json() | {"ended": problem.ended}, 410)
            response = error_response(request, problem)
            response.status_code = 403 if isinstance(problem, WrongToken) else response.status_code
            return response

    return answer


async def _find(store: Store, request: Request) -> Run:
    """Return the run of the path if the token is its own, and while it works."""
    return await run_in_threadpool(open_run, store, request.state.worker, request.path_params["run"])


async def _read(request: Request, model: type[Body]) -> Body:
    """Return the JSON body. Raises BadInput for another shape."""
    raw = await read_bytes(request, limit_of(request.url.path))
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise bad_input("refused.job_body", field=place, problem=first["msg"]) from None


def _find_bundle(store: Store, run: Run) -> Path:
    """Return the file of a run's bundle. A run whose bundle cannot be made ends with that error.

    A worker asks again while the store is busy or the disk is full.
    """
    try:
        return find_bundle(store, run)
    except Exception as problem:
        if isinstance(problem, StoreTrouble):
            raise
        if is_disk_full(problem):
            raise bad_input("refused.disk_full", kind=StoreTrouble) from problem
        if isinstance(problem, BadInput):
            refusal = problem
        else:
            LOG.exception("the bundle of %s cannot be made", run.public)
            refusal = bad_input("refused.job_bundle", problem=str(problem))
        store.runs.finish(run.id, "failed", error=str(refusal))
        delete_bundle(store.home, run)
        raise RunOver(refusal.error, refusal.remedy) from problem
