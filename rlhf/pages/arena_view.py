# SPDX-License-Identifier: Apache-2.0
"""A comparison on the Arena page: rows, notes, plot and ranking, as plain values and HTML. Without gradio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from data.ids import POLICY, public_id
from data.intervals import FEWEST
from data.records import Policy
from data.store import Store
from data.views.head_to_head import HeadToHead, head_to_head
from labeling.texts.pages import format_percent, format_share, text
from reward.report.addresses import link_ids
from reward.report.svg_chart import Chart, round_ticks, share_ticks
from rlhf.common.estimate import format_duration
from rlhf.evaluation.arena import PolicyRow, policy_rows
from rlhf.evaluation.elo import EloRating, elo_ratings
from rlhf.pages.markup import empty, esc
from rlhf.pages.next_step import LABEL_PAGE

COLUMNS = (
    "policy",
    "name",
    "method",
    "win_rate",
    "simulated",
    "people",
    "judged",
    "kl",
    "reward",
    "rubric",
    "tokens",
    "distinct_2",
    "time",
    "memory",
    "note",
)
OPTIONAL = COLUMNS[1:]
"""The columns that the reader chooses; the policy always stands first."""
STANDARD = tuple(name for name in OPTIONAL if name not in ("distinct_2", "time", "memory"))
"""The columns that are shown before the reader has chosen."""
RANKING_COLUMNS = ("policy", "points", "low", "high", "comparisons")


@dataclass(frozen=True, slots=True)
class ArenaView:
    """A comparison as the page shows it: rows under COLUMNS and RANKING_COLUMNS, the other fields as HTML."""

    rows: list[list[str]]
    notes: str
    plot: str = ""
    ranks: list[list[str | int]] | None = None
    ranking: str = ""


def view_arena(store: Store, against: str, judge: str) -> ArenaView:
    """Return every policy against the policy `against`, by a judge and by people. Raise BadInput for an unknown one."""
    if not against:
        return ArenaView([], empty(text("arena.no_policy"), "#runs", text("link.runs")))
    opponent = store.policies.get(against)
    met = head_to_head(store, "person")
    compared = policy_rows(store, opponent, judge, met)
    ranks = rank_rows(met, opponent)
    notes = draw_notes(compared, opponent)
    plot, note = draw_plot(compared, opponent), draw_ranking_note(bool(ranks), opponent)
    return ArenaView([row(line) for line in compared], notes, plot, ranks, note)


def read_columns(kept: str | None) -> list[str]:
    """Return the chosen columns, from the names that a browser keeps; STANDARD if it keeps none."""
    if kept is None:
        return list(STANDARD)
    names = kept.split(".")
    return [name for name in OPTIONAL if name in names]


def choose_columns(rows: Sequence[Sequence[str]], chosen: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Return the names of the policy's and the chosen columns, in the order of COLUMNS, and the rows under them."""
    names = [COLUMNS[0], *(name for name in OPTIONAL if name in chosen)]
    places = [COLUMNS.index(name) for name in names]
    return names, [[row[place] for place in places] for row in rows]


def rank_rows(met: Sequence[HeadToHead], opponent: Policy) -> list[list[str | int]]:
    """Return rows under RANKING_COLUMNS: Elo points above the opponent with their interval, if there are enough."""
    return [_rank_row(rank, opponent) for rank in elo_ratings(met, opponent.id)]


def _rank_row(rank: EloRating, opponent: Policy) -> list[str | int]:
    few = rank.comparisons < FEWEST and rank.policy_id != opponent.id
    points = (text("few_to_say", n=rank.comparisons), "–", "–") if few else tuple(round(number) for number in rank[1:4])
    return [public_id(POLICY, rank.policy_id), *points, rank.comparisons]


def row(line: PolicyRow) -> list[str]:
    """Return a row under COLUMNS."""
    return [
        line.policy,
        line.name,
        line.kind,
        format_share(line.win_rate, (line.win_low, line.win_high), line.prompts),
        format_percent(line.simulated),
        format_share(line.people, (line.people_low, line.people_high), line.people_prompts),
        str(line.people_prompts or "–"),
        "–" if line.kl is None else f"{'≤ ' if line.kl_bound else ''}{line.kl:.2f}",
        _decimal(line.reward),
        _decimal(line.gold),
        _decimal(line.length, 0),
        _decimal(line.distinct_2),
        "–" if line.seconds is None else format_duration(line.seconds),
        _decimal(line.peak_mb, 0),
        text("arena.not_independent") if line.partial else "",
    ]


def draw_notes(compared: Sequence[PolicyRow], against: Policy) -> str:
    """Return notes on the table: judges that are not independent, policies not judged, different prompts."""
    notes = [text("arena.partial_note", policy=line.policy, reason=line.partial) for line in compared if line.partial]
    judged = [line for line in compared if line.win_rate is not None]
    unjudged = [line.policy for line in compared if line.win_rate is None]
    if not judged:
        notes.append(text("arena.none_judged", policy=against.public))
    elif unjudged:
        notes.append(text("arena.unjudged", policies=", ".join(unjudged)))
    if len({line.measured_on for line in judged}) > 1:
        notes.append(text("arena.other_prompts"))
    return "".join(f"<p class=soft>{link_ids(note)}</p>" for note in notes)


def draw_plot(compared: Sequence[PolicyRow], against: Policy) -> str:
    """Return win rate over the square root of KL (the axis of Gao et al. 2023) with intervals; empty without both."""
    dots = [line for line in compared if line.win_rate is not None and line.kl is not None]
    if not dots:
        return ""
    chart = _chart(dots)
    key = f"<div class='key soft'><i>● {esc(text('arena.measured'))}</i><i>□ {esc(text('arena.bound'))}</i></div>"
    title, intervals = text("arena.plot_title", policy=against.public), text("arena.intervals")
    caption = f"<figcaption><b>{link_ids(title)}</b><span class=soft>{esc(intervals)}</span></figcaption>"
    return f"<div class=plots><figure>{caption}{chart.svg(text('arena.plot_spoken'))}{key}</figure></div>"


def draw_ranking_note(known: bool, against: Policy) -> str:
    """Return how to read the ranking, or the step that fills it."""
    if not known:
        return empty(text("arena.no_ranking"), LABEL_PAGE, text("link.label"))
    return f"<p class=soft>{link_ids(text('arena.ranking_note', policy=against.public))}</p>"


def _chart(dots: Sequence[PolicyRow]) -> Chart:
    """Return the plot of lines that all have a win rate with its interval, and a KL."""
    places = [math.sqrt(max(0.0, line.kl or 0.0)) for line in dots]
    rates = [(line.win_rate or 0.0, line.win_low or 0.0, line.win_high or 0.0) for line in dots]
    right = max(0.5, 1.25 * max(places))
    low, high = min(0.4, *(low for _, low, _ in rates)) - 0.03, max(0.6, *(high for _, _, high in rates)) + 0.05
    chart = Chart((0.0, right), (low, high))
    axes = text("arena.axis_kl"), text("arena.axis_win_rate")
    chart.axes(*axes, round_ticks(0.0, right), share_ticks(low, high)).level(0.5, "quiet", "")
    for line, x, (rate, *interval) in zip(dots, places, rates, strict=True):
        hint = f"{line.policy} {line.kind}: {format_share(rate, interval)}, KL {line.kl:.2f}"
        chart.dot(x, rate, (interval[0], interval[1]), "quiet" if line.kl_bound else "main", hint)
        chart.word(x, rate, f"{line.policy} {line.kind}")
    return chart


def _decimal(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"
