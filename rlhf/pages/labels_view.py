# SPDX-License-Identifier: Apache-2.0
"""Agreement on the Labels page in words and as a matrix of labelers, as HTML. Without gradio."""

from __future__ import annotations

from collections.abc import Sequence

from data.intervals import FEWEST
from labeling.quality.agreement import AgreementReport, Alpha
from labeling.quality.labeler_report import LabelerPair, Share
from labeling.quality.overview import Overview
from labeling.texts.pages import format_share, text
from labeling.texts.times import local_time
from reward.report.learning_curve import highest_accuracy
from rlhf.pages.labels_tables import alpha_interval
from rlhf.pages.markup import empty, esc, facts, scrolling
from rlhf.pages.next_step import LABEL_PAGE

FEW = 50
"""Shared pairs or decided comparisons below which a figure says too little."""
MOST_SHOWN = 14


def draw_summary(overview: Overview, others: int = 0, since: str = "", new: int = 0) -> str:
    """Return the agreement of all labelers and what it means.

    `others`: number of labels of the other kind. `since`: time of these figures, if something has changed since. `new`:
    labels that came since.
    """
    note = f"<p class=soft>{esc(text('labels.figures_of', time=local_time(since), n=new))}</p>" if since else ""
    if not overview.labelers and others:
        return empty(text("labels.other_kind", n=others)) + note
    report = overview.report
    if report.raw.rate is None:
        return empty(no_shared(overview), LABEL_PAGE, text("link.label")) + note
    shown = {
        text("labels.agreement"): format_share(report.raw.rate, (report.raw.low, report.raw.high), report.raw.units),
        text("labels.shared_pairs"): f"{report.raw.pairs:,}",
        text("labels.alpha_nominal"): _alpha(report.nominal, report.raw.units),
        text("labels.alpha_ordinal"): _alpha(report.ordinal, report.raw.units),
        text("labels.comparisons"): f"{overview.comparisons:,}",
        text("labels.rankings"): f"{overview.rankings:,}" if overview.rankings else None,
        text("labels.labelers"): f"{len(overview.labelers):,}",
    }
    return f"<div class='card next'><b>{esc(meaning(report))}</b>{facts(shown)}{note}</div>"


def no_shared(overview: Overview) -> str:
    """Return why there is no agreement yet, and the setting that brings it."""
    if not overview.labelers:
        return text("labels.none_compared")
    key = "labels.none_shared_rankings" if overview.rankings else "labels.none_shared"
    return text(key, comparisons=overview.comparisons, rankings=overview.rankings)


def meaning(report: AgreementReport) -> str:
    """Return the consequence of the agreement for a model that learns from these labels."""
    rate, judged = report.raw.rate, report.raw.units
    if judged < FEW:
        return text("labels.too_few" if judged == report.raw.pairs else "labels.too_few_units", n=judged, few=FEW)
    if report.nominal.low is not None and report.nominal.low <= 0:
        return text("labels.chance")
    assert rate is not None
    best = f"{100 * rate:.0f}", f"{100 * highest_accuracy(rate):.0f}"
    return text("labels.reachable", rate=best[0], low=best[0], high=best[1])


def position_bias(overview: Overview) -> str:
    """Return the labelers whose position bias chance does not explain; empty if there is none."""
    biased = [
        labeler
        for labeler in overview.labelers
        if labeler.left.n >= FEW and not labeler.left.low <= 0.5 <= labeler.left.high
    ]
    if not biased:
        return ""
    names = "; ".join(f"{overview.names[labeler.labeler_id]} {_share(labeler.left)}" for labeler in biased)
    chance = f"{0.05 * len(overview.labelers):.1f}"
    note = text("labels.position_bias", names=names, labelers=len(overview.labelers), chance=chance)
    return f"<p class=soft>{esc(note)}</p>"


def draw_matrix(overview: Overview) -> str:
    """Return agreement two by two, and folded up that of each project, guideline version and batch."""
    if not overview.labeler_pairs:
        return empty(text("labels.no_matrix"), LABEL_PAGE, text("link.label"))
    kinds = [group.kind for group in overview.groups]
    several = [group for group in overview.groups if group.labeler_pairs and kinds.count(group.kind) > 1]
    folded = (
        f"<details><summary>{esc(text(f'labels.by_{group.kind}', name=group.title))}</summary>"
        f"{_matrix(overview, group.labeler_pairs)}</details>"
        for group in several[:MOST_SHOWN]
    )
    return _matrix(overview, overview.labeler_pairs) + "".join(folded)


def _matrix(overview: Overview, pairs: Sequence[LabelerPair]) -> str:
    """Return a table whose shade follows the number, of the labelers with most labels."""
    paired = {labeler for pair in pairs for labeler in (pair.first, pair.second)}
    shown = [labeler.labeler_id for labeler in overview.labelers if labeler.labeler_id in paired][:MOST_SHOWN]
    cells = {(pair.first, pair.second): pair.agreement for pair in pairs}
    names = {id: esc(overview.names[id]) for id in shown}
    head = "".join(f"<th scope=col><span>{name}</span></th>" for name in names.values())
    body = "".join(
        f"<tr><th scope=row>{names[row]}</th>"
        f"{''.join(_cell(cells.get((min(row, id), max(row, id))), row == id) for id in shown)}</tr>"
        for row in shown
    )
    lead = text("labels.matrix_lead")
    if len(paired) > len(shown):
        lead += " " + text("labels.matrix_more", shown=len(shown), more=len(paired) - len(shown))
    table = f"<table class=matrix><tr><td class=none></td>{head}</tr>{body}</table>"
    return f"<p class=soft>{esc(lead)}</p>{scrolling(text('labels.matrix'), table)}"


def _cell(share: Share | None, own: bool) -> str:
    if own or share is None or share.value is None:
        return f"<td class=none>{'' if own else '–'}</td>"
    shade = max(0, min(100, round(200 * (share.value - 0.5))))
    title, percent = esc(_share(share)), f"{100 * share.value:.0f}"
    return f"<td style='--shade:{shade}%' title='{title}'><b>{percent}</b><small>{share.n:,}</small></td>"


def _share(share: Share) -> str:
    return format_share(share.value, (share.low, share.high), share.n)


def _alpha(alpha: Alpha, units: int) -> str:
    """Return an alpha over that many units as `0.48 (approximately 0.42 to 0.53)`, or a dash.

    With fewer than FEWEST units it says that they are too few.
    """
    if alpha.value is None:
        return "–"
    if units < FEWEST:
        return text("few_to_say", n=units)
    interval = alpha_interval(alpha, units)
    return text("labels.alpha" if interval else "labels.alpha_alone", alpha=alpha.value, interval=interval)
