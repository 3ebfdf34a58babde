# SPDX-License-Identifier: Apache-2.0
"""Actions of the labeler's page: each runs as the signed-in labeler and returns everything that the page shows next.

A key press is one POST behind the gate and one commit; Gradio's event path takes two requests, a stream and several
threads. The server keeps no state of the page. An action names its assignment and its own id, so the page can send it
again after a lost connection or a restart. A refusal is a status line in the reader's language. Regions are rendered
after the commit, on threads of their own: no text of a model delays the writer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from data.errors import BadInput, Busy, Refused, StoreTrouble
from data.store import Store
from data.tables.assignments import DRAFT_FIELDS
from labeling.http.bodies import read_object
from labeling.http.models import AnswerBody, RankingBody, parse_field
from labeling.http.requests import detect_language, require_account
from labeling.http.responses import RETRY_SECONDS, error_response, http_error_response, status_of
from labeling.page import panels
from labeling.page.item_view import seconds_left, view_item
from labeling.page.page_request import Body, PageRequest, Reply, render_reply
from labeling.queue.group_commit import GroupCommit
from labeling.session import PastAnswer, Receipt, Session
from labeling.texts.translate import error_text

HISTORY = 20
RENDERERS = ThreadPoolExecutor(4, thread_name_prefix="render")
"""Threads that render replies; `formatted` passes long texts on to a process, one at a time."""
Verb = Callable[[PageRequest], Reply]


def routes(store: Store, group_commit: GroupCommit) -> list[Route]:
    """Return POST /label/do/VERB for every verb; the gate has authenticated the request."""
    return [
        Route(f"/label/do/{name}", endpoint(store, group_commit, verb), methods=["POST"])
        for name, verb in VERBS.items()
    ]


def endpoint(store: Store, group_commit: GroupCommit, verb: Verb) -> Callable:
    """Return an endpoint that reads the body, runs `verb`, and replies with what the page shows next."""

    async def answer(request: Request) -> Response:
        began = time.perf_counter()
        try:
            body = await read_object(request)
        except HTTPException as problem:
            return http_error_response(problem)
        except BadInput as problem:
            return error_response(request, problem)
        try:
            reply = await group_commit.run(lambda: act(store, verb, request, body))
        except BadInput as problem:
            return line_response(request, problem)
        response = await asyncio.get_running_loop().run_in_executor(RENDERERS, render_response, reply)
        response.headers["server-timing"] = f"act;dur={1000 * (time.perf_counter() - began):.1f}"
        return response

    return answer


def render_response(reply: Reply) -> JSONResponse:
    """Return a committed reply with its regions rendered."""
    return JSONResponse(render_reply(reply))


def line_response(request: Request, problem: BadInput) -> Response:
    """Return only a status line. Trouble of the store has an error status, so the page sends the action again."""
    line = {"line": {"text": error_text(problem, detect_language(request)), "bad": True}}
    if not isinstance(problem, StoreTrouble):
        return JSONResponse(line)
    return JSONResponse(
        line, status_of(problem), {"retry-after": str(RETRY_SECONDS)} if isinstance(problem, Busy) else None
    )


def act(store: Store, verb: Verb, http_request: Request, body: Body) -> Reply:
    """Return the reply of `verb`, its regions not rendered yet.

    A refusal is a status line, with the open item unless the screen must stay as it is.
    """
    request = PageRequest(
        Session(store, require_account(http_request), rankings=True), detect_language(http_request), body
    )
    try:
        with store.transaction():
            return request.with_account(verb(request))
    except Refused as refusal:
        shown: Reply = {} if verb in KEEPS_SCREEN or request.is_correction() else request.next()
        return request.with_account(shown | {"line": {"text": error_text(refusal, request.language), "bad": True}})


def look(request: PageRequest) -> Reply:
    """Return what a fresh page shows."""
    return request.next()


def answer(request: PageRequest) -> Reply:
    """Record an answer to a pair; a correction stays on the item that it corrects."""
    given = parse_field(AnswerBody, request.body.get("answer"), "answer").to_answer()
    before = request.session.past_answer(given.assignment) if given.supersedes else None
    receipt = request.session.submit(given)
    return _corrected(request, before) if before else _recorded(request, receipt, request.say(receipt.verdict))


def rank(request: PageRequest) -> Reply:
    """Record a ranking."""
    given = parse_field(RankingBody, request.body.get("answer"), "answer").to_answer()
    before = request.session.past_answer(given.assignment) if given.supersedes else None
    receipt = request.session.submit(given)
    if before:
        return _corrected(request, before)
    order = panels.verdict(request.language, request.session.past_answer(given.assignment))
    return _recorded(request, receipt, order)


def _recorded(request: PageRequest, receipt: Receipt, verdict: str) -> Reply:
    recorded = request.say("recorded_late" if receipt.late else "recorded", verdict=verdict)
    return request.next() | request.status_line(recorded, request.say("recorded_hint"))


def _corrected(request: PageRequest, before: PastAnswer) -> Reply:
    now = request.session.past_answer(before.item.assignment)
    old, new = panels.verdict(request.language, before), panels.verdict(request.language, now)
    return request.show(view_item(request.session, now.item, now)) | request.status_line(
        request.say("changed", before=old, after=new)
    )


def skip(request: PageRequest) -> Reply:
    """Skip the item."""
    request.session.skip(request.text("assignment"), request.text("reason"))
    return request.next() | request.status_line(request.say("skipped"))


def flag(request: PageRequest) -> Reply:
    """Flag the item for review by a researcher."""
    request.session.skip(request.text("assignment"), request.text("reason"), "flag")
    return request.next() | request.status_line(request.say("flagged"))


def undo(request: PageRequest) -> Reply:
    """Undo the latest answer and show its item with the old content as a draft.

    A later skip must be named by `over`.
    """
    skipped = request.session.skipped_since_last_answer()
    if skipped and request.text("over") != skipped:
        return request.status_line(request.say("undo_skipped")) | {"skipped": skipped}
    return request.show(view_item(request.session, request.session.undo())) | request.status_line(request.say("undone"))


def past(request: PageRequest) -> Reply:
    """Show an item that the labeler answered before."""
    answered = request.session.past_answer(request.text("assignment"))
    return request.show(view_item(request.session, answered.item, answered)) | request.status_line("")


def older(request: PageRequest) -> Reply:
    """Show the item answered before this one; at the beginning nothing changes."""
    answers = request.session.history(1, request.text("before") or None)
    if not answers:
        return request.status_line("" if request.text("before") else request.say("history_empty"))
    return request.show(view_item(request.session, answers[0].item, answers[0])) | request.status_line("")


def draft(request: PageRequest) -> Reply:
    """Save the draft."""
    content = request.body.get("content")
    fields = content if isinstance(content, Mapping) else {}
    draft_fields = {name: value for name, value in fields.items() if name in DRAFT_FIELDS}
    request.session.save_draft(request.text("assignment"), **draft_fields)
    return {"kept": True}


def beat(request: PageRequest) -> Reply:
    """Extend the lease."""
    return {"left": seconds_left(request.session, request.session.heartbeat(request.text("assignment")))}


def guide(request: PageRequest) -> Reply:
    """Return the guideline of the open item."""
    text = request.session.guideline(request.text("assignment"))
    return {"regions": lambda: {"guide-text": panels.guideline(request.language, text)}}


def history(request: PageRequest) -> Reply:
    """Return the labeler's latest verdicts."""
    answers = request.session.history(HISTORY)
    return {"regions": lambda: {"history-list": panels.history(request.language, answers)}}


VERBS: dict[str, Verb] = {
    verb.__name__: verb for verb in (look, answer, rank, skip, flag, undo, past, older, draft, beat, guide, history)
}
KEEPS_SCREEN = (draft, beat, guide, history)
"""Verbs that leave the item on the screen."""
