# SPDX-License-Identifier: Apache-2.0
"""Training rows from events: one row per current comparison, never per pair.

Rankings and edits yield rows of their own (`data.views.preference_sql`). Ties are rows (label 0.5). Both-bad,
withdrawn and skipped never become one. Labels of people and imported ones by default; simulated ones, those of AI
labelers and gold items only if asked for by name. A researcher's verdict on a pair replaces its comparisons (source
'adjudication'), and labelers who are excluded are left out. Each row carries its prompt's split, and rows for
training hold none of the test split.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, Literal

from data.errors import BadInput
from data.formats.export.formats import make_pseudonym
from data.splits import SPLITS
from data.store import Store
from data.tables.verdicts import SOURCES
from data.texts import Translatable
from data.views.preference_sql import STATEMENTS

PEOPLE = ("person", "import")
ADJECTIVES = {"person": "human", "import": "imported", "simulated": "simulated", "ai": "AI"}
NO_WEIGHTS: Mapping[int, float] = {}
GOLD = "gold"
"""Named beside sources, it admits comparisons of gold items."""
Source = Sequence[str] | Literal["all"] | str
ADMIT_SIMULATED = "--set labels=simulated when training, --labels simulated when exporting"
"""The options that admit simulated labels, for messages."""

_WANTED = "source IN (SELECT value FROM json_each(:sources))"
_ADJUDICATED = "c.source != 'simulated' AND c.pair_id IN (SELECT pair_id FROM current_adjudications)"
_ASIDE = "c.labeler_id IN (SELECT labeler_id FROM labelers_aside)"
_ANSWER_RETRACTED = """c.pair_id IN (SELECT p.id FROM retracted AS x JOIN completions AS o ON o.id = x.row_id
        JOIN pairs AS p ON p.prompt_id = o.prompt_id AND o.id IN (p.first_id, p.second_id) WHERE x.kind = 'completion')"""
LEFT_OUT = f"""
SELECT (SELECT count(*) FROM counted_comparisons AS c WHERE c.{_WANTED} AND {_ASIDE}) AS labeler_excluded,
    (SELECT count(*) FROM counted_comparisons AS c WHERE c.{_WANTED} AND {_ADJUDICATED} AND NOT {_ASIDE}) AS pair_adjudicated,
    (SELECT count(*) FROM retracted AS x JOIN comparisons AS c ON c.id = x.row_id WHERE x.kind = 'comparison' AND c.{_WANTED})
    + (SELECT count(*) FROM retracted AS x JOIN rankings AS r ON r.id = x.row_id WHERE x.kind = 'ranking' AND r.{_WANTED})
    + (SELECT count(*) FROM counted_comparisons AS c WHERE c.{_WANTED} AND {_ANSWER_RETRACTED}
        AND NOT ({_ADJUDICATED}) AND NOT {_ASIDE}) AS retracted
"""
"""Comparisons that decisions of researchers leave out, each under the key of one reason."""
MARK = """
SELECT (SELECT max(rowid) FROM comparisons) AS comparisons, (SELECT max(rowid) FROM rankings) AS rankings,
    (SELECT max(id) FROM retractions) AS retractions, (SELECT max(id) FROM set_asides) AS set_asides,
    (SELECT max(rowid) FROM adjudications) AS adjudications, (SELECT count(*) FROM gold) AS gold
"""


@dataclass(frozen=True, slots=True)
class PreferenceRow:
    """One current comparison as training sees it: a stood left, b right.

    `label` 1 if a is better, 0.5 for a tie, 0.

    `kind`: 'comparison', or what else it follows from: 'adjudication', 'ranking', 'edit'. Rows of one ranking or
    one answer have one `said_in`.
    """

    comparison_id: str
    prompt_id: int
    prompt: str
    messages: list[dict] | None
    split: str
    a_id: str
    b_id: str
    a_text: str
    b_text: str
    a_token_ids: list[int] | None
    b_token_ids: list[int] | None
    label: float
    margin: int
    weight: float
    source: str
    labeler_id: int
    labeler: str
    project: str
    guideline_version: int
    kind: str = "comparison"
    said_in: str = ""
    a_model: str = ""
    b_model: str = ""

    @property
    def chosen(self) -> str | None:
        """Return the better answer's text; None for a tie."""
        return None if self.label == 0.5 else (self.a_text if self.label == 1.0 else self.b_text)

    @property
    def rejected(self) -> str | None:
        """Return the worse answer's text; None for a tie."""
        return None if self.label == 0.5 else (self.b_text if self.label == 1.0 else self.a_text)


def preference_rows(
    store: Store, *, source: Source = PEOPLE, split: str | None = None, weights: Mapping[int, float] | None = None
) -> list[PreferenceRow]:
    """Return the rows of one, several or all sources, in the order of the events.

    Sources are 'person', 'import', 'simulated' and 'ai'.

    `split` keeps one split's; `weights` maps a labeler's id to a weight, 1 by default. Raises BadInput,
    naming the setting that admits other labels, if the sources have no row in any split.
    """
    if split is not None and split not in SPLITS:
        raise BadInput.of("error.split", field="split", split=split, known=", ".join(SPLITS))
    return [row for row in stream_rows(store, source=source, weights=weights) if split in (None, row.split)]


def change_mark(store: Store) -> tuple[int | None, ...]:
    """Return numbers that differ whenever the rows may have changed; reading them costs no more in a large store."""
    return tuple(store.one(MARK).values())


def stream_rows(
    store: Store, *, source: Source = PEOPLE, weights: Mapping[int, float] | None = None
) -> Iterator[PreferenceRow]:
    """Yield the rows of `preference_rows`, of every split, one at a time. Raises as `preference_rows`."""
    wanted, gold = parse_sources(source)
    statements = store.stream(STATEMENTS, {"sources": json.dumps(wanted), "gold": gold})
    first = next(statements, None)
    if first is None:
        raise _nothing(store, wanted)
    for row in chain((first,), statements):
        yield read_row(row, weights or {})


def freeze_row(row: PreferenceRow) -> dict[str, Any]:
    """Return the row as a snapshot stores it.

    It holds the labeler's number and pseudonym, since a name may change or be erased later. The ids of the answers
    stand for their models.
    """
    frozen = {name: value for name, value in asdict(row).items() if name not in ("a_model", "b_model")}
    return frozen | {"labeler": make_pseudonym(row.labeler_id)}


def thaw_row(row: Mapping[str, Any]) -> PreferenceRow:
    """Return the row of a snapshot. Earlier versions froze labelers' names: these rows too bear pseudonyms."""
    return PreferenceRow(**{**row, "labeler": make_pseudonym(row["labeler_id"])})


def count_excluded(store: Store, source: Source = PEOPLE) -> dict[str, int]:
    """Count the current comparisons that researchers' decisions exclude, by reason."""
    counts = store.one(LEFT_OUT, {"sources": json.dumps(parse_sources(source)[0])})
    return {Translatable.of(f"omitted.{reason}"): count for reason, count in counts.items() if count}


def snapshot_filters(store: Store, source: Source, **more: Any) -> dict[str, Any]:  # noqa: ANN401 (the values of columns and fields have many types)
    """Return the filters of a snapshot of the current rows.

    They name the sources, the numbers of excluded labelers, and the numbers of adjudications and retracted rows.
    """
    excluded = sorted(labeler.labeler_id for labeler in store.excluded_labelers.all())
    retracted = count_excluded(store, source).get("retracted")
    decided = store.value("SELECT count(*) FROM current_adjudications")
    written = source if isinstance(source, str) else "+".join(source)
    return {
        "labels": written,
        **({"set_aside": excluded} if excluded else {}),
        **({"adjudicated": decided} if decided else {}),
        **({"retracted": retracted} if retracted else {}),
        **more,
    }


def parse_sources(source: Source) -> tuple[list[str], bool]:
    """Return the sources that are meant, and whether gold items count. Raises BadInput for a name that is none."""
    given = source.split("+") if isinstance(source, str) else list(source)
    names = [name for part in given for name in (SOURCES if part == "all" else (part,))]
    for name in names:
        if name not in (*SOURCES, GOLD):
            raise BadInput.of("error.label_source", field="labels", name=name, known=", ".join(SOURCES))
    return [name for name in names if name != GOLD], GOLD in names


def _nothing(store: Store, sources: Sequence[str]) -> BadInput:
    excluded = count_excluded(store, sources)
    if "retracted" in excluded and len(excluded) == 1:
        return BadInput.of("error.all_retracted", field="labels")
    if excluded:
        return BadInput.of("error.all_excluded", field="labels")
    others = {name: count for name in SOURCES if name not in sources and (count := store.comparisons.count(name))}
    if others:
        first = next(iter(others))
        if "person" in sources and len(others) == 1:
            return BadInput.of(f"error.only_{first}", count=others[first], field="labels")
        counts = " and ".join(f"{count:,} {ADJECTIVES[name]}" for name, count in others.items())
        wanted = " or ".join(ADJECTIVES[name] for name in sources)
        missing = "comparisons by people yet" if "person" in sources else f"{wanted} comparisons"
        return BadInput.of(
            "error.other_labels", field="labels", missing=missing, counts=counts, labels="+".join(others), first=first
        )
    return BadInput.of("error.no_comparisons", admit=ADMIT_SIMULATED, field="labels")


def read_row(row: Mapping[str, Any], weights: Mapping[int, float] = NO_WEIGHTS) -> PreferenceRow:
    """Return a row of the statements in `data.views.preference_sql`; `weights` maps labelers' ids to weights."""
    values = dict(row)
    winner = values.pop("winner_id")
    for name in ("messages", "a_token_ids", "b_token_ids"):
        values[name] = values[name] and json.loads(values[name])
    label = 0.5 if winner is None else float(winner == values["a_id"])
    weight = values.pop("share") * weights.get(values["labeler_id"], 1.0)
    return PreferenceRow(**values, label=label, weight=float(weight))
