# SPDX-License-Identifier: Apache-2.0
"""An online run as HTML: its head, its figures with their denominators, and what follows from them. Without gradio."""

from __future__ import annotations

import math

from data.texts import translate_line
from labeling.texts.pages import DASH, format_share, text
from labeling.texts.reader import reader_language
from reward.report.addresses import address_of, link_ids
from rlhf.common.estimate import format_duration
from rlhf.kinds import kind_title
from rlhf.online.figures import WINDOW, Share, Wins
from rlhf.online.outlook import COIN, ENOUGH
from rlhf.pages.live.state import KIND, Change, LiveState
from rlhf.pages.markup import esc, facts

BAD = ("worse_than_start", "getting_worse", "no_better_than_a_coin")
"""Verdicts that are drawn as warnings, each with what to do next."""
STEPS = ("no_test_prompts", *BAD)
"""Verdicts with a text on what to do next."""


def draw_run(state: LiveState) -> str:
    """Return the run's id and state, its note, its error, and the labels that it learns from."""
    run = state.run
    about = text(f"runs.state_{run.state}")
    about += f" · {text('runs.saving')}" if run.cancel_requested and not run.over else ""
    title = f"<b>{link_ids(run.public)} · {esc(kind_title(KIND))}</b> <span class=soft>{esc(about)}</span>"
    note = f"<p>{esc(run.note)}</p>" if run.note and not run.over else ""
    error = f"<p class=bad>{link_ids(translate_line(run.error, reader_language()))}</p>" if run.error else ""
    labels = esc(text("live.counts", labels=run.settings["labels"]))
    curves = f"<a href='{address_of('runs', run.public)}'>{esc(text('live.curves'))}</a>"
    return f"<div class=card>{title}{note}{error}<p class=soft>{labels} {curves}</p></div>"


def draw_verdict(state: LiveState) -> str:
    """Return what the answers to test prompts say of the run, what to do next, and the forecast."""
    key, is_bad = state.verdict, state.verdict in BAD
    counted = state.figures.accuracy.count + state.figures.win_rate.count
    sentence = text(f"live.{_verdict_key(state)}", n=counted, enough=ENOUGH)
    lines = [f"<b{' class=bad' if is_bad else ''}>{esc(sentence)}</b>"]
    lines += [f"<p>{esc(text(f'live.{key}_next'))}</p>"] if key in STEPS else []
    if state.forecast:
        hours = state.forecast.hours
        time = None if hours is None else format_duration(3600 * hours)
        words = text("live.forecast" if time else "live.forecast_labels", n=state.forecast.labels, time=time)
        lines.append(f"<p class=soft>{esc(words)}</p>")
    return f"<div class='card verdict{' warning' if is_bad else ''}'>{''.join(lines)}</div>"


def _verdict_key(state: LiveState) -> str:
    """Return the key of the verdict's sentence; one without a fault says only what is clear."""
    if state.verdict != "learning":
        return state.verdict
    if state.figures.win_rate.interval.low > COIN:
        return "learning_policy"
    return "learning_reward" if state.figures.accuracy.interval.low > COIN else "learning"


def draw_figures(state: LiveState) -> str:
    """Return each figure with its denominator, and a sentence on what it means."""
    figures, fresh = state.figures, state.figures.freshness
    answered = fresh.newest + fresh.parent + fresh.older
    episodes = state.run.settings.get("batch_size", 0)
    tiles = [
        _tile("win_rate", _share(figures.win_rate)),
        _recent_tile(figures.recent_wins),
        _tile("accuracy", _share(figures.accuracy)),
        _tile("agreement", _share(figures.agreement)),
        _tile("labels", f"{figures.labels:,}"),
        _tile("learned", f"{state.learned_from:,}"),
        _tile("updates", f"{state.updates:,}"),
        _tile("kl", DASH if state.kl is None else text("live.nats", value=f"{state.kl:.2f}"), n=episodes),
        _tile(
            "fresh",
            text("live.fresh_value", newest=fresh.newest, n=answered) if answered else DASH,
            parent=fresh.parent,
            older=fresh.older,
        ),
    ]
    if not state.run.over:
        tiles += [_tile("at_work", f"{state.at_work:,}"), _tile("waiting", f"{state.waiting:,}")]
    return f"<div class=tiles>{''.join(tiles)}</div>"


def _recent_tile(wins: Wins) -> str:
    """Return the win rate of the newest versions, and which versions these are."""
    if wins.first is None:
        return _tile("recent_wins", DASH, n=WINDOW, versions="")
    versions = text("live.recent_versions", first=wins.first, last=wins.last)
    return _tile("recent_wins", _share(wins.share), n=WINDOW, versions=versions)


def draw_published(state: LiveState) -> str:
    """Return the win rates of the versions up to each published policy; nothing before the first one."""
    if not state.published:
        return ""
    shown = facts({policy: _share(wins.share) for policy, wins in state.published})
    title, explains = esc(text("live.published")), esc(text("live.published_explains"))
    return f"<h2>{title}</h2><div class=card id=live-published>{shown}<small class=soft>{explains}</small></div>"


def _share(share: Share) -> str:
    return format_share(share.value, share.interval, share.count)


def _tile(key: str, value: str, **values: object) -> str:
    name, explains = esc(text(f"live.{key}")), esc(text(f"live.{key}_explains", **values))
    inner = f"<span class=k>{name}</span><b>{esc(value)}</b><small class=soft>{explains}</small>"
    return f"<div class=card id=figure-{key}>{inner}</div>"


def draw_change(change: Change | None) -> str:
    """Return what the last labels changed; nothing without enough of them."""
    if change is None:
        return ""
    shown = facts(
        {
            text("live.updates"): f"+{change.updates:,}",
            text("live.kl"): text("live.nats", value=_from_to(change.kl, 2)),
            text("live.held_out"): text("live.loss", value=_from_to(change.held_out_loss, 3)),
        }
    )
    title, explains = esc(text("live.change", n=change.labels)), esc(text("live.change_explains"))
    return f"<h2>{title}</h2><div class=card>{shown}<small class=soft>{explains}</small></div>"


def _from_to(values: tuple[float, float], digits: int) -> str:
    return " → ".join(f"{value:.{digits}f}" if math.isfinite(value) else DASH for value in values)


def draw_empty() -> str:
    """Return what online learning is, when to use it and what it needs."""
    lines = "".join(f"<p>{esc(text(f'live.empty_{key}'))}</p>" for key in ("what", "when", "needs"))
    return f"<div class='card next'><b>{esc(text('live.empty'))}</b>{lines}</div>"
