"""The HTTP API: `/api/v1` with a Bearer token, for labelers' programs. The page has requests of its own (`turns.py`).

They are the verbs of `Session`, with the same fields.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from data.errors import BadInput, Refused
from data.store import Store
from labeling.accounts import my_data
from labeling.api import calls, files
from labeling.api.openapi import description
from labeling.http.bodies import Body, read_json
from labeling.http.requests import get_account
from labeling.http.responses import error_response, http_error_response
from labeling.queue.group_commit import GroupCommit
from labeling.session import Session

Verb = Callable[[Session, Body], dict]


def routes(store: Store, group_commit: GroupCommit | None = None) -> list[Route]:
    """Everything below /api/v1; the gate has found out who is asking."""
    group_commit = group_commit or GroupCommit(store)
    return [
        Route("/api/v1/openapi.json", describe, methods=["GET"]),
        *files.routes(store),
        *my_data.routes(store),
        *(
            Route(f"/api/v1/{name}", endpoint(store, group_commit, verb), methods=["POST"])
            for name, verb in calls.API.items()
        ),
    ]


async def describe(request: Request) -> Response:
    """The description of this API (OpenAPI 3.1)."""
    return JSONResponse(description())


def endpoint(store: Store, group_commit: GroupCommit, verb: Verb) -> Callable:
    """Read the body, let `verb` act as the asking account, and write its result or its error as JSON."""

    async def answer(request: Request) -> Response:
        account = get_account(request)
        if account is None:
            return JSONResponse(Refused("sign in first").as_json(), 401)
        try:
            began = time.perf_counter()
            body = await read_json(request)
            told = await group_commit.run(lambda: verb(Session(store, account), body))
            return JSONResponse(told, headers={"server-timing": f"act;dur={1000 * (time.perf_counter() - began):.1f}"})
        except HTTPException as problem:
            return http_error_response(problem)
        except BadInput as problem:
            return error_response(request, problem)

    return answer
