# SPDX-License-Identifier: Apache-2.0
"""The overview of the labels of one kind of source, as the Labels page and `preference-loop labels` show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.ids import RUN, public_id
from data.store import Store
from data.tables.comparison_columns import current_mask
from data.tables.labeler_weights import LabelerWeight, Weighting
from data.tables.verdicts import SOURCES
from labeling.quality.agreement import AgreementReport, report_agreement
from labeling.quality.labeler_report import LabelerFigures, LabelerPair, labeler_figures, labeler_pairs
from labeling.quality.reliability import fit
from labeling.quality.votes import Votes, select_votes, split_by_group, votes_from_events
from labeling.texts.pages import bad_input, text

ReportAndPairs = tuple[AgreementReport, tuple[LabelerPair, ...]]
KINDS = {"people": ("person", "import"), "simulated": ("simulated",), "ai": ("ai",)}
"""The sources of each kind of label. People's (imported ones included), simulated and AI labels are never mixed."""
VERSIONS = 100_000
"""More than the guideline versions of a project: project * VERSIONS + version is one key."""


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


def build_overview(store: Store, kind: str, events: np.ndarray | None = None) -> Overview:
    """Return the figures of one of KINDS as the store has it now.

    `events` are its comparison columns, if already read.
    """
    columns = store.comparison_columns
    events = select_kind(columns.comparisons() if events is None else events, kind)
    all_events = np.concatenate([events, select_kind(columns.rankings(), kind)])
    ranked = columns.ranking_counts(KINDS[kind])
    excluded = {labeler.labeler_id: labeler.reason for labeler in store.excluded_labelers.all()}
    included = all_events[~np.isin(all_events["labeler"], list(excluded))]
    gold = {item.pair_id: item for item in store.gold.all()}
    firsts = {id: store.pairs.get(id).first_id for id in gold}
    all_votes, included_votes = votes_from_events(all_events), votes_from_events(included)
    report, pairs = report_agreement(included_votes), tuple(labeler_pairs(included_votes))
    return Overview(
        len(events),
        sum(ranked.values()),
        report,
        tuple(build_groups(store, included, (report, pairs))),
        tuple(labeler_figures(events, all_votes, ranked, gold, firsts, columns.skip_counts(KINDS[kind]))),
        tuple(labeler_pairs(all_votes)) if excluded else pairs,
        {account.id: account.name for account in store.accounts.all()},
        excluded,
        store.labeler_weights.newest(),
    )


def select_kind(events: np.ndarray, kind: str) -> np.ndarray:
    """Return the current comparisons of one of KINDS."""
    return events[current_mask(events) & np.isin(events["source"], [SOURCES.index(name) for name in KINDS[kind]])]


def build_groups(store: Store, events: np.ndarray, whole: ReportAndPairs) -> list[Group]:
    """Return agreement by project, guideline version and batch, each in the order of ids.

    `whole` covers all the events.
    """
    names = {project.id: project.name for project in store.projects.all()}
    versions = events["project"].astype(np.int64) * VERSIONS + events["version"]
    groups = [Group("project", names[id], report, pairs) for id, report, pairs in _by(events, events["project"], whole)]
    groups += [
        Group("guideline", names[id // VERSIONS], report, pairs, version=id % VERSIONS)
        for id, report, pairs in _by(events, versions, whole)
    ]
    return groups + [
        Group("batch", public_id(RUN, id) if id else "", report, pairs)
        for id, report, pairs in _by(events, events["run"], whole)
    ]


def _by(
    events: np.ndarray, column: np.ndarray, whole: ReportAndPairs
) -> list[tuple[int, AgreementReport, tuple[LabelerPair, ...]]]:
    rows = select_votes(events)
    votes = Votes(rows["pair"], rows["labeler"], rows["grade"])
    groups = split_by_group(votes, column[np.isin(events["rowid"], rows["rowid"])])
    if len(groups) == 1:  # the group is the whole, which is computed already
        return [(id, *whole) for id in groups]
    return [(id, report_agreement(part), tuple(labeler_pairs(part))) for id, part in groups.items()]


def weigh(store: Store, sources: Sequence[str], *, by: str) -> Weighting:
    """Fit and store the weight of each labeler's comparisons, from the current comparisons of these sources.

    Gold items and adjudicated pairs count as known; excluded labelers are left out. Raises BadInput without
    comparisons.
    """
    excluded = [labeler.labeler_id for labeler in store.excluded_labelers.all()]
    events = store.comparison_columns.comparisons()
    from_sources = np.isin(events["source"], [SOURCES.index(name) for name in sources])
    events = events[current_mask(events) & from_sources & ~np.isin(events["labeler"], excluded)]
    if not len(events):
        raise bad_input("need.weight_comparisons", field="labels", sources="+".join(sources))
    rows = select_votes(events)
    signs = store.comparison_columns.known_signs()
    known_signs = np.array([signs.get(pair, 0) for pair in rows["pair"].tolist()], np.int8)
    model = fit(Votes(rows["pair"], rows["labeler"], rows["grade"]), rows["left"], known_signs)
    ids, counts = np.unique(events["labeler"], return_counts=True)
    comparisons = dict(zip(ids.tolist(), counts.tolist(), strict=True))
    place = {int(id): number for number, id in enumerate(model.labeler) if model.votes[number]}
    weights = model.weights(comparisons)
    fitted_weights = []
    for id, count in comparisons.items():
        at = place.get(id)
        discrimination, error = (None, None) if at is None else (model.discrimination[at], model.error[at])
        fitted_weights.append(LabelerWeight(id, weights[id], _number(discrimination), _number(error), count))
    with store.transaction():
        weighting = store.labeler_weights.add("+".join(sources), int(model.votes.sum()), fitted_weights, by=by)
        store.audit.add(by, "weigh labelers", weighting=weighting.id)
        return weighting


def _number(value: np.floating | None) -> float | None:
    return None if value is None else float(value)
