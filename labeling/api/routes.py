# SPDX-License-Identifier: Apache-2.0
"""The HTTP API: `/api/v1` with a Bearer token, for programs. Its calls are the methods of `Session`.

The gate authorises every request first. The labelers' page has its own requests in `labeling.page`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from typing import Any

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi
from starlette.responses import JSONResponse

from data.records import Account
from data.store import Store
from labeling.api.files import add_file_routes
from labeling.api.models import ErrorReply, NextReply, UndoReply
from labeling.api.route import ApiRoute, Caller
from labeling.http.models import AnswerBody, NoFields, SkipBody
from labeling.queue.group_commit import GroupCommit
from labeling.session import Receipt, Session

FAILURES: dict[int | str, dict[str, Any]] = {
    400: {"description": "The request cannot be read; nothing was changed."},
    401: {"description": "The token is missing or not valid."},
    403: {"description": "The account's role may not do this."},
    409: {"description": "The rules do not allow it; nothing was changed."},
    413: {"description": "The body is too long."},
    415: {"description": "The body is not JSON."},
    503: {"description": "Another program holds the store. Send the same request again after Retry-After seconds."},
    507: {"description": "The store cannot be written; nothing was changed."},
}


def api_router(store: Store, group_commit: GroupCommit | None = None) -> APIRouter:
    """Return every route below /api/v1."""
    failures = {code: {**failure, "model": ErrorReply} for code, failure in FAILURES.items()}
    router = APIRouter(prefix="/api/v1", route_class=ApiRoute, responses=failures, strict_content_type=False)
    _add_session_routes(router, store, group_commit or GroupCommit(store))
    add_file_routes(router, store)

    @router.get("/openapi.json")
    async def describe() -> JSONResponse:
        """Describe this API (OpenAPI 3.1)."""
        return JSONResponse(document())

    @cache
    def document() -> dict[str, Any]:
        return describe_api(router)

    return router


def _add_session_routes(router: APIRouter, store: Store, group_commit: GroupCommit) -> None:
    async def act(account: Account, call: Callable[[Session], dict[str, Any]]) -> JSONResponse:
        began = time.perf_counter()
        reply = await group_commit.run(lambda: call(Session(store, account)))
        return JSONResponse(reply, headers={"server-timing": f"act;dur={1000 * (time.perf_counter() - began):.1f}"})

    @router.post("/next", response_model=NextReply)
    async def next_item(account: Caller, body: NoFields = NoFields()) -> JSONResponse:
        """Get the open item again, or a new one."""
        return await act(account, _next)

    @router.post("/submit", response_model=Receipt)
    async def submit(account: Caller, body: AnswerBody) -> JSONResponse:
        """Record an answer. Idempotent: the client generates `id`."""
        return await act(account, lambda session: asdict(session.submit(body.to_answer())))

    @router.post("/skip", response_model=NoFields)
    async def skip(account: Caller, body: SkipBody) -> JSONResponse:
        """Skip the item, with a reason."""

        def skip_item(session: Session) -> dict[str, Any]:
            session.skip(body.assignment, body.reason)
            return {}

        return await act(account, skip_item)

    @router.post("/undo", response_model=UndoReply)
    async def undo(account: Caller, body: NoFields = NoFields()) -> JSONResponse:
        """Withdraw the last answer."""
        return await act(account, lambda session: {"item": asdict(session.undo())})


def _next(session: Session) -> dict[str, Any]:
    item = session.next()
    return {"item": asdict(item) if item else None, "why": None if item else asdict(session.why_empty())}


def describe_api(router: APIRouter) -> dict[str, Any]:
    """Return the OpenAPI document: FastAPI's own, with the token and without FastAPI's own error shape."""
    document = get_openapi(title="Preference Loop", version="1", routes=router.routes)
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["responses"].pop("422", None)
    components = document["components"]
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]
    return document
