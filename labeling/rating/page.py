# SPDX-License-Identifier: Apache-2.0
"""The page /label/rate: one instruction row and six points, by keyboard; a plain form that works without scripts.

The form contains the row and an id generated for this showing. So submissions are idempotent, and the recorded rating
is for the row on the screen.
"""

from __future__ import annotations

import secrets
from html import escape

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from data.errors import BadInput, Refused
from data.ids import parse_number
from data.records import Account, Instruction
from data.store import Store
from labeling.http.page_layout import READING, render_page
from labeling.http.requests import detect_language, read_form, require_account, root_path
from labeling.http.responses import status_of
from labeling.texts.answers import draw_answer
from labeling.texts.pages import bad_input
from labeling.texts.translate import say
from labeling.texts.user_text import block

PATH = "/label/rate"
POINTS = range(6)
STYLE = """
.points { display: grid; gap: .4rem; margin-top: 1rem; }
.points button { margin: 0; text-align: left; font-weight: 400; color: var(--ink); }
.points button { background: var(--paper); border: 1px solid var(--line); }
.points button:hover { border-color: var(--accent); } .points b { display: inline-block; width: 1.6rem; }
"""
KEYS = """
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const digit = (event.code.match(/^(?:Digit|Numpad)([0-5])$/) || [])[1];
  const name = {KeyS: 'unsure', KeyU: 'change'}[event.code] || digit;
  const aim = name && document.getElementById('point-' + name);
  if (aim && !window.sent) { window.sent = name !== 'change'; event.preventDefault(); aim.click(); }
});
"""


def routes(store: Store) -> list[Route]:
    """Return the routes: GET shows the next row (`?again=1`: the last one), POST records; the gate checks the role."""

    async def show(request: Request) -> Response:
        return HTMLResponse(
            await run_in_threadpool(
                draw, store, require_account(request), detect_language(request), "again" in request.query_params
            )
        )

    async def record(request: Request) -> Response:
        form = await read_form(request)
        try:
            await run_in_threadpool(record_rating, store, require_account(request), form)
        except BadInput as problem:
            key, language = "no_rating" if problem.field == "project" else "rate_refused", detect_language(request)
            why = say(language, key) if isinstance(problem, Refused) else str(problem.in_language(language))
            page = await run_in_threadpool(draw, store, require_account(request), language, False, why)
            return HTMLResponse(page, status_of(problem))
        return RedirectResponse(root_path(request) + PATH, 303)

    return [Route(PATH, show, methods=["GET"]), Route(PATH, record, methods=["POST"])]


def record_rating(store: Store, account: Account, form: dict[str, str]) -> None:
    """Record a posted form. Raises BadInput for invalid fields."""
    row, score = parse_number(form.get("row")), form.get("score", "")
    if row is None or score not in {*map(str, POINTS), "unsure"} or not 8 <= len(form.get("id", "")) <= 64:
        raise bad_input("refused.rating", row=form.get("row", "")[:20], score=score[:20], field="score")
    store.ratings.add(form["id"], row, account.id, None if score == "unsure" else int(score))


def draw(store: Store, account: Account, language: str, again: bool = False, problem: str = "") -> str:
    """Return the page with the next row, or with the last one to change; without a form if there is no row."""
    may_rate = store.ratings.may_rate(account.id)
    last = store.ratings.newest(account.id) if may_rate else None
    row_id = last.instruction_id if again and last else store.ratings.next_row(account.id)
    row = None if row_id is None else store.instructions.get(row_id)
    status = ""
    if last is not None and not again:
        unsure = last.score is None
        status = say(language, "rate_last_unsure") if unsure else say(language, "rate_last", score=last.score)
    change = f"<a id=point-change href='rate?again=1'>{say(language, 'rate_change')}</a>" if status else ""
    rated = say(language, "rate_so_far", n=store.ratings.count_by(account.id))
    line = f"<div class=line><span role=status>{status} {change}</span><span>{rated}</span></div>"
    alert = f"<p role=alert>{escape(problem)}</p>" if problem else ""
    reason = "no_rating" if not may_rate else "rate_nothing" if store.instructions.count() else "rate_nothing_yet"
    body = line + alert + (_form(language, row) if row else f"<p>{say(language, reason)}</p>")
    foot = f"<div class=line><span>{say(language, 'rate_keys')}</span><a href='./'>{say(language, 'compare')}</a></div>"
    return render_page(
        language,
        say(language, "rate_title"),
        f"<p>{say(language, 'rate_lead')}</p>{body}{foot}",
        style=READING + STYLE,
        script=KEYS,
    )


def _form(language: str, row: Instruction) -> str:
    task = f"{row.instruction}\n\n{row.input}".strip()
    buttons = "".join(
        f"<button id=point-{point} name=score value={point}><b>{point}</b>{say(language, f'rate_{point}')}</button>"
        for point in reversed(POINTS)
    )
    return (
        f"<h2>{say(language, 'rate_task')}</h2>{block(task, more='tabindex=0')}"
        f"<h2>{say(language, 'answer')}</h2>{draw_answer(language, row.output, more='tabindex=0')}"
        f"<form method=post action=rate class=points><input type=hidden name=row value={row.id}>"
        f"<input type=hidden name=id value={secrets.token_hex(16)}>{buttons}"
        f"<button id=point-unsure name=score value=unsure><b>s</b>{say(language, 'rate_unsure')}</button></form>"
    )
