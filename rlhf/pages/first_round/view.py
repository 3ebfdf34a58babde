# SPDX-License-Identifier: Apache-2.0
"""The guide of the first round as HTML. Its buttons press hidden ones of the page, by `data-press`. Without gradio."""

from __future__ import annotations

from collections.abc import Sequence

from data.texts import translate_line
from labeling.texts.pages import text
from labeling.texts.reader import reader_language
from reward.report.addresses import address_of, link_ids
from rlhf.pages.first_round.offer import offer_button
from rlhf.pages.first_round.steps import RoundStep
from rlhf.pages.markup import esc, live_line, press_button
from rlhf.pages.runs.view import draw_progress

NEXT, END = "round-next", "round-end"
"""The ids of the hidden buttons that do the due step, and that end the guide."""


def draw_round(steps: Sequence[RoundStep]) -> str:
    """Return the guide as a list of its steps."""
    done = text("round.done_of", n=sum(step.state == "done" for step in steps), total=len(steps))
    title = f"<h2>{esc(text('round.title'))}</h2><span class=soft>{esc(done)}</span>"
    items = "".join(_draw_step(number, step) for number, step in enumerate(steps, 1))
    finished = steps[-1].state == "now"
    end = press_button(END, text("round.finish" if finished else "round.hide"), "" if finished else "quiet")
    head = f"<div class=round-head>{title}{end}</div>"
    about = f"lang={reader_language()} aria-label='{esc(text('round.title'))}'"
    return f"<section class='card round' {about}>{head}<ol>{items}</ol></section>"


def _draw_step(number: int, step: RoundStep) -> str:
    mark = "✓" if step.state == "done" else str(number)
    state = f"<span class=state>{esc(text(f'round.{step.state}'))}</span>"
    head = f"<b>{esc(step.title)}</b> {state}"
    lines = [f"<p>{esc(step.explains)}</p>" if step.state != "done" else ""]
    lines += [f"<p class=detail>{link_ids(step.detail)}</p>" if step.detail else ""]
    lines += [live_line(step.action.live)] if step.action else []
    told = step.time and step.state == "now" and (step.run is None or step.run.over)  # a run knows its own time left
    lines += [f"<p class=soft>{esc(step.time)}</p>" if told else ""]
    body = f"<div>{head}{''.join(lines)}{_draw_run(step)}</div><div class=act>{_draw_action(step)}</div>"
    current = " aria-current=step" if step.state == "now" else ""
    return f"<li class={step.state}{current}><span class=mark aria-hidden=true>{mark}</span>{body}</li>"


def _draw_run(step: RoundStep) -> str:
    run = step.run
    if run is None:
        return ""
    if run.over:
        line = text("round.run_ended", run=run.public, state=text(f"runs.state_{run.state}"))
        error = f": {translate_line(run.error, reader_language())}" if run.error else ""
        return f"<p class=bad>{link_ids(f'{line}{error}')}</p>"
    if run.state == "queued":
        return f"<p>{link_ids(text('round.run_queued', run=run.public))}</p>"
    return draw_progress(run) or f"<p>{link_ids(text('round.run_starts', run=run.public))}</p>"


def _draw_action(step: RoundStep) -> str:
    if step.state == "later":
        return f"<span class=soft>{esc(step.time)}</span>" if step.time else ""
    if step.state == "done":
        return f"<a href='{step.link}'>{esc(step.made)}</a>"
    if step.key == "result":
        return f"<a class='press primary' href='{step.link}'>{esc(text('round.see_answers'))}</a>"
    action, parts = step.action, []
    if action and action.kind:
        parts.append(press_button(NEXT, action.title, "primary"))
    elif action:
        parts.append(f"<a class='press primary' href='{action.link}'>{esc(action.action)}</a>")
    if step.offer:
        parts.append(offer_button(step.offer))
    if step.run and not step.run.over:
        parts.append(f"<a href='{address_of('runs', step.run.public)}'>{esc(text('round.follow'))}</a>")
    return "".join(parts)
