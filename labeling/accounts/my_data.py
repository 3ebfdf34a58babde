# SPDX-License-Identifier: Apache-2.0
"""Personal data of the signed-in account: /label/you explains, /label/mine downloads, /label/erase erases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from data.errors import BadInput
from data.records import Account
from data.store import Store
from labeling.accounts import management
from labeling.accounts.sign_in_pages import my_data_page
from labeling.http.requests import detect_language, get_account, read_form
from labeling.http.responses import http_error_response, notice_response, problem_response
from labeling.texts.translate import say

Act = Callable[[Request, Account], Awaitable[Response]]


def routes(store: Store) -> list[Route]:
    """Return the three routes. Each acts on the signed-in account alone."""

    async def show(request: Request, account: Account) -> Response:
        return HTMLResponse(my_data_page(detect_language(request), account.name))

    async def download(request: Request, account: Account) -> Response:
        lines = await asyncio.to_thread(management.export_personal_data, store, account)
        headers = {"content-disposition": 'attachment; filename="mine.jsonl"'}
        return StreamingResponse(lines, media_type="application/jsonl", headers=headers)

    async def erase(request: Request, account: Account) -> Response:
        if (await read_form(request)).get("name", "").strip() != account.name:
            return HTMLResponse(
                my_data_page(
                    detect_language(request), account.name, error=say(detect_language(request), "yours_unconfirmed")
                ),
                400,
            )
        await asyncio.to_thread(management.erase_personal_data, store, account, by=account)
        return notice_response(request, 200, "yours_erased")

    acts = (("you", "GET", show), ("mine", "GET", download), ("erase", "POST", erase))
    return [Route(f"/label/{name}", _for_account(act), methods=[method]) for name, method, act in acts]


def _for_account(act: Act) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        account = get_account(request)
        if account is None:
            return notice_response(request, 401, "forbidden")
        try:
            return await act(request, account)
        except HTTPException as problem:
            return http_error_response(problem, request)
        except BadInput as problem:
            return problem_response(request, problem)

    return answer
