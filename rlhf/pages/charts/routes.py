# SPDX-License-Identifier: Apache-2.0
"""The routes of the charts: GET /train/metrics?runs=run5,run7, and the browser's files below /train/charts.

They lie below the page's own address, so that they hold under any root path.
"""

from __future__ import annotations

import os
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from data.records import Account
from data.store import Store
from labeling.api.route import researcher_only
from labeling.http.requests import detect_language, detect_zone
from labeling.texts.reader import writing_in
from rlhf.pages.charts.document import make_document

FOLDER = Path(__file__).parent / "web"


class RevalidatedFiles(StaticFiles):
    """The files of a route `{file:path}`. A browser asks again before it uses its copy: an upgrade replaces all."""

    def get_path(self, scope: Scope) -> str:
        """Return the path of the requested file below the folder."""
        return os.path.normpath(scope["path_params"]["file"])

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Return the file, or 304 if the browser has it."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = "no-cache"
        return response


def routes(store: Store) -> list[Route]:
    """Return the routes of the charts. Only researchers pass the gate to them."""

    async def send(request: Request, _account: Account) -> Response:
        with writing_in(detect_language(request), detect_zone(request)):
            return JSONResponse(await run_in_threadpool(make_document, store, request.query_params.get("runs", "")))

    packed = [Middleware(GZipMiddleware)]
    return [
        Route("/train/metrics", researcher_only(send), middleware=packed),
        Route("/train/charts/{file:path}", RevalidatedFiles(directory=FOLDER), middleware=packed),
    ]
