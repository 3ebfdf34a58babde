"""The requests of the labeler's page: an act as the asking labeler, and with it, in one answer, everything that the page shows next.

A press of a key is one POST behind the gate and one commit; the framework's own event path takes two requests, a stream and
several threads. No state lives here, and what the page shows travels with it: an act names its assignment and its own id, so
that it can be sent again after a lost connection or a restart. A refusal is a line on the page, in the reader's language.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from data.errors import BadInput, Busy, Refused, StoreTrouble
from data.store import Store
from data.tables.assignments import DRAFT_FIELDS
from labeling.http.bodies import read_object
from labeling.http.models import AnswerBody, RankingBody, parse_field
from labeling.http.requests import detect_language, get_account
from labeling.http.responses import RETRY_SECONDS, error_response, http_error_response, status_of
from labeling.page import controls, panels, screen
from labeling.page.feedback import effect
from labeling.page.item_view import Sight, seconds_left, sight
from labeling.queue.group_commit import GroupCommit
from labeling.session import Past, Session
from labeling.texts.translate import error_text, say

HISTORY = 20
Body = Mapping[str, Any]
Reply = dict[str, Any]


def routes(store: Store, group_commit: GroupCommit) -> list[Route]:
    """POST /label/do/VERB for every verb; the gate has found out who is asking."""
    return [
        Route(f"/label/do/{name}", endpoint(store, group_commit, verb), methods=["POST"])
        for name, verb in VERBS.items()
    ]


def endpoint(store: Store, group_commit: GroupCommit, verb: Callable[[PageRequest], Reply]) -> Callable:
    """Read the body, let `verb` act, and answer with what the page shows next."""

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
            return lined(request, problem)
        return JSONResponse(reply, headers={"server-timing": f"act;dur={1000 * (time.perf_counter() - began):.1f}"})

    return answer


def lined(request: Request, problem: BadInput) -> Response:
    """Only a line. Trouble of the store has its status, by which the page knows that what it sent was not kept and sends it again."""
    line = {"line": {"text": error_text(problem, detect_language(request)), "bad": True}}
    if not isinstance(problem, StoreTrouble):
        return JSONResponse(line)
    return JSONResponse(
        line, status_of(problem), {"retry-after": str(RETRY_SECONDS)} if isinstance(problem, Busy) else None
    )


def act(store: Store, verb: Callable[[PageRequest], Reply], request: Request, body: Body) -> Reply:
    """What `verb` has to say. A refusal shows the open item with a line; where the page is to stay as it is, only the line."""
    turn = PageRequest(Session(store, get_account(request), rankings=True), detect_language(request), body)
    try:
        with store.transaction():
            return turn.stamped(verb(turn))
    except Refused as refusal:
        shown = {} if verb in ASIDE or turn.corrects() else turn.next()
        return turn.stamped(shown | {"line": {"text": error_text(refusal, turn.language), "bad": True}})


class PageRequest:
    """One request: who asks, in which language, and what was sent."""

    def __init__(self, session: Session, language: str, body: Body) -> None:
        self.session = session
        self.language = language
        self.body = body

    def say(self, key: str, **values: object) -> str:
        """A text in the reader's language."""
        return say(self.language, key, **values)

    def text(self, name: str) -> str:
        """A field of the body, '' where it is not there or no text."""
        value = self.body.get(name)
        return value if isinstance(value, str) else ""

    def corrects(self) -> bool:
        """Whether it is an answer in place of one's own: what was written for it stands nowhere but on the page."""
        given = self.body.get("answer")
        return isinstance(given, Mapping) and bool(given.get("supersedes"))

    def stamped(self, reply: Reply) -> Reply:
        """The reply, with whom it is for."""
        return {"account": self.session.labeler.id, "language": self.language} | reply

    def line(self, *texts: str) -> Reply:
        """One line about what happened."""
        return {"line": {"text": " ".join(texts), "bad": False}}

    def next(self) -> Reply:
        """The open item or a new one; without one, why there is none."""
        item = self.session.next()
        if item is None:
            progress, why = self.session.progress(), self.session.why_empty()
            shown = screen.empty(self.language, why, progress, effect(self.session.store))
            left = controls.after_all(self.language)
            return {
                "item": {"key": "", "assignment": "", "kind": "empty"},
                "regions": self.regions(None, shown, controls=left),
            }
        return self.show(sight(self.session, item))

    def show(self, seen: Sight) -> Reply:
        """An item in all its regions, and what the page must know of it."""
        view = screen.view_of(self.text("view"), seen)
        bar = panels.past_bar(self.language, seen.past) if seen.past else ""
        shown = bar + screen.screen(self.language, seen, view)
        item = {
            "key": seen.key,
            "assignment": seen.assignment,
            "kind": seen.kind,
            "draft": seen.draft,
            "left": seen.left,
        }
        if seen.past:
            item |= {"past": seen.past.id, "verdict": seen.past.verdict}
        if seen.kind == "ranking":
            item["ties"] = seen.project.form.tie
        elif seen.project.form.edit:
            item["texts"] = dict(zip(("left", "right"), seen.answers, strict=True))
        made = {"form": controls.form(self.language, seen), "controls": controls.controls(self.language, seen, view)}
        return {"item": item, "regions": self.regions(seen, shown, hold=controls.held(self.language, seen), **made)}

    def regions(self, seen: Sight | None, shown: str, **parts: str) -> dict[str, str]:
        """The page's parts by their ids; what an empty screen lacks is emptied."""
        header = controls.header(self.language, self.session.labeler, self.session.progress(), seen)
        fixed = {"header": header, "screen": shown, "panels": panels.panels(self.language, seen)}
        return {"form": "", "controls": "", "hold": ""} | fixed | parts


def look(turn: PageRequest) -> Reply:
    """What a fresh page shows."""
    return turn.next()


def answer(turn: PageRequest) -> Reply:
    """Record an answer to a pair; a correction stays on the item that it corrects."""
    given = parse_field(AnswerBody, turn.body.get("answer"), "answer").to_answer()
    before = turn.session.look_back(given.assignment) if given.supersedes else None
    receipt = turn.session.submit(given)
    if before:
        return _corrected(turn, before)
    recorded = turn.say("recorded_late" if receipt.late else "recorded", verdict=turn.say(receipt.verdict))
    return turn.next() | turn.line(recorded, turn.say("recorded_hint"))


def rank(turn: PageRequest) -> Reply:
    """Record a ranking."""
    given = parse_field(RankingBody, turn.body.get("answer"), "answer").to_answer()
    before = turn.session.look_back(given.assignment) if given.supersedes else None
    receipt = turn.session.submit(given)
    if before:
        return _corrected(turn, before)
    said = panels.verdict(turn.language, turn.session.look_back(given.assignment))
    return turn.next() | turn.line(
        turn.say("recorded_late" if receipt.late else "recorded", verdict=said), turn.say("recorded_hint")
    )


def _corrected(turn: PageRequest, before: Past) -> Reply:
    now = turn.session.look_back(before.item.assignment)
    words = panels.verdict(turn.language, before), panels.verdict(turn.language, now)
    return turn.show(sight(turn.session, now.item, now)) | turn.line(
        turn.say("changed", before=words[0], after=words[1])
    )


def skip(turn: PageRequest) -> Reply:
    """Let the item go."""
    turn.session.skip(turn.text("assignment"), turn.text("reason"))
    return turn.next() | turn.line(turn.say("skipped"))


def flag(turn: PageRequest) -> Reply:
    """Let the item go, and have a researcher look at it."""
    turn.session.skip(turn.text("assignment"), turn.text("reason"), "flag")
    return turn.next() | turn.line(turn.say("flagged"))


def undo(turn: PageRequest) -> Reply:
    """Take the last answer back and show its item, with what was said as a draft; over a later skip only where `over` names it."""
    skipped = turn.session.skipped_since()
    if skipped and turn.text("over") != skipped:
        return turn.line(turn.say("undo_skipped")) | {"skipped": skipped}
    return turn.show(sight(turn.session, turn.session.undo())) | turn.line(turn.say("undone"))


def past(turn: PageRequest) -> Reply:
    """An item of one's own past."""
    found = turn.session.look_back(turn.text("assignment"))
    return turn.show(sight(turn.session, found.item, found)) | turn.line("")


def older(turn: PageRequest) -> Reply:
    """The item answered before this one; at the beginning nothing changes."""
    found = turn.session.history(1, turn.text("before") or None)
    if not found:
        return turn.line("" if turn.text("before") else turn.say("history_empty"))
    return turn.show(sight(turn.session, found[0].item, found[0])) | turn.line("")


def draft(turn: PageRequest) -> Reply:
    """Keep what was begun."""
    content = turn.body.get("content")
    begun = (
        {name: value for name, value in content.items() if name in DRAFT_FIELDS} if isinstance(content, Mapping) else {}
    )
    turn.session.save_draft(turn.text("assignment"), **begun)
    return {"kept": True}


def beat(turn: PageRequest) -> Reply:
    """Hold the item for longer."""
    return {"left": seconds_left(turn.session, turn.session.heartbeat(turn.text("assignment")))}


def guide(turn: PageRequest) -> Reply:
    """The guideline of the open item."""
    return {"regions": {"guide-text": panels.guideline(turn.session.guideline(turn.text("assignment")))}}


def history(turn: PageRequest) -> Reply:
    """One's latest answers."""
    return {"regions": {"history-list": panels.history(turn.language, turn.session.history(HISTORY))}}


VERBS: dict[str, Callable[[PageRequest], Reply]] = {
    verb.__name__: verb for verb in (look, answer, rank, skip, flag, undo, past, older, draft, beat, guide, history)
}
ASIDE = (draft, beat, guide, history)
"""What leaves the item on the screen where it is."""
