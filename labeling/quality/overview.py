"""Everything that the Labels page and `preference-loop labels` say about the labels of one kind of source, worked out at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import BadInput
from data.ids import RUN, public_id
from data.store import Store
from data.tables.comparison_columns import SOURCES, current_mask
from data.tables.labeler_weights import LabelerWeight, Weighting
from labeling.quality.agreement import AgreementReport, Votes, by_group, first_answers, report, votes_of
from labeling.quality.labeler_report import LabelerFigures, LabelerPair, labeler_figures, labeler_pairs
from labeling.quality.reliability import fit

Agreed = tuple[AgreementReport, tuple[LabelerPair, ...]]
KINDS = {"people": ("person", "import"), "simulated": ("simulated",)}
"""Whose labels: people's with imported ones, or simulated ones; the two are never mixed."""


@dataclass(frozen=True, slots=True)
class Group:
    """Agreement among the votes of one project, batch (the run that made the pairs) or guideline version."""

    kind: str
    name: str
    report: AgreementReport
    labeler_pairs: tuple[LabelerPair, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """`report` and `groups` leave out labelers who are set aside; `labelers` and `between` have everybody. `names` are of all ids.

    Agreement is that of comparisons and of rankings' pairs of answers; the other figures are of comparisons alone.
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
        """The labeler's weight in the newest weighting; None where there is none."""
        return self.weighting.by_labeler().get(labeler_id) if self.weighting else None

    def agreement_json(self) -> dict[str, Any]:
        """What `preference-loop labels agreement` gives."""
        groups = [
            {"by": one.kind, "name": one.name, **one.report.as_json(), "between": self._two_by_two(one.labeler_pairs)}
            for one in self.groups
        ]
        whole = {"comparisons": self.comparisons, "rankings": self.rankings, **self.report.as_json()}
        return whole | {"groups": groups, "between": self._two_by_two(self.labeler_pairs)}

    def labelers_json(self) -> dict[str, Any]:
        """What `preference-loop labels quality` gives."""
        return {"labelers": [self._labeler_json(one) for one in self.labelers]}

    def _two_by_two(self, pairs: Sequence[LabelerPair]) -> list[dict[str, Any]]:
        return [
            {"labelers": [self.names[two.first], self.names[two.second]], **two.agreement.as_json()} for two in pairs
        ]

    def _labeler_json(self, one: LabelerFigures) -> dict[str, Any]:
        shares = ("agreement", "gold", "consistency", "left", "ties", "both_bad", "skips")
        about = {
            "labeler": self.names[one.labeler_id],
            "comparisons": one.comparisons,
            "rankings": one.rankings,
            "seconds": one.seconds,
        }
        told = {name: getattr(one, name).as_json() for name in shares}
        return about | told | {"weight": self.weight(one.labeler_id), "set_aside": self.excluded.get(one.labeler_id)}


def build_overview(store: Store, kind: str, events: np.ndarray | None = None) -> Overview:
    """The figures of one of KINDS as the store has it now; `events` are its columns, where they are at hand."""
    events = of_kind(store.comparison_columns.comparisons() if events is None else events, kind)
    judged = np.concatenate([events, of_kind(store.comparison_columns.rankings(), kind)])
    ranked = store.comparison_columns.ranking_counts(KINDS[kind])
    aside = {one.labeler_id: one.reason for one in store.excluded_labelers.all()}
    kept = judged[~np.isin(judged["labeler"], list(aside))]
    gold = {item.pair_id: item for item in store.gold.all()}
    firsts = {id: store.pairs.get(id).first_id for id in gold}
    votes, counted = votes_of(judged), votes_of(kept)
    whole, two_by_two = report(counted), tuple(labeler_pairs(counted))
    return Overview(
        len(events),
        sum(ranked.values()),
        whole,
        tuple(groups(store, kept, (whole, two_by_two))),
        tuple(labeler_figures(events, votes, ranked, gold, firsts, store.comparison_columns.skip_counts(KINDS[kind]))),
        tuple(labeler_pairs(votes)) if aside else two_by_two,
        {account.id: account.name for account in store.accounts.all()},
        aside,
        store.labeler_weights.newest(),
    )


def of_kind(events: np.ndarray, kind: str) -> np.ndarray:
    """The current comparisons of one of KINDS."""
    return events[current_mask(events) & np.isin(events["source"], [SOURCES.index(name) for name in KINDS[kind]])]


def groups(store: Store, events: np.ndarray, whole: Agreed) -> list[Group]:
    """Agreement by project, by guideline version and by batch, each in the order of its ids; `whole` is that of all these events."""
    names = {project.id: project.name for project in store.projects.all()}
    versions = events["project"].astype(np.int64) * 100_000 + events["version"]
    found = [Group("project", names[id], *rest) for id, *rest in _by(events, events["project"], whole)]
    found += [
        Group("guideline", f"{names[id // 100_000]}, version {id % 100_000}", *rest)
        for id, *rest in _by(events, versions, whole)
    ]
    return found + [
        Group("batch", public_id(RUN, id) if id else "imported or by hand", *rest)
        for id, *rest in _by(events, events["run"], whole)
    ]


def _by(
    events: np.ndarray, column: np.ndarray, whole: Agreed
) -> list[tuple[int, AgreementReport, tuple[LabelerPair, ...]]]:
    chosen = first_answers(events)
    parts = by_group(
        Votes(chosen["pair"], chosen["labeler"], chosen["grade"]), column[np.isin(events["rowid"], chosen["rowid"])]
    )
    alone = len(parts) == 1  # one group is everything: worked out once
    return [(id, *(whole if alone else (report(votes), tuple(labeler_pairs(votes))))) for id, votes in parts.items()]


def weigh(store: Store, sources: Sequence[str], *, by: str) -> Weighting:
    """Work out and keep what each labeler's comparisons weigh, from the current comparisons of these sources.

    Gold items and adjudicated pairs count as known; labelers who are set aside are left out. Raises BadInput where nothing was compared.
    """
    aside = [one.labeler_id for one in store.excluded_labelers.all()]
    events = store.comparison_columns.comparisons()
    wanted = np.isin(events["source"], [SOURCES.index(name) for name in sources]) & ~np.isin(events["labeler"], aside)
    events = events[current_mask(events) & wanted]
    if not len(events):
        raise BadInput(
            f"there are no comparisons ({'+'.join(sources)}) to weigh labelers by",
            "Compare some pairs first.",
            field="labels",
        )
    chosen = first_answers(events)
    signs = store.comparison_columns.known_signs()
    known = np.array([signs.get(pair, 0) for pair in chosen["pair"].tolist()], np.int8)
    found = fit(Votes(chosen["pair"], chosen["labeler"], chosen["grade"]), chosen["left"], known)
    ids, counts = np.unique(events["labeler"], return_counts=True)
    given = dict(zip(ids.tolist(), counts.tolist(), strict=True))
    at = {int(id): place for place, id in enumerate(found.labeler) if found.votes[place]}
    weights = found.weights(given)
    rows = [
        LabelerWeight(
            id,
            weights[id],
            *((float(found.discrimination[at[id]]), float(found.error[at[id]])) if id in at else (None, None)),
            n,
        )
        for id, n in given.items()
    ]
    return store.labeler_weights.add("+".join(sources), int(found.votes.sum()), rows, by=by)
