# SPDX-License-Identifier: Apache-2.0
"""Tables of the Labels page and one more as CSV. Numbers stay numbers: the columns sort. Without gradio."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable, Sequence

from data.intervals import FEWEST
from labeling.quality.agreement import Alpha
from labeling.quality.labeler_report import LabelerFigures, Share
from labeling.quality.overview import Group, Overview
from labeling.texts.pages import text
from rlhf.pages.markup import columns, esc

Cell = str | int | float | None
GROUPS = (
    "by",
    "name",
    "pairs",
    "agreement",
    "agreement_interval",
    "alpha_nominal",
    "alpha_nominal_interval",
    "alpha_ordinal",
    "alpha_ordinal_interval",
)
LABELERS = (
    "labeler",
    "labels",
    "rankings",
    "agrees",
    "agrees_interval",
    "gold",
    "gold_interval",
    "repeats",
    "repeats_interval",
    "left",
    "left_interval",
    "seconds",
    "ties",
    "both_bad",
    "skips",
    "weight",
    "excluded",
)
PAIRS = ("labeler", "other_labeler", "agrees", "agrees_interval")


def group_rows(groups: Sequence[Group]) -> list[list[Cell]]:
    """Return rows under GROUPS, of the groups in which two labelers judged the same pair."""
    return [_group_row(group) for group in groups if group.report.raw.pairs]


def labeler_rows(overview: Overview) -> list[list[Cell]]:
    """Return rows under LABELERS."""
    return [_labeler_row(overview, labeler) for labeler in overview.labelers]


def without_empty(headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> dict[str, list]:
    """Return a table's headers and rows without its empty columns: no gold items yet, nobody excluded."""
    filled = [column for column in range(len(headers)) if any(row[column] not in (None, "") for row in rows)]
    return {
        "headers": [headers[column] for column in filled],
        "data": [[row[column] for column in filled] for row in rows],
    }


def draw_downloads(overview: Overview) -> str:
    """Return a link that saves the agreement of each two labelers, which no table on the page lists."""
    pairs: list[list[Cell]] = [
        [
            overview.names[pair.first],
            overview.names[pair.second],
            percent(pair.agreement.value),
            interval_of(pair.agreement),
        ]
        for pair in overview.labeler_pairs
    ]
    link = csv_link("labelers-two-by-two", columns("labels", PAIRS), pairs)
    return f"<p>{esc(text('labels.download'))} {link}</p>" if pairs else ""


def csv_link(name: str, headers: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return a link that saves a table; a cell that a spreadsheet would run as a formula is quoted."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerows([headers, *([_unquoted(cell) for cell in row] for row in rows)])
    data = base64.b64encode(file.getvalue().encode()).decode()
    return f"<a download='{esc(name)}.csv' href='data:text/csv;base64,{data}'>{esc(text('labels.file_pairs'))}</a>"


def alpha_interval(alpha: Alpha, units: int) -> str:
    """Return the interval of an alpha, whose ends may be below 0, as `0.42 to 0.53`.

    It is empty if there is none, and with fewer than FEWEST units.
    """
    if alpha.low is None or alpha.high is None or units < FEWEST:
        return ""
    return text("labels.range", low=alpha.low, high=alpha.high)


def interval_of(share: Share) -> str:
    """Return a share's interval and its number as `70–76 of 120`; empty if it is unknown."""
    return "" if share.value is None else text("labels.of", interval=interval(share.low, share.high), n=share.n)


def interval(low: float | None, high: float | None) -> str:
    """Return an interval in percent as `70–76`."""
    return "" if low is None or high is None else f"{100 * low:.0f}–{100 * high:.0f}"


def percent(value: float | None) -> float | None:
    """Return a share in percent with one decimal."""
    return None if value is None else round(100 * value, 1)


def rounded(value: float | None, digits: int = 2) -> float | None:
    """Return a number with that many decimals."""
    return None if value is None else round(value, digits)


def _group_row(group: Group) -> list[Cell]:
    report = group.report
    return [
        text(f"labels.group_{group.kind}"),
        group.title,
        report.raw.pairs,
        percent(report.raw.rate),
        interval(report.raw.low, report.raw.high),
        rounded(report.nominal.value),
        alpha_interval(report.nominal, report.raw.units),
        rounded(report.ordinal.value),
        alpha_interval(report.ordinal, report.raw.units),
    ]


def _labeler_row(overview: Overview, labeler: LabelerFigures) -> list[Cell]:
    shares = (labeler.agreement, labeler.gold, labeler.consistency, labeler.left)
    return [
        overview.names[labeler.labeler_id],
        labeler.comparisons,
        labeler.rankings or None,
        *(cell for share in shares for cell in (percent(share.value), interval_of(share))),
        rounded(labeler.seconds, 1),
        *(percent(share.value) for share in (labeler.ties, labeler.both_bad, labeler.skips)),
        rounded(overview.weight(labeler.labeler_id)),
        overview.excluded.get(labeler.labeler_id, ""),
    ]


def _unquoted(cell: Cell) -> Cell:
    if cell is None:
        return ""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t") else cell
