"""What the Labels page draws of an overview: agreement in words and tables, the matrix of labelers, downloads."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from labeling.quality.agreement import AgreementReport, Alpha
from labeling.quality.labeler_report import LabelerPair, Share
from labeling.quality.overview import Group, Overview
from reward.report.learning_curve import highest_accuracy
from rlhf.pages.components import empty, esc, facts, with_interval

GROUPS = [
    "By",
    "Name",
    "Pairs",
    "Agreement (%)",
    "95 %",
    "Alpha, preferred",
    "95 % of it",
    "Alpha, graded",
    "95 % of that",
]
LABELERS = [
    "Labeler",
    "Labels",
    "Rankings",
    "Agrees (%)",
    "95 %, pairs",
    "Gold (%)",
    "95 %, items",
    "Same again (%)",
    "95 %, repeats",
    "Left (%)",
    "95 %, decided",
    "Seconds",
    "Ties (%)",
    "Both bad (%)",
    "Skips (%)",
    "Weight",
    "Set aside",
]
FEW = 50
MOST_SHOWN = 14
LABEL = "../label/"


def summary(found: Overview, others: int = 0, since: str = "") -> str:
    """Agreement of all, and the one line that says what it means; `others` counts the labels of the other kind.

    `since`: the moment of these figures where something was said after it.
    """
    if not found.labelers and others:
        return empty(f"There are no such labels, but {others:,} of the other kind: choose whose above.")
    if found.report.raw.rate is None:
        return empty(no_shared(found), LABEL, "Label")
    one = found.report
    shown = {
        "Agreement, 95 %": with_interval(one.raw.rate, (one.raw.low, one.raw.high)),
        "Pairs judged by two or more": f"{one.raw.pairs:,}",
        "Alpha, which is preferred": alpha(one.nominal),
        "Alpha, graded": alpha(one.ordinal),
        "Comparisons": f"{found.comparisons:,}",
        **({"Rankings": f"{found.rankings:,}"} if found.rankings else {}),
        "Labelers": f"{len(found.labelers):,}",
    }
    when = f"<p class=soft>Figures of {since[11:16]} UTC; newer ones come by themselves.</p>" if since else ""
    return f"<div class='card next'><b>{esc(meaning(one))}</b>{facts(shown)}{when}</div>"


def no_shared(found: Overview) -> str:
    """Why there is no agreement yet, and what brings it."""
    if not found.labelers:
        return "Nobody has compared anything yet. Agreement is known once two labelers have judged the same pairs."
    remedy = "Give the project an overlap above 1: with 1.1 two labelers meet one pair in ten."
    rankings = f" and {found.rankings:,} rankings" if found.rankings else ""
    return f"{found.comparisons:,} comparisons{rankings}, but no pair was judged by two labelers. {remedy}"


def meaning(found: AgreementReport) -> str:
    """What the agreement means for a model that learns from these labels."""
    rate, judged = found.raw.rate, found.raw.units
    if judged < FEW:
        what = "pairs" if judged == found.raw.pairs else "pairs or rankings"
        return f"Only {judged} {what} were judged by two labelers: too few to say more than the interval does. {FEW} or more tell something."
    if found.nominal.low is not None and found.nominal.low <= 0:
        return "Labelers do not agree more than chance would make them: read the disputed pairs and make the guideline clearer before training."
    best = f"{100 * rate:.0f} to {100 * highest_accuracy(rate):.0f} %"
    return f"Two labelers agree on {100 * rate:.0f} % of pairs, so the best possible reward model is right on {best} of such labels."


def group_rows(groups: Sequence[Group]) -> list[list[Any]]:
    """Rows under GROUPS, of the groups in which two judged the same pair."""
    return [
        [
            one.kind,
            one.name,
            one.report.raw.pairs,
            percent(one.report.raw.rate),
            span(one.report.raw.low, one.report.raw.high),
            rounded(one.report.nominal.value),
            ends(one.report.nominal),
            rounded(one.report.ordinal.value),
            ends(one.report.ordinal),
        ]
        for one in groups
        if one.report.raw.pairs
    ]


def labeler_rows(found: Overview) -> list[list[Any]]:
    """Rows under LABELERS."""
    rows = []
    for one in found.labelers:
        shares = [
            part
            for share in (one.agreement, one.gold, one.consistency, one.left)
            for part in (percent(share.value), of(share))
        ]
        others = (percent(share.value) for share in (one.ties, one.both_bad, one.skips))
        rest = (rounded(found.weight(one.labeler_id)), found.excluded.get(one.labeler_id, ""))
        rows.append(
            [
                found.names[one.labeler_id],
                one.comparisons,
                one.rankings or None,
                *shares,
                rounded(one.seconds, 1),
                *others,
                *rest,
            ]
        )
    return rows


def without_empty(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, list]:
    """A table's headers and rows without the columns in which nothing stands: no gold items yet, nobody set aside."""
    kept = [place for place in range(len(headers)) if any(row[place] not in (None, "") for row in rows)]
    return {"headers": [headers[place] for place in kept], "data": [[row[place] for place in kept] for row in rows]}


def leaning(found: Overview) -> str:
    """Who leans to one side more than chance explains; empty where nobody does."""
    leaning = [one for one in found.labelers if one.left.n >= FEW and not one.left.low <= 0.5 <= one.left.high]
    if not leaning:
        return ""
    told = "; ".join(
        f"{found.names[one.labeler_id]} on {with_interval(one.left.value, (one.left.low, one.left.high))}"
        for one in leaning
    )
    chance = (
        f"Of {len(found.labelers)} labelers about {0.05 * len(found.labelers):.1f} would stand here by chance alone."
    )
    return f"<p class=soft>Sides are drawn at random, so 50 % is no leaning. The left answer is preferred by {esc(told)}. {chance}</p>"


def matrix(found: Overview) -> str:
    """Agreement two by two of all, and folded up that of each project, guideline version and batch, where there are several."""
    if not found.labeler_pairs:
        return empty("No two labelers have judged the same pair yet.", LABEL, "Label")
    kinds = [one.kind for one in found.groups]
    several = [one for one in found.groups if one.labeler_pairs and kinds.count(one.kind) > 1][:MOST_SHOWN]
    folded = (
        f"<details><summary>By {one.kind}: {esc(one.name)}</summary>{_matrix(found, one.labeler_pairs)}</details>"
        for one in several
    )
    return _matrix(found, found.labeler_pairs) + "".join(folded)


def _matrix(found: Overview, between: Sequence[LabelerPair]) -> str:
    """A table whose shade follows the number; the busiest labelers where there are many."""
    shown = [
        one.labeler_id for one in found.labelers if any(one.labeler_id in (two.first, two.second) for two in between)
    ][:MOST_SHOWN]
    cells = {(two.first, two.second): two.agreement for two in between}
    head = "".join(f"<th scope=col><span>{esc(found.names[id])}</span></th>" for id in shown)
    lines = {row: "".join(_cell(cells.get((min(row, id), max(row, id))), row == id) for id in shown) for row in shown}
    body = "".join(f"<tr><th scope=row>{esc(found.names[row])}</th>{line}</tr>" for row, line in lines.items())
    hidden = len({id for two in between for id in (two.first, two.second)}) - len(shown)
    note = f" The {len(shown)} with most labels; {hidden} more are in the download." if hidden > 0 else ""
    lead = f"<p class=soft>Percent of the pairs that both judged, and how many these are. The stronger the shade, the more they agree.{note}</p>"
    return f"{lead}<div class=scroll><table class=matrix><tr><td class=none></td>{head}</tr>{body}</table></div>"


def _cell(share: Share | None, own: bool) -> str:
    if own or share is None or share.value is None:
        return f"<td class=none>{'' if own else '–'}</td>"
    shade = max(0, min(100, round(200 * (share.value - 0.5))))
    title = f"{with_interval(share.value, (share.low, share.high))} of {share.n:,} pairs"
    return f"<td style='--shade:{shade}%' title='{title}'><b>{100 * share.value:.0f}</b><small>{share.n:,}</small></td>"


def downloads(found: Overview) -> str:
    """The three tables as files."""
    names = ["Labeler", "Other labeler", "Agrees (%)", "95 %, pairs"]
    pairs = [
        [found.names[two.first], found.names[two.second], percent(two.agreement.value), of(two.agreement)]
        for two in found.labeler_pairs
    ]
    files = (
        ("labelers", LABELERS, labeler_rows(found)),
        ("agreement", GROUPS, group_rows(found.groups)),
        ("labelers-two-by-two", names, pairs),
    )
    links = " · ".join(csv_link(name, headers, rows) for name, headers, rows in files if rows)
    return f"<p>Download as CSV: {links}</p>" if links else ""


def csv_link(name: str, headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A link that saves a table; cells that a spreadsheet would take for a formula are quoted."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([headers, *([_plain(cell) for cell in row] for row in rows)])
    data = base64.b64encode(text.getvalue().encode()).decode()
    return f"<a download='{esc(name)}.csv' href='data:text/csv;base64,{data}'>{esc(name.replace('-', ' '))}</a>"


def alpha(found: Alpha) -> str:
    """0.48 (0.42-0.53), or a dash."""
    return "–" if found.value is None else f"{found.value:.2f}" + (f" ({ends(found)})" if found.low is not None else "")


def ends(found: Alpha) -> str:
    """0.42-0.53."""
    return "" if found.low is None else f"{found.low:.2f}–{found.high:.2f}"


def of(share: Share) -> str:
    """70-76 of 120."""
    return "" if share.value is None else f"{span(share.low, share.high)} of {share.n:,}"


def span(low: float, high: float) -> str:
    """70-76, in percent."""
    return f"{100 * low:.0f}–{100 * high:.0f}"


def percent(value: float | None) -> float | None:
    """In percent with one decimal, as a number that sorts."""
    return None if value is None else round(100 * value, 1)


def rounded(value: float | None, digits: int = 2) -> float | None:
    """A number that sorts."""
    return None if value is None else round(value, digits)


def _plain(cell: Any) -> Any:
    return (
        f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t") else "" if cell is None else cell
    )
