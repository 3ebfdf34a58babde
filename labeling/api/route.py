# SPDX-License-Identifier: Apache-2.0
"""The route class of the HTTP API: it limits bodies, checks the role, and gives every error one shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from data.errors import BadInput
from data.records import Account
from labeling.api.option_names import PARAMETERS
from labeling.http.bodies import not_json, read_json_bytes
from labeling.http.models import to_bad_input
from labeling.http.requests import get_account, require_account
from labeling.http.responses import error_response, http_error_response

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Work = Callable[[Request, Account], Awaitable[Response]]


class ApiRoute(APIRoute):
    """Read JSON bodies up to the limit, and answer every error as {error, file, line, field, remedy}."""

    def get_route_handler(self) -> Handler:
        """Return FastAPI's handler inside the limit and the error shape."""
        handler = super().get_route_handler()
        has_body = self.body_field is not None

        async def handle(request: Request) -> Response:
            try:
                return await handler(await _with_json_body(request) if has_body else request)
            except RequestValidationError as problem:
                place = "field" if has_body else "parameter"
                return error_response(request, to_bad_input(problem.errors(), place))
            except HTTPException as problem:
                if problem.status_code == 400:  # FastAPI: the body cannot be parsed
                    return error_response(request, not_json())
                return http_error_response(problem)
            except BadInput as problem:
                return error_response(request, problem.rename_options(PARAMETERS))

        return handle


async def _with_json_body(request: Request) -> Request:
    """Return the same request with its body in memory and without a content type, so that FastAPI reads JSON."""
    raw = await read_json_bytes(request)
    headers = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]

    async def receive() -> Message:
        return {"type": "http.request", "body": raw, "more_body": False}

    return Request({**request.scope, "headers": headers}, receive)


async def require_caller(request: Request) -> Account:
    """Return the account that the gate admitted, on the event loop. Raises HTTPException 401 without one."""
    return require_account(request)


async def require_researcher(request: Request) -> Account:
    """Return the researcher who calls. Raises HTTPException 403 for anybody else."""
    account = get_account(request)
    if account is None or account.role != "researcher":
        raise HTTPException(403, "only researchers may do this")
    return account


Caller = Annotated[Account, Depends(require_caller)]
Researcher = Annotated[Account, Depends(require_researcher)]


def researcher_only(work: Work) -> Callable[[Request], Awaitable[Response]]:
    """Return a plain Starlette endpoint that runs `work` for researchers and answers errors as JSON."""

    async def answer(request: Request) -> Response:
        try:
            return await work(request, await require_researcher(request))
        except HTTPException as problem:
            return http_error_response(problem)
        except BadInput as problem:
            return error_response(request, problem)

    return answer
