# SPDX-License-Identifier: Apache-2.0
"""The labeler's screen as HTML: the prompt or conversation, the answers, or the reason for an empty queue.

Texts are escaped, formatted or highlighted only here, and reach the page as finished values. Gradio templates are not
used for texts: Gradio fills in `{{value}}` and evaluates the result as a JavaScript template literal, so `${...}` in a
model's answer would run. All answers of an item pass through the same renderer.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from labeling.page.feedback import Effect
from labeling.page.item_view import ItemView
from labeling.page.markdown import markdown
from labeling.page.word_diff import mark_differences
from labeling.session import Empty, Progress
from labeling.texts.translate import say

LETTERS = "ABCDEFGHI"
VIEWS = ("text", "formatted", "differences")


def view_of(asked: str, item: ItemView) -> str:
    """Return the display mode: the requested one, else the project's; differences need two answers."""
    if asked not in VIEWS or (asked == "differences" and item.kind != "pair"):
        return "formatted" if item.project.form.markdown else "text"
    return asked


def screen(language: str, item: ItemView, view: str) -> str:
    """Return the prompt and the answers below it."""
    return _prompt(language, item, view) + (_pair if item.kind == "pair" else _ranking)(language, item, view)


def _prompt(language: str, item: ItemView, view: str) -> str:
    if len(item.turns) == 1 and item.turns[0][0] == "user":
        return _section("prompt", say(language, "prompt"), _text(item.turns[0][1], view))
    turns = "".join(
        f"<div class='turn {role if role in ('user', 'assistant') else 'system'}'>"
        f"<b>{_role(language, role)}</b>{_text(text, view)}</div>"
        for role, text in item.turns
    )
    return _section("prompt", say(language, "conversation"), turns, kind="chat")


def _role(language: str, role: str) -> str:
    return say(language, f"role_{role}") if role in ("user", "assistant", "system") else escape(role)


def _section(id: str, name: str, inner: str, kind: str = "") -> str:
    return f'<section id={id} class="scrolls {kind}" aria-label="{name}" tabindex=0><h2>{name}</h2>{inner}</section>'


def _pair(language: str, item: ItemView, view: str) -> str:
    names = say(language, "answer_a"), say(language, "answer_b")
    if view == "differences":
        bodies = [f"<div class=text>{side}</div>" for side in mark_differences(*item.answers)]
    else:
        bodies = [_text(text, view) for text in item.answers]
    boxes = "".join(
        f'<section class="answer scrolls" aria-label="{name}" tabindex=0><h2>{letter}</h2>{body}</section>'
        for letter, name, body in zip("AB", names, bodies, strict=True)
    )
    return f'<div id=answers role=group aria-label="{say(language, "answers")}">{boxes}</div>'


def _ranking(language: str, item: ItemView, view: str) -> str:
    cards = "".join(_card(language, number, text, view) for number, text in enumerate(item.answers))
    return (
        f"<p id=how>{say(language, 'rank_how')} {say(language, 'rank_ties') if item.project.form.tie else ''}</p>"
        f'<ol id=ranks class=scrolls aria-label="{say(language, "answers_many", n=len(item.answers))}">{cards}</ol>'
    )


def _card(language: str, number: int, text: str, view: str) -> str:
    name = say(language, "answer_n", letter=LETTERS[number])
    return (
        f'<li><article class=card data-card={number} data-name="{name}" tabindex=-1>'
        f"<h2><span class=grip aria-hidden=true>⠿</span>{LETTERS[number]}</h2>{_text(text, view)}</article></li>"
    )


def _text(text: str, view: str) -> str:
    if view == "formatted":
        return f'<div class="text rich">{markdown(text)}</div>'
    return f"<div class=text>{escape(text)}</div>"


def empty(language: str, why: Empty, progress: Progress, effect: Effect) -> str:
    """Return the reason for an empty queue, what happens next, and the results of the labels so far."""
    reason = say(language, f"empty_{why.reason}", n=why.pairs, m=why.minutes)
    lines = effects(language, progress, effect) if progress.total else ()
    done = (
        f"<h3>{say(language, 'effect_title')}</h3><ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>"
        if lines
        else ""
    )
    again = say(language, "look_again")
    look = f'<button type=button id=look_again class=first data-act=look data-key="enter">{again}</button>'
    return f"<div id=empty><h2>{say(language, 'empty_title')}</h2><p>{reason}</p>{look}{done}</div>"


def effects(language: str, progress: Progress, effect: Effect) -> Sequence[str]:
    """Return lines on the labeler's own verdicts, agreement if known, and the newest reward model."""
    agreement = effect.agreement
    lines = [say(language, "effect_yours", total=progress.total, today=progress.today)]
    if agreement is not None:
        if agreement.rate is None:
            lines.append(say(language, "effect_no_agreement"))
        else:
            lines.append(say(language, "effect_agreement", rate=round(agreement.rate * 100), pairs=agreement.pairs))
    if effect.accuracy is None:
        return [*lines, say(language, "effect_no_model")]
    return [*lines, say(language, "effect_model", rate=round(effect.accuracy * 100))]
