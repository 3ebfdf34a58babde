# SPDX-License-Identifier: Apache-2.0
"""The pages /label/write and /label/review: plain forms that work without scripts.

A form contains the prompt or answer on the screen and an id generated for this showing, so submissions are idempotent.
A refused form comes back with the typed text; it gets a new id if the old one already recorded another text.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from html import escape
from typing import Literal, cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from data.errors import BadInput
from data.ids import parse_number
from data.records import Account, Prompt
from data.store import Store
from data.tables.demonstrations import LONGEST, LONGEST_REASON, SentBack
from labeling.http.bodies import limit_of
from labeling.http.page_layout import READING, render_page
from labeling.http.requests import detect_language, read_form, require_account, root_path
from labeling.http.responses import status_of
from labeling.page.turns import STYLE as TURNS
from labeling.page.turns import draw_prompt, read_turns
from labeling.texts.answers import draw_answer
from labeling.texts.pages import bad_input
from labeling.texts.translate import say

WRITE, REVIEW = "/label/write", "/label/review"
STYLE = """
textarea { width: 100%; min-height: 11rem; padding: .75rem 1rem; font: inherit; color: inherit; }
textarea { background: var(--paper); resize: vertical; }
textarea { border: 1px solid var(--line); border-radius: 6px; } textarea#reason { min-height: 4rem; }
.choice { display: flex; gap: .75rem; }
button.plain { color: var(--ink); background: var(--paper); border: 1px solid var(--line); }
"""
REFUSALS = {
    "text": "unfit_text",
    "reason": "unfit_reason",
    "demonstration": "too_late",
    "supersedes": "written_anew",
    "project": "review_not_yours",
    "id": "sent_before",
}
"""Text keys of refusals by the refused field; the page's own buttons cause no other refusal."""
SENT_BEFORE = ("id", "supersedes")
Record = Callable[[Store, Account, dict[str, str]], None]
Draw = Callable[..., str]


def routes(store: Store) -> list[Route]:
    """Return the routes: GET shows, POST records; the gate checks the role."""
    pages = ((WRITE, draw_write, record_answer), (REVIEW, draw_review, record_review))
    return [
        route
        for path, draw, record in pages
        for route in (
            Route(path, show_endpoint(store, draw), methods=["GET"]),
            Route(path, record_endpoint(store, path, draw, record), methods=["POST"]),
        )
    ]


def show_endpoint(store: Store, draw: Draw) -> Callable:
    """Return the GET endpoint; `?kept=1`: the last form was recorded, `?after=N`: show the prompt after N."""

    async def show(request: Request) -> Response:
        query = dict(request.query_params)
        return HTMLResponse(
            await run_in_threadpool(draw, store, require_account(request), detect_language(request), query)
        )

    return show


def record_endpoint(store: Store, path: str, draw: Draw, record: Record) -> Callable:
    """Return the POST endpoint: it records the form and redirects; a refused form is shown again with the reason."""

    async def record_form(request: Request) -> Response:
        form = await read_form(request, limit_of(path))
        try:
            await run_in_threadpool(record, store, require_account(request), form)
        except BadInput as problem:
            key = REFUSALS.get(problem.field or "")
            if problem.field in SENT_BEFORE:  # a retry with these would be refused again; the page generates a new id
                form = {name: value for name, value in form.items() if name not in SENT_BEFORE}
            why = say(detect_language(request), key) if key else f"{problem.error}. {problem.remedy}"
            return HTMLResponse(
                await run_in_threadpool(draw, store, require_account(request), detect_language(request), form, why),
                status_of(problem),
            )
        return RedirectResponse(f"{root_path(request)}{path}?kept=1", 303)

    return record_form


def record_answer(store: Store, account: Account, form: dict[str, str]) -> None:
    """Record a written answer. Raises BadInput for invalid fields, and if the store refuses the answer."""
    prompt_id = parse_number(form.get("prompt"))
    if prompt_id is None:
        raise bad_input("refused.form_prompt", field="prompt")
    store.demonstrations.write(_id(form), prompt_id, account.id, form.get("text", ""), form.get("supersedes") or None)


def record_review(store: Store, account: Account, form: dict[str, str]) -> None:
    """Record a review. Raises BadInput for invalid fields, and if the store refuses the review."""
    # The store refuses any other verdict.
    verdict = cast("Literal['accepted', 'sent_back']", form.get("verdict", ""))
    store.demonstrations.review(_id(form), form.get("demonstration", ""), account.id, verdict, form.get("reason", ""))


def draw_write(store: Store, account: Account, language: str, given: dict[str, str], problem: str = "") -> str:
    """Return the page with a sent-back answer, else the next unanswered prompt; after a refusal, the refused form."""
    back = store.demonstrations.next_sent_back(account.id)
    prompt, text, old, notice = None, "", "", ""
    refused_id = parse_number(given.get("prompt")) if problem else None
    if refused_id is not None:
        prompt = _prompt_of_refused(store, account, refused_id, back)
        text, old = given.get("text", ""), given.get("supersedes", "")
    elif back:
        prompt, text, old = (
            store.prompts.get(back.demonstration.prompt_id),
            back.demonstration.text,
            back.demonstration.id,
        )
        notice = f"<p role=alert>{escape(say(language, 'sent_back', reason=back.reason))}</p>"
    else:
        prompt = store.demonstrations.next_prompt(account.id, parse_number(given.get("after")) or 0)
    if prompt is None:
        reason = "nothing_to_write" if store.demonstrations.may_write(account.id) else "no_writing"
        refused = draw_answer(language, text) if text else ""
        form = f"<p>{say(language, reason)}</p>{refused}"
    else:
        form = (
            f"{draw_prompt(language, read_turns(prompt))}"
            f"{notice}"
            f"<form method=post action=write><input type=hidden name=prompt value={prompt.id}>"
            f"{_new_id(given if problem else {})}"
            f'<input type=hidden name=supersedes value="{escape(old)}">'
            f"<label for=text>{say(language, 'answer')}</label>"
            f"<textarea id=text dir=auto name=text required maxlength={LONGEST} autofocus>\n{escape(text)}</textarea>"
            f"<button id=send>{say(language, 'send')}</button></form>"
            f"<div class=line><a id=other href='write?after={prompt.id}'>{say(language, 'other_prompt')}</a></div>"
        )
    counts = store.demonstrations.counts(account.id)
    links = {"review": say(language, "to_review", n=counts["to_review"]), "./": say(language, "compare")}
    return _page(language, "write", form, say(language, "written", **counts), links, given, problem)


def draw_review(store: Store, account: Account, language: str, given: dict[str, str], problem: str = "") -> str:
    """Return the page with the oldest unreviewed answer by another labeler, and buttons to accept or return it."""
    waiting = store.demonstrations.next_to_review(account.id)
    if waiting is None:
        form = f"<p>{say(language, 'nothing_to_review')}</p>"
    else:
        prompt = store.prompts.get(waiting.prompt_id)
        edited = f"<p>{say(language, 'review_edited')}</p>" if waiting.comparison_id else ""
        reason = given.get("reason", "") if problem and given.get("demonstration") == waiting.id else ""
        form = (
            f"{draw_prompt(language, read_turns(prompt))}"
            f"<h2>{say(language, 'answer')}</h2>"
            f"{draw_answer(language, waiting.text, more='id=answer tabindex=0')}{edited}"
            f'<form method=post action=review><input type=hidden name=demonstration value="{escape(waiting.id)}">'
            f"{_new_id({})}"
            f"<label for=reason>{say(language, 'review_reason')}</label>"
            f"<textarea id=reason dir=auto name=reason maxlength={LONGEST_REASON}>\n{escape(reason)}</textarea>"
            f"<div class=choice><button id=accept name=verdict value=accepted>{say(language, 'accept')}</button>"
            f"<button id=send_back class=plain name=verdict value=sent_back>{say(language, 'send_back')}</button>"
            f"</div></form>"
        )
    counts = store.demonstrations.counts(account.id)
    links = {"write": say(language, "to_write"), "./": say(language, "compare")}
    return _page(language, "review", form, say(language, "reviewed", **counts), links, given, problem)


def _page(
    language: str, name: str, form: str, counts: str, links: dict[str, str], given: dict[str, str], problem: str
) -> str:
    alert = f"<p role=alert>{escape(say(language, 'write_not_kept', why=problem))}</p>" if problem else ""
    alert += f"<p role=status>{say(language, 'write_kept')}</p>" if "kept" in given and not problem else ""
    anchors = "".join(f"<a href='{address}'>{label}</a>" for address, label in links.items())
    lead = f"<p>{say(language, f'{name}_lead')}</p>"
    body = f"{lead}{alert}{form}<div class=line><span>{counts}</span></div><div class=line>{anchors}</div>"
    return render_page(language, say(language, f"{name}_title"), body, style=READING + STYLE + TURNS)


def _prompt_of_refused(store: Store, account: Account, id: int, back: SentBack | None) -> Prompt | None:
    """Return the prompt of a refused form; None if this page never shows it to the account.

    It shows train prompts to members of the Standard project, and the prompt of one's own answer that was sent back.
    """
    try:
        prompt = store.prompts.get(id)
    except BadInput:
        return None
    is_offered = prompt.split == "train" and store.demonstrations.may_write(account.id)
    return prompt if is_offered or (back and back.demonstration.prompt_id == id) else None


def _id(form: dict[str, str]) -> str:
    id = form.get("id", "")
    if not (8 <= len(id) <= 64 and id.isascii() and id.isalnum()):
        raise bad_input("refused.form_id", field="form")
    return id


def _new_id(given: dict[str, str]) -> str:
    """Return a hidden field with the id of the refused form, or with a new id."""
    try:
        id = _id(given)
    except BadInput:
        id = secrets.token_hex(16)
    return f"<input type=hidden name=id value={id}>"
