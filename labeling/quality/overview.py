# SPDX-License-Identifier: Apache-2.0
"""The overview of the labels of one kind of source, as the Labels page and `preference-loop labels` show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from data.ids import RUN, public_id
from data.store import Store
from data.tables.comparison_columns import current_mask
from data.tables.labeler_weights import Weighting
from data.tables.verdicts import SOURCES
from labeling.quality.agreement import AgreementReport, report_patterns
from labeling.quality.labeler_report import LabelerFigures, LabelerPair, labeler_figures, labeler_pairs
from labeling.quality.pair_tables import GROUPINGS, VERSIONS, WHOLE, PairTables, Tables
from labeling.quality.patterns import VotePatterns, join_patterns, pattern_keys
from labeling.quality.votes import Votes, select_votes, votes_from_events
from labeling.texts.pages import text

ReportAndPairs = tuple[AgreementReport, tuple[LabelerPair, ...]]
KINDS = {"people": ("person", "import"), "simulated": ("simulated",), "ai": ("ai",)}
"""The sources of each kind of label. People's (imported ones included), simulated and AI labels are never mixed."""


@dataclass(frozen=True, slots=True)
class Group:
    """Agreement among the votes of one project, batch (the run that made the pairs) or guideline version.

    `name`: of the project, or the run's id, empty for pairs that no run made. `version` is the guideline's.
    """

    kind: str
    name: str
    report: AgreementReport
    labeler_pairs: tuple[LabelerPair, ...]
    version: int | None = None

    @property
    def title(self) -> str:
        """The group's name in the reader's language."""
        if self.version is not None:
            return text("labels.guideline_version", name=self.name, version=self.version)
        return self.name or text("labels.batch_none")


@dataclass(frozen=True, slots=True)
class Overview:
    """Figures of the labels of one kind of source.

    `report` and `groups` omit excluded labelers; `labelers`, `labeler_pairs` and `names` have everybody. Agreement
    covers comparisons and the pairs of rankings; the other figures cover comparisons only. `excluded` maps labeler ids
    to reasons.
    """

    comparisons: int
    rankings: int
    report: AgreementReport
    groups: tuple[Group, ...]
    labelers: tuple[LabelerFigures, ...]
    labeler_pairs: tuple[LabelerPair, ...]
    names: dict[int, str]
    excluded: dict[int, str]
    weighting: Weighting | None

    def weight(self, labeler_id: int) -> float | None:
        """Return the labeler's weight in the newest weighting; None if it has none."""
        return self.weighting.by_labeler().get(labeler_id) if self.weighting else None

    def agreement_json(self) -> dict[str, Any]:
        """Return the document of `preference-loop labels agreement`."""
        groups = [
            {
                "by": group.kind,
                "name": group.title,
                **group.report.as_json(),
                "between": self._pairs(group.labeler_pairs),
            }
            for group in self.groups
        ]
        whole = {"comparisons": self.comparisons, "rankings": self.rankings, **self.report.as_json()}
        return whole | {"groups": groups, "between": self._pairs(self.labeler_pairs)}

    def labelers_json(self) -> dict[str, Any]:
        """Return the document of `preference-loop labels quality`."""
        return {"labelers": [self._labeler_json(labeler) for labeler in self.labelers]}

    def _pairs(self, pairs: Sequence[LabelerPair]) -> list[dict[str, Any]]:
        return [
            {"labelers": [self.names[pair.first], self.names[pair.second]], **pair.agreement.as_json()}
            for pair in pairs
        ]

    def _labeler_json(self, labeler: LabelerFigures) -> dict[str, Any]:
        shares = ("agreement", "gold", "consistency", "left", "ties", "both_bad", "skips")
        counts = {
            "labeler": self.names[labeler.labeler_id],
            "comparisons": labeler.comparisons,
            "rankings": labeler.rankings,
            "seconds": labeler.seconds,
        }
        return {
            **counts,
            **{name: getattr(labeler, name).as_json() for name in shares},
            "weight": self.weight(labeler.labeler_id),
            "set_aside": self.excluded.get(labeler.labeler_id),
        }


def select_kind(events: np.ndarray, kind: str) -> np.ndarray:
    """Return the current comparisons of one of KINDS."""
    return events[current_mask(events) & np.isin(events["source"], [SOURCES.index(name) for name in KINDS[kind]])]


def build_overview(store: Store, kind: str) -> Overview:
    """Return the figures of one of KINDS as the store has it now."""
    return OverviewBuilder(kind).build(store)


class OverviewBuilder:
    """Builds overviews of one of KINDS, each from what the last one counted and the pairs that changed since.

    Intervals of a group are computed again if its votes changed.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.counted = PairTables(partial(select_kind, kind=kind))
        self._reports: dict[tuple[str, int], tuple[VotePatterns, AgreementReport]] = {}

    def build(self, store: Store) -> Overview:
        """Return the figures as the store has them now."""
        columns, sources = store.comparison_columns, KINDS[self.kind]
        events = columns.cached()
        rankings, counts = select_kind(columns.rankings(), self.kind), columns.ranking_counts(sources)
        excluded = {labeler.labeler_id: labeler.reason for labeler in store.excluded_labelers.all()}
        tables = self.counted.update(events, sorted(excluded))
        events = select_kind(events, self.kind)
        included = select_votes(rankings[~np.isin(rankings["labeler"], list(excluded))])
        gold = {item.pair_id: item for item in store.gold.all()}
        firsts = {id: store.pairs.get(id).first_id for id in gold}
        ranked = votes_from_events(rankings)
        whole = self._group(WHOLE, 0, tables, included)
        skips = columns.skip_counts(sources)
        return Overview(
            len(events),
            sum(counts.values()),
            whole[0],
            tuple(self._groups(store, tables, included, whole)),
            tuple(labeler_figures(events, tables["others"], ranked, counts, gold, firsts, skips)),
            labeler_pairs(tables["everybody"].of_group(0), ranked) if excluded else whole[1],
            {account.id: account.name for account in store.accounts.all()},
            excluded,
            store.labeler_weights.newest(),
        )

    def _groups(self, store: Store, tables: Tables, ranked: np.ndarray, whole: ReportAndPairs) -> Iterator[Group]:
        """Yield agreement by project, guideline version and batch, each in the order of ids."""
        names = {project.id: project.name for project in store.projects.all()}
        for grouping, group_of in GROUPINGS.items():
            groups = group_of(ranked)
            ids = np.union1d(tables[f"votes {grouping}"].keys[:, 0], groups).tolist()
            for id in ids:
                alone = len(ids) == 1  # the group is the whole, which is computed already
                figures = whole if alone else self._group(grouping, id, tables, ranked[groups == id])
                if grouping == "batch":
                    yield Group(grouping, public_id(RUN, id) if id else "", *figures)
                elif grouping == "guideline":
                    yield Group(grouping, names[id // VERSIONS], *figures, version=id % VERSIONS)
                else:
                    yield Group(grouping, names[id], *figures)

    def _group(self, grouping: str, id: int, tables: Tables, ranked: np.ndarray) -> ReportAndPairs:
        """Return the agreement of one group: of its compared pairs, and of these rows of rankings."""
        votes = Votes(ranked["pair"], ranked["labeler"], ranked["grade"])
        table, at = grouping, id
        if f"pairs {grouping}" not in tables:  # all comparisons are of one group; rankings may be of others
            table, at = WHOLE, 0 if id in tables[f"votes {grouping}"].keys else -1
        pairs, patterns = (tables[f"{what} {table}"].of_group(at) for what in ("pairs", "patterns"))
        joined = join_patterns(patterns.keys[:, 0], patterns.counts, *pattern_keys(votes.on_shared_pairs()))
        return self._report(grouping, id, joined), labeler_pairs(pairs, votes)

    def _report(self, grouping: str, id: int, patterns: VotePatterns) -> AgreementReport:
        known = self._reports.get((grouping, id))
        if known and all(map(np.array_equal, known[0], patterns)):
            return known[1]
        report = report_patterns(patterns)
        self._reports[grouping, id] = patterns, report
        return report
