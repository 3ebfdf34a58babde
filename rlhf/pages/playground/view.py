# SPDX-License-Identifier: Apache-2.0
"""The playground's chat and answers as HTML. Without gradio."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

from data.texts import translate_line
from data.turns import Turn, turn_text
from labeling.texts.pages import text
from labeling.texts.reader import reader_language
from labeling.texts.user_text import block
from reward.report.addresses import id_link
from rlhf.pages.markup import answer_html, empty, esc, facts
from rlhf.playground.exchange import Question, Reply


def draw_chat(turns: Sequence[Turn]) -> str:
    """Return the turns so far, each under its role; nothing before the first answer was taken over."""
    drawn = "".join(
        f"<div><small>{esc(text('playground.role_' + turn['role']))}</small>{block(turn_text(turn), 'told')}</div>"
        for turn in turns
    )
    return (
        f"<div class='card chat' aria-label='{esc(text('playground.chat'))}' role=group>{drawn}</div>" if turns else ""
    )


def draw_replies(question: Question | None, replies: Sequence[Reply], names: dict[str, str]) -> str:
    """Return the replies side by side; `names` holds the policies' names. `data-busy` marks that more is to come."""
    if question is None or not replies:
        return empty(text("playground.nothing"))
    busy = " data-busy" if any(reply.active for reply in replies) else ""
    cards = "".join(_draw_reply(reply, names.get(reply.policy, "")) for reply in replies)
    said = text("playground.seed", seed=question.seed)
    return f"<div class=replies aria-live=polite{busy}>{cards}</div><p class=soft>{esc(said)}</p>"


def _draw_reply(reply: Reply, name: str) -> str:
    if reply.state == "failed":
        problem = translate_line(reply.problem, reader_language())
        why = text(f"playground.failed_{reply.cause}") if reply.cause else problem
        inner = f"<p class=bad>{esc(why)}</p>"
    elif reply.text:
        inner = answer_html(reply.text)
    else:
        inner = f"<p class=soft>{esc(text('playground.empty') if reply.state == 'done' else '…')}</p>"
    state = text(f"playground.state_{reply.state}")
    head = f"<header><b>{id_link(reply.policy)}</b> {esc(name)} <small class=state>{esc(state)}</small></header>"
    return f"<article class=card data-state={reply.state}>{head}{inner}{_draw_figures(reply)}</article>"


def _draw_figures(reply: Reply) -> str:
    shown: dict[str, object] = {reward: f"{score:+.2f}" for reward, score in reply.scores.items()}
    cut = reply.state == "done" and not reply.ended
    if reply.tokens:
        length = text("playground.tokens_value", tokens=reply.tokens)
        shown[text("playground.tokens")] = f"{length} ({text('playground.cut')})" if cut else length
    elif cut:  # an endpoint says only that it cut the answer
        shown[text("playground.tokens")] = text("playground.cut")
    if reply.logp is not None:
        each = exp(reply.logp / reply.tokens) if reply.tokens else 1.0
        shown[text("playground.logp")] = text(
            "playground.logp_value", logp=f"{reply.logp:.1f}", each=f"{100 * each:.0f}"
        )
    if reply.state in ("done", "stopped"):
        shown[text("playground.seconds")] = text("playground.seconds_value", seconds=f"{reply.seconds:.1f}")
    return facts(shown) if shown else ""
