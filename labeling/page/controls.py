# SPDX-License-Identifier: Apache-2.0
"""Buttons of the labeler's page: each one carries its key, its action and its value; the scripts define no keys."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from data.records import Account
from data.tables.forms import Form
from labeling.http.color_scheme import color_scheme_switch
from labeling.page.feedback import OnlineEffect
from labeling.page.item_view import ItemView
from labeling.session import Progress
from labeling.texts.translate import TEXTS, say

SKIP_REASONS = ("unclear", "knowledge", "language", "upsetting", "broken")
FLAG_REASONS = ("harmful", "personal", "broken", "copied")


def button(language: str, name: str, act: str, value: str = "", *, key: str = "", id: str = "", more: str = "") -> str:
    """Return a button with the text `name`.

    `key`: the key that presses it; 'enter', 'left', 'right', 'esc' are names.
    """
    symbol = {"enter": "⏎", "left": "←", "right": "→", "esc": "esc"}.get(key, key)
    hint = f"<kbd aria-hidden=true>{symbol}</kbd>" if key else ""
    pressed = f'data-key="{key}" aria-keyshortcuts="{shortcut(key)}"' if key else ""
    return (
        f'<button type=button id="{id or name}" data-act="{act}" data-value="{escape(value)}" {pressed} {more}>'
        f"{hint}<span>{say(language, name)}</span></button>"
    )


def _aria_pressed(is_pressed: bool) -> str:
    return f"aria-pressed={str(is_pressed).lower()}"


def shortcut(key: str) -> str:
    """Return the key in ARIA notation."""
    return {"enter": "Enter", "left": "ArrowLeft", "right": "ArrowRight", "esc": "Escape"}.get(key, key)


def header(
    language: str, account: Account, progress: Progress, item: ItemView | None, learned: OnlineEffect | None = None
) -> str:
    """Return the header: app, project, progress, guideline, colours, language, links, account name, sign-out."""
    train = f'<a href="../train/">{say(language, "train")}</a>' if account.role == "researcher" else ""
    project = f"<span class=project>{escape(item.project.name)}</span>" if item else ""
    done = say(language, "progress", today=progress.today, total=progress.total)
    guide = button(language, "guide", "panel", "guide", key="g") if item else ""
    return (
        f"<h1>{say(language, 'app')}</h1>{project}<span id=progress>{done}</span>"
        f"<span class=who>{guide}{color_scheme_switch(language)}{_languages(language)}"
        f"{train}<a href=rate>{say(language, 'rate')}</a><a href=write>{say(language, 'write')}</a>"
        f"<a href=you>{say(language, 'my_data')}</a>"
        f"<span class=name>{escape(account.name)}</span>"
        f"<form method=post action=../logout><button id=sign_out>{say(language, 'sign_out')}</button></form></span>"
        f"{_effect(language, learned) if learned else ''}"
    )


def _effect(language: str, learned: OnlineEffect) -> str:
    """Return the line on what an online run has learned."""
    key = "learned" if learned.minutes else "learned_now"
    return f"<small id=learned>{say(language, key, n=learned.labels, m=learned.minutes)}</small>"


def _languages(language: str) -> str:
    buttons = "".join(
        f"<button type=button id=to_{code} data-act=language data-value={code} lang={code} "
        f"{_aria_pressed(code == language)}>{say(code, 'language_sign')}</button>"
        for code in TEXTS
    )
    return f'<span class=languages role=group aria-label="{say(language, "language")}">{buttons}</span>'


def controls_without_item(language: str) -> str:
    """Return the buttons of a page without an item."""
    return f"<div id=others>{''.join(_permanent_buttons(language, is_open=True))}</div>"


def controls(language: str, item: ItemView, view: str) -> str:
    """Return the verdict buttons, and all other buttons below them."""
    return _verdicts(language, item) + f"<div id=others>{''.join(_secondary_buttons(language, item, view))}</div>"


def verdict_keys(form: Form) -> dict[str, str]:
    """Return the key of each verdict: digits from 1 on in the order of the screen, 0 for both bad."""
    numbered = [verdict for verdict in form.verdicts if verdict != "both_bad"]
    return {verdict: str(number) for number, verdict in enumerate(numbered, start=1)} | (
        {"both_bad": "0"} if form.both_bad else {}
    )


def _verdicts(language: str, item: ItemView) -> str:
    if item.kind == "ranking":
        buttons = [button(language, "send_order", "rank", "ranked", key="enter", more="class=first")]
    else:
        current = item.past.verdict if item.past else ""
        buttons = [
            button(language, verdict, "say", verdict, key=key, more=_aria_pressed(verdict == current))
            for verdict, key in verdict_keys(item.project.form).items()
            if verdict != "both_bad"
        ]
    count = f"style='--count:{len(buttons)}'"
    label = say(language, "verdict")
    return f'<div id=verdicts class={item.kind} role=group aria-label="{label}" {count}>{"".join(buttons)}</div>'


def _secondary_buttons(language: str, item: ItemView, view: str) -> Sequence[str]:
    form, is_open = item.project.form, item.past is None
    buttons = []
    if form.both_bad:
        act = ("all_bad", "rank", "all_bad") if item.kind == "ranking" else ("both_bad", "say", "both_bad")
        is_pressed = item.past is not None and item.past.verdict == act[0]
        buttons.append(button(language, *act, key="0", more=_aria_pressed(is_pressed)))
    if is_open and form.skip:
        buttons.append(button(language, "skip", "panel", "reasons", key="s"))
    if is_open and form.flag:
        buttons.append(button(language, "flag", "panel", "flags", key="f"))
    if form.edit and item.kind == "pair":
        buttons.append(button(language, "edit", "edit", key="e", id="edit_button"))
    if form.rationale != "off":
        buttons.append(button(language, "reason", "reason", key="r"))
    if form.aspects and item.kind == "pair":
        buttons.append(button(language, "aspects", "aspects", key="a"))
    buttons += _views(language, item, view)
    return [*buttons, *_permanent_buttons(language, is_open=is_open)]


def _permanent_buttons(language: str, *, is_open: bool) -> Sequence[str]:
    undo = [button(language, "undo", "undo", key="u")] if is_open else []
    return [
        *undo,
        button(language, "history", "panel", "history", key="h"),
        button(language, "help", "panel", "help", key="?"),
    ]


def _views(language: str, item: ItemView, view: str) -> Sequence[str]:
    other = "text" if view == "formatted" else "formatted"
    buttons = [button(language, f"view_{other}", "view", other, key="m", id="view")]
    if item.kind == "pair":
        buttons.insert(
            0, button(language, "differences", "differences", key="d", more=_aria_pressed(view == "differences"))
        )
    return buttons


def lease_timer(language: str, item: ItemView) -> str:
    """Return the element in which the page counts down the lease."""
    if item.left is None:
        return ""
    running, over = say(language, "held", t="{t}"), say(language, "held_over_short")
    return f'<span id=held data-held="{running}" data-over="{over}"></span>'


def form(language: str, item: ItemView) -> str:
    """Return the form for aspects, edit and rationale, as far as the project asks for them."""
    asked, draft, pair = item.project.form, item.draft, item.kind == "pair"
    parts = []
    if asked.aspects and pair:
        given = draft.get("aspects") or {}
        parts.append(
            f"<div id=aspect-list>{''.join(_aspect(language, name, given.get(name)) for name in asked.aspects)}</div>"
        )
    if asked.edit and pair:
        side, text = escape(draft.get("edited") or ""), escape(draft.get("edit") or "")
        parts.append(
            f"<div id=editor hidden><label for=edit>{say(language, 'edit_label')}</label>"
            f'<textarea id=edit dir=auto rows=6 data-side="{side}">\n{text}</textarea></div>'
        )
    row = []
    if asked.rationale != "off":
        required = asked.rationale == "required"
        name = say(language, "rationale_required" if required else "rationale")
        row.append(
            f'<textarea id=rationale dir=auto rows=1 maxlength=2000 aria-label="{name}" placeholder="{name}" '
            f"{'required' if required else ''}>\n"
            f"{escape(draft.get('rationale') or '')}</textarea>"
        )
    if row or parts or item.past:
        send = button(language, "send", "send", key="enter", more="class=first hidden") if pair else ""
        parts.append(f"<div class=row>{''.join(row)}<span id=kept></span>{send}</div>")
    return "".join(parts)


def _aspect(language: str, name: str, chosen: str | None) -> str:
    boxes = "".join(
        f'<label><input type=radio name="{escape(name)}" value={choice} {"checked" if choice == chosen else ""}>'
        f"<kbd aria-hidden=true>{number}</kbd>{say(language, f'aspect_{choice}')}</label>"
        for number, choice in enumerate(("left", "tie", "right"), start=1)
    )
    return f'<fieldset data-aspect="{escape(name)}"><legend>{escape(name)}</legend>{boxes}</fieldset>'
