# SPDX-License-Identifier: Apache-2.0
"""The labeler's screen as HTML: the prompt or conversation, the answers, or the reason for an empty queue.

Texts are escaped, formatted or highlighted only here, and reach the page as finished values. Gradio templates are not
used for texts: Gradio fills in `{{value}}` and evaluates the result as a JavaScript template literal, so `${...}` in a
model's answer would run. All answers of an item pass through the same renderer.
"""

from __future__ import annotations

from collections.abc import Sequence

from data.thoughts import split_thoughts
from labeling.page.feedback import Effect
from labeling.page.formatted import format_differences, format_text
from labeling.page.item_view import ItemView
from labeling.page.turns import draw_prompt
from labeling.session import Empty, Progress
from labeling.texts.answers import fold_thoughts
from labeling.texts.translate import say
from labeling.texts.user_text import block, marks

LETTERS = "ABCDEFGHI"
EARLIER = "c"
"""The key that shows and hides the earlier turns of a conversation."""
VIEWS = ("text", "formatted", "differences")


def view_of(asked: str, item: ItemView) -> str:
    """Return the display mode: the requested one, else the project's; differences need two answers."""
    if asked not in VIEWS or (asked == "differences" and item.kind != "pair"):
        return "formatted" if item.project.form.markdown else "text"
    return asked


def screen(language: str, item: ItemView, view: str) -> str:
    """Return the prompt and the answers below it; below a prompt of the starter, a line on its invented words."""
    prompt = draw_prompt(language, item.turns, lambda text, is_answer: _turn(language, text, view, is_answer), EARLIER)
    draw_answers = _pair if item.kind == "pair" else _ranking
    return prompt + (_invented(language) if item.invented else "") + draw_answers(language, item, view)


def _invented(language: str) -> str:
    """Return the line on invented words. The page hides it for good in this browser when its button is pressed."""
    hide = f"<button type=button data-act=hide_invented>{say(language, 'hide')}</button>"
    return f"<p id=invented><span>{say(language, 'invented')}</span>{hide}</p>"


def _pair(language: str, item: ItemView, view: str) -> str:
    names = say(language, "answer_a"), say(language, "answer_b")
    bodies, note = _answers(language, item, view)
    boxes = "".join(
        f'<section class="answer scrolls" aria-label="{name}" tabindex=0><h2>{letter}</h2>{body}</section>'
        for letter, name, body in zip("AB", names, bodies, strict=True)
    )
    return f'{note}<div id=answers role=group aria-label="{say(language, "answers")}">{boxes}</div>'


def _ranking(language: str, item: ItemView, view: str) -> str:
    bodies, note = _answers(language, item, view)
    name = say(language, "answers_many", n=len(item.answers))
    cards = "".join(_card(language, number, body) for number, body in enumerate(bodies))
    return (
        f"<p id=how>{say(language, 'rank_how')} {say(language, 'rank_ties') if item.project.form.tie else ''}</p>"
        f'{note}<ol id=ranks class=scrolls aria-label="{name}">{cards}</ol>'
    )


def _card(language: str, number: int, body: str) -> str:
    name = say(language, "answer_n", letter=LETTERS[number])
    return (
        f'<li><article class=card data-card={number} data-name="{name}" tabindex=-1>'
        f"<h2><span class=grip aria-hidden=true>⠿</span>{LETTERS[number]}</h2>{body}</article></li>"
    )


def _answers(language: str, item: ItemView, view: str) -> tuple[list[str], str]:
    """Return the answers as HTML, and a note if they are plain because one of them exceeds the budget.

    All answers of an item have the same display mode, so that none looks better than another for its format. A
    model's thoughts are folded, as plain text.
    """
    thoughts, finals = zip(*map(split_thoughts, item.answers), strict=True)
    formatted = _formatted(finals, view)
    bodies = [_plain(text) for text in finals] if formatted is None else formatted
    folded = [fold_thoughts(language, part) + body for part, body in zip(thoughts, bodies, strict=True)]
    return folded, "" if formatted else _note(language)


def _formatted(answers: Sequence[str], view: str) -> list[str] | None:
    if view == "text":
        return [_plain(text) for text in answers]
    if view == "differences":
        sides = format_differences(*answers)
        return sides and [
            f"<div class=text {marks(text)}>{side}</div>" for text, side in zip(answers, sides, strict=True)
        ]
    bodies = []
    for text in answers:
        html = format_text(text)
        if html is None:
            return None
        bodies.append(_rich(text, html))
    return bodies


def _turn(language: str, text: str, view: str, is_answer: bool = False) -> str:
    thoughts, final = split_thoughts(text) if is_answer else ("", text)
    folded = fold_thoughts(language, thoughts)
    if view != "formatted":
        return folded + _plain(final)
    html = format_text(final)
    return folded + (_note(language) + _plain(final) if html is None else _rich(final, html))


def _plain(text: str) -> str:
    return block(text)


def _rich(text: str, html: str) -> str:
    return f'<div class="text rich" {marks(text)}>{html}</div>'


def _note(language: str) -> str:
    return f"<p class=note>{say(language, 'shown_plain')}</p>"


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
