"""/label/rate: one instruction row, six points, hands on the keyboard; a plain form that works without scripts too.

The form carries the row and an id made for this showing: sent twice it is recorded once, and what is recorded is what was on the screen.
"""

from __future__ import annotations

import secrets
from html import escape

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from data.errors import BadInput, Refused
from data.records import Account, Instruction
from data.store import Store
from labeling.http.page_layout import READING, render_page
from labeling.http.requests import detect_language, get_account, read_form, root_path
from labeling.http.responses import status_of
from labeling.texts.translate import say

PATH = "/label/rate"
POINTS = range(6)
LOOK = """
.points { display: grid; gap: .4rem; margin-top: 1rem; }
.points button { margin: 0; text-align: left; font-weight: 400; color: var(--ink); background: var(--paper); border: 1px solid var(--line); }
.points button:hover { border-color: var(--accent); } .points b { display: inline-block; width: 1.6rem; }
"""
KEYS = """
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const name = {KeyS: 'unsure', KeyU: 'change'}[event.code] || (event.code.match(/^(?:Digit|Numpad)([0-5])$/) || [])[1];
  const aim = name && document.getElementById('point-' + name);
  if (aim && !window.sent) { window.sent = name !== 'change'; event.preventDefault(); aim.click(); }
});
"""


def routes(store: Store) -> list[Route]:
    """GET shows the next row (`?again=1`: the last one), POST records; the gate has let labelers and researchers in."""

    async def show(request: Request) -> Response:
        return HTMLResponse(
            await run_in_threadpool(
                draw, store, get_account(request), detect_language(request), "again" in request.query_params
            )
        )

    async def record(request: Request) -> Response:
        form = await read_form(request)
        try:
            await run_in_threadpool(keep, store, get_account(request), form)
        except BadInput as problem:
            key = "no_rating" if problem.field == "project" else "rate_refused"
            why = say(detect_language(request), key) if isinstance(problem, Refused) else str(problem)
            page = await run_in_threadpool(draw, store, get_account(request), detect_language(request), False, why)
            return HTMLResponse(page, status_of(problem))
        return RedirectResponse(root_path(request) + PATH, 303)

    return [Route(PATH, show, methods=["GET"]), Route(PATH, record, methods=["POST"])]


def keep(store: Store, account: Account, form: dict[str, str]) -> None:
    """Record a posted form. Raises BadInput for fields that are none of ours."""
    row, score = form.get("row", ""), form.get("score", "")
    if not row.isdecimal() or score not in {*map(str, POINTS), "unsure"} or not 8 <= len(form.get("id", "")) <= 64:
        raise BadInput(
            f"row {row[:20]!r} and score {score[:20]!r} are no rating", "Use the buttons of the page.", field="score"
        )
    store.ratings.add(form["id"], int(row), account.id, None if score == "unsure" else int(score))


def draw(store: Store, account: Account, language: str, again: bool = False, problem: str = "") -> str:
    """The page with the next row, or with the last one to change; without a row for whom no row is."""
    is_theirs = store.ratings.may_rate(account.id)
    last = store.ratings.newest(account.id) if is_theirs else None
    waiting = last.instruction_id if again and last else store.ratings.next_row(account.id)
    row = None if waiting is None else store.instructions.get(waiting)
    told = (
        ""
        if last is None or again
        else say(language, "rate_last_unsure")
        if last.score is None
        else say(language, "rate_last", score=last.score)
    )
    change = f"<a id=point-change href='rate?again=1'>{say(language, 'rate_change')}</a>" if told else ""
    mine = say(language, "rate_so_far", n=store.ratings.count_by(account.id))
    line = f"<div class=line><span role=status>{told} {change}</span><span>{mine}</span></div>"
    alert = f"<p role=alert>{escape(problem)}</p>" if problem else ""
    nothing = "no_rating" if not is_theirs else "rate_nothing" if store.instructions.count() else "rate_nothing_yet"
    body = line + alert + (_form(language, row) if row else f"<p>{say(language, nothing)}</p>")
    foot = f"<div class=line><span>{say(language, 'rate_keys')}</span><a href='./'>{say(language, 'compare')}</a></div>"
    return render_page(
        language,
        say(language, "rate_title"),
        f"<p>{say(language, 'rate_lead')}</p>{body}{foot}",
        style=READING + LOOK,
        script=KEYS,
    )


def _form(language: str, row: Instruction) -> str:
    task = f"{row.instruction}\n\n{row.input}".strip()
    buttons = "".join(
        f"<button id=point-{point} name=score value={point}><b>{point}</b>{say(language, f'rate_{point}')}</button>"
        for point in reversed(POINTS)
    )
    return (
        f"<h2>{say(language, 'rate_task')}</h2><div class=text tabindex=0>{escape(task)}</div>"
        f"<h2>{say(language, 'answer')}</h2><div class=text tabindex=0>{escape(row.output)}</div>"
        f"<form method=post action=rate class=points><input type=hidden name=row value={row.id}>"
        f"<input type=hidden name=id value={secrets.token_hex(16)}>{buttons}"
        f"<button id=point-unsure name=score value=unsure><b>s</b>{say(language, 'rate_unsure')}</button></form>"
    )
