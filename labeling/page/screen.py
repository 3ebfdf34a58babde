"""The labeler's screen as HTML: the prompt or conversation, the answers, and why there is nothing to judge.

Texts are escaped, formatted or marked here and nowhere else; everything goes to the page as a finished value. Templates of the
page framework are not used for texts: after filling in `{{value}}` it evaluates the result as a JavaScript template literal, so
`${...}` in a model's answer would run. All answers of an item pass through the same renderer.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from labeling.page.feedback import Effect
from labeling.page.item_view import Sight
from labeling.page.markdown import markdown
from labeling.page.word_diff import mark_differences
from labeling.session import Empty, Progress
from labeling.texts.translate import say

LETTERS = "ABCDEFGHI"
VIEWS = ("text", "formatted", "differences")


def view_of(asked: str, sight: Sight) -> str:
    """How texts are shown: as the person asked, else as the project says; differences only between two answers."""
    if asked not in VIEWS or (asked == "differences" and sight.kind != "pair"):
        return "formatted" if sight.project.form.markdown else "text"
    return asked


def screen(language: str, sight: Sight, view: str) -> str:
    """The prompt above, the answers below."""
    return _prompt(language, sight, view) + (_pair if sight.kind == "pair" else _ranking)(language, sight, view)


def _prompt(language: str, sight: Sight, view: str) -> str:
    if len(sight.turns) == 1 and sight.turns[0][0] == "user":
        return _section("prompt", say(language, "prompt"), _text(sight.turns[0][1], view))
    turns = "".join(
        f"<div class='turn {role if role in ('user', 'assistant') else 'system'}'><b>{_role(language, role)}</b>{_text(text, view)}</div>"
        for role, text in sight.turns
    )
    return _section("prompt", say(language, "conversation"), turns, kind="chat")


def _role(language: str, role: str) -> str:
    return say(language, f"role_{role}") if role in ("user", "assistant", "system") else escape(role)


def _section(id: str, name: str, inner: str, kind: str = "") -> str:
    return f'<section id={id} class="scrolls {kind}" aria-label="{name}" tabindex=0><h2>{name}</h2>{inner}</section>'


def _pair(language: str, sight: Sight, view: str) -> str:
    names = say(language, "answer_a"), say(language, "answer_b")
    if view == "differences":
        bodies = [f"<div class=text>{side}</div>" for side in mark_differences(*sight.answers)]
    else:
        bodies = [_text(text, view) for text in sight.answers]
    boxes = "".join(
        f'<section class="answer scrolls" aria-label="{name}" tabindex=0><h2>{letter}</h2>{body}</section>'
        for letter, name, body in zip("AB", names, bodies, strict=True)
    )
    return f'<div id=answers role=group aria-label="{say(language, "answers")}">{boxes}</div>'


def _ranking(language: str, sight: Sight, view: str) -> str:
    cards = "".join(_card(language, number, text, view) for number, text in enumerate(sight.answers))
    return (
        f"<p id=how>{say(language, 'rank_how')} {say(language, 'rank_ties') if sight.project.form.tie else ''}</p>"
        f'<ol id=ranks class=scrolls aria-label="{say(language, "answers_many", n=len(sight.answers))}">{cards}</ol>'
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
    """Why there is nothing to compare, what happens next, and what the labels given so far did."""
    reason = say(language, f"empty_{why.reason}", n=why.pairs, m=why.minutes)
    lines = effects(language, progress, effect) if progress.total else ()
    done = (
        f"<h3>{say(language, 'effect_title')}</h3><ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>"
        if lines
        else ""
    )
    look = f'<button type=button id=look_again class=first data-act=look data-key="enter">{say(language, "look_again")}</button>'
    return f"<div id=empty><h2>{say(language, 'empty_title')}</h2><p>{reason}</p>{look}{done}</div>"


def effects(language: str, progress: Progress, effect: Effect) -> Sequence[str]:
    """What one gave, how far people agree where that is known yet, and what the newest reward model made of it."""
    agreement = effect.agreement
    lines = [say(language, "effect_yours", total=progress.total, today=progress.today)]
    if agreement is not None and agreement.rate is None:
        lines.append(say(language, "effect_no_agreement"))
    elif agreement is not None:
        lines.append(say(language, "effect_agreement", rate=round(agreement.rate * 100), pairs=agreement.pairs))
    if effect.accuracy is None:
        return [*lines, say(language, "effect_no_model")]
    return [*lines, say(language, "effect_model", rate=round(effect.accuracy * 100))]
