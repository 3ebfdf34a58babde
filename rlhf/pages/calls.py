# SPDX-License-Identifier: Apache-2.0
"""Calls of the pages' handlers: each body is checked before the framework reads it, and a failure is one log record."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from contextvars import ContextVar

import gradio as gr
import gradio.routes
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.errors import BadInput
from data.logs import LOG
from data.sqlite.disk_full import is_disk_full
from labeling.http.bodies import limit_of, parse_body, read_bytes
from labeling.http.requests import path_below_root
from labeling.http.responses import error_response, http_error_response
from labeling.texts.pages import bad_input, text
from labeling.texts.reader import reader_language

CALL = "/gradio_api/run/predict"
TYPES: dict[type, tuple[type, ...]] = {
    gr.Textbox: (str,),
    gr.Radio: (str,),
    gr.Checkbox: (bool,),
    gr.CheckboxGroup: (list,),
    gr.Number: (int, float),
}
"""Types of a component's values in JSON."""
FAULTS: ContextVar[list[Exception] | None] = ContextVar("faults", default=None)
"""The program's own failures during a call. Without one, an error answer is about what the caller sent."""


class CheckedCalls:
    """The layer around the pages. A call that no handler could take, or that a handler refuses, gets status 400.

    The framework answers 500 to every error; this status stays for failures of the program.

    `pages`: the blocks by their prefix, such as `/train`.
    """

    def __init__(self, app: ASGIApp, pages: Mapping[str, gr.Blocks]) -> None:
        self.app, self.pages = app, pages
        gradio.routes.traceback = ShortTraceback()  # type: ignore[assignment]  # it prints 60 lines for each failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; the body of a call is read and checked first."""
        path = path_below_root(Request(scope)).rstrip("/") if scope["type"] == "http" else ""
        blocks = self.pages.get(path.removesuffix(CALL)) if path.endswith(CALL) else None
        if blocks is None or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        try:
            raw = await read_bytes(Request(scope, receive), limit_of(path))
            check_call(blocks, parse_body(raw))
        except HTTPException as problem:
            await http_error_response(problem)(scope, receive, send)
            return
        except BadInput as problem:
            await error_response(Request(scope), problem)(scope, receive, send)
            return
        unread = [raw]

        async def replay() -> Message:
            return {"type": "http.request", "body": unread.pop(), "more_body": False} if unread else await receive()

        faults: list[Exception] = []
        FAULTS.set(faults)

        async def send_status(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 500 and not faults:
                message = {**message, "status": 400}
            await send(message)

        await self.app(scope, replay, send_status)


def check_call(blocks: gr.Blocks, body: object) -> None:
    """Raise BadInput unless the body names a handler of the page and has a value for each of its inputs."""
    number = body.get("fn_index") if isinstance(body, dict) else None
    handler = blocks.fns.get(number) if isinstance(number, int) and not isinstance(number, bool) else None
    if handler is None:
        raise bad_input("refused.no_handler", field="fn_index", number=number)
    values = body.get("data") if isinstance(body, dict) else None
    if not isinstance(values, list) or len(values) != len(handler.inputs):
        raise bad_input("refused.handler_inputs", field="data", count=len(handler.inputs))
    for block, value in zip(handler.inputs, values, strict=True):
        if value is not None and not has_type(block, value):
            label = getattr(block, "label", None) or text("refused.unnamed_field")
            raise bad_input("refused.field_value", field="data", label=label, given=ascii(value)[:40])


def has_type(block: object, value: object) -> bool:
    """Tell if a JSON value has a type that the component's handlers expect."""
    if isinstance(block, gr.Dropdown):
        types = {str, *(type(choice) for _, choice in block.choices)}
        if not block.multiselect:
            return type(value) in types
        return isinstance(value, list) and all(type(one) in types for one in value)
    expected = next((types for kind, types in TYPES.items() if isinstance(block, kind)), None)
    return expected is None or type(value) in expected


def report_faults(handler: Callable) -> Callable:
    """Return a handler whose unexpected exceptions are logged; the page shows one line. Raises gr.Error."""

    def reporting(*given: object) -> object:
        try:
            return handler(*given)
        except gr.Error:
            raise
        except BadInput as problem:
            raise gr.Error(str(problem.in_language(reader_language())), print_exception=False) from problem
        except Exception as problem:
            if (faults := FAULTS.get()) is not None:
                faults.append(problem)
            if is_disk_full(problem):
                raise gr.Error(text("fault.disk_full"), print_exception=False) from problem
            LOG.exception("a handler of the pages failed")
            raise gr.Error(text("fault.unexpected"), print_exception=False) from problem

    return reporting


class ShortTraceback:
    """Stands for the module `traceback` in the framework: an exception becomes one line of the log."""

    def __getattr__(self, name: str) -> object:
        return getattr(traceback, name)

    def print_exc(self) -> None:
        """Log the current exception in one line: its type, text and the line that raised it."""
        problem = sys.exc_info()[1]
        frame = traceback.extract_tb(problem.__traceback__)[-1] if problem and problem.__traceback__ else None
        place = f"{frame.filename}:{frame.lineno}" if frame else "?"
        LOG.error(f"a call of a page failed: {type(problem).__name__} at {place}: %.200r", str(problem))
