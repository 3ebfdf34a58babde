# SPDX-License-Identifier: Apache-2.0
"""Notices that a run ended: GET /train/runs/ended for `notices.js`, the button that asks the browser, the webhook.

`notices.js` counts the ends in the title of the tab and shows a notification if the person switched that on.
"""

from __future__ import annotations

from datetime import datetime
from html import escape

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from data.errors import BadInput
from data.records import Account, Run
from data.store import Store
from labeling.api.route import researcher_only
from labeling.http.requests import detect_language
from labeling.texts.pages import text
from labeling.texts.reader import writing_in
from reward.report.view import message_html
from rlhf.kinds import kind_title
from rlhf.runs.webhook import read_webhook

STATES = ("on", "off", "denied", "missing")
"""States of the browser's notifications; each has a text."""


def ended_document(store: Store, after: str | None) -> dict[str, object]:
    """Return the runs that ended after a time, and the time to ask with next; None: only this time.

    Raises BadInput for what is no time.
    """
    if after is None:
        return {"after": store.runs.last_end(), "ended": []}
    try:
        if after:
            datetime.fromisoformat(after)
    except ValueError:
        raise BadInput(f"{after[:40]!r} is no time", "Give the time of the last answer.", field="after") from None
    runs = store.runs.ended_after(after)
    ended = [{"run": run.public, "line": _line(store, run)} for run in runs]
    return {"after": runs[-1].ended_at if runs else after, "ended": ended}


def _line(store: Store, run: Run) -> str:
    names = (run.public, kind_title(run.kind), store.notes.get(Run.prefix, run.id).name)
    return f"{' · '.join(filter(None, names))}: {text(f'runs.state_{run.state}')}"


def ended_route(store: Store) -> Route:
    """Return the route GET /train/runs/ended?after=TIME."""

    async def send(request: Request, _account: Account) -> JSONResponse:
        with writing_in(detect_language(request)):
            return JSONResponse(await run_in_threadpool(ended_document, store, request.query_params.get("after")))

    return Route("/train/runs/ended", researcher_only(send))


def notices_html(store: Store) -> str:
    """Return the button that `notices.js` wires, with the texts of its states, and a line on the webhook."""
    texts = " ".join(f'data-{state}="{escape(text(f"notices.{state}"), quote=True)}"' for state in STATES)
    button = f"<button type=button class='press quiet' id=notify {texts}>{escape(text('notices.off'))}</button>"
    try:
        webhook = read_webhook(store.home)
    except BadInput as problem:
        return f"<p id=notices>{button}</p>{message_html(problem)}"
    line = f"<span class=soft>{escape(text('notices.webhook', host=webhook.host))}</span>" if webhook else ""
    return f"<p id=notices>{button} {line}</p>"
