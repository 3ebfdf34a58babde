"""Export: the store's rows as files that other tools read, each traceable to its event and marked with its source.

Rows are streamed: a million need no more memory than a thousand. A file or folder appears whole or not at all. Labelers bear
pseudonyms unless their names are asked for. Policies and reward models are written by the floor that knows models:
`MODEL_EXPORTERS` names its functions, filled in where the application is put together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from data.errors import BadInput
from data.formats.export_shapes import FORMATS, FULL, INSTRUCTIONS, PREFERENCES, list_columns, make_pseudonym
from data.formats.rows.fields import BadRow
from data.formats.shapes import InstructionShape, PreferenceShape, PromptShape
from data.formats.tables import KINDS
from data.formats.writing import write_rows, write_splits
from data.records import Instruction
from data.store import Store
from data.transfer.data_card import DataCard
from data.views.event_stream import COLUMNS as EVENT_COLUMNS
from data.views.event_stream import stream_events
from data.views.preferences import PEOPLE, PreferenceRow, count_excluded, snapshot_filters, stream_rows

MODEL_EXPORTERS = {"policy": "rlhf.export:export_policy", "reward-model": "rlhf.export:export_reward_model"}
"""'policy' and 'reward-model' -> "module:function"(store, id, out, *, merge, force) -> {rows, omitted, files}."""

LABELS = {"person": PEOPLE, "simulated": ("simulated",), "all": "all"}
MODELS = ("policy", "reward-model")
WHAT = (*FORMATS, *MODELS)
FILES = tuple(f"{kind}{packed}" for kind in KINDS for packed in ("", ".gz") if (kind, packed) != ("parquet", ".gz"))


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is to be exported: `form` is one of the formats of `what` (its first where None), `labels` one of LABELS.

    `project` keeps one labeling project's; `names` gives labelers' names in place of pseudonyms. Raises BadInput for a wish
    that cannot be met.
    """

    what: str
    form: str | None = None
    labels: str = "person"
    project: str | None = None
    names: bool = False

    def __post_init__(self) -> None:
        if self.shape not in FORMATS[self.what]:
            raise BadInput(
                f"{self.what} cannot be written as {self.form!r}",
                f"Take one of {', '.join(FORMATS[self.what])}.",
                field="format",
            )
        if self.project and self.what == "instructions":
            raise BadInput("instructions belong to no project", "Leave the project away.", field="project")

    @property
    def shape(self) -> str:
        """The format."""
        return self.form or FORMATS[self.what][0]

    def rows(self, store: Store, omitted: Counter[str]) -> Iterator[dict]:
        """The rows; what is left out is counted by its reason."""
        project = store.projects.by_name(self.project) if self.project else None
        if self.what == "preferences":
            found = stream_rows(store, source=LABELS[self.labels])
            omitted.update(count_excluded(store, LABELS[self.labels]))
            return _preferences((row for row in found if project is None or row.project == project.name), self, omitted)
        if self.what == "instructions":
            return _instructions(store, self.shape, omitted)
        return stream_events(store, project_id=project and project.id, names=self.names)

    @property
    def columns(self) -> dict[str, str]:
        """The columns of a table of these rows."""
        return EVENT_COLUMNS if self.what == "events" else list_columns(self.what, self.shape)

    def chosen(self, store: Store) -> dict[str, Any]:
        """What researchers decided about the labels, for the audit list: see `data.views.preferences.filters`."""
        found = snapshot_filters(store, LABELS[self.labels]) if self.what == "preferences" else {}
        return {name: value for name, value in found.items() if name != "labels"}

    @property
    def told(self) -> dict[str, Any]:
        """The wish for the audit list and the card."""
        chosen = {"project": self.project, "names": self.names or None}
        return {"what": self.what, "format": self.shape, "labels": self.labels} | {
            name: value for name, value in chosen.items() if value
        }


def export_rows(
    store: Store, out: Path | str, wish: ExportRequest, *, force: bool = False, by: str = "command line"
) -> dict:
    """Write one file -> {rows, omitted: {reason: n}, files}. Its name says its kind: .jsonl, .json (an array), .csv, .parquet, .gz.

    Raises BadInput where there is nothing to write, or `out` exists (without `force`). `by` is who does it, for the audit list.
    """
    out, omitted = Path(out).expanduser(), Counter()
    count = write_rows(out, wish.rows(store, omitted), columns=wish.columns, force=force)
    store.audit.add(by, "export", file=out.name, rows=count, **wish.told, **wish.chosen(store))
    return {"rows": count, "omitted": dict(omitted), "files": [str(out)]}


def export_dataset(
    store: Store,
    out: Path | str,
    wish: ExportRequest,
    kind: str = KINDS[0],
    *,
    force: bool = False,
    by: str = "command line",
) -> dict:
    """Write a folder as the Hugging Face hub wants it, with a file for each split and a data card -> as `export_rows`.

    `kind` is one of FILES. Raises BadInput likewise.
    """
    if kind not in FILES:
        raise BadInput(f"{kind!r} is no kind of file", f"Take one of {', '.join(FILES)}.", field="files")
    out, omitted = Path(out).expanduser(), Counter()
    card = DataCard(store, out.name, wish.told, kind, wish.columns)
    rows = card.watched(wish.rows(store, omitted))
    counts = write_splits(
        out, rows, kind, columns=wish.columns, readme=lambda counts: card.text(counts, omitted), force=force
    )
    count = sum(counts.values())
    store.audit.add(by, "export", file=out.name, rows=count, **wish.told, **wish.chosen(store))
    return {"rows": count, "omitted": dict(omitted), "files": [str(path) for path in sorted(out.iterdir())]}


def export_model(
    store: Store, out: Path | str, what: str, id: str, *, merge: bool = False, force: bool = False
) -> dict:
    """Write a policy or a reward model to the folder `out` by the function in `MODEL_EXPORTERS`."""
    module, _, function = MODEL_EXPORTERS[what].partition(":")
    return getattr(import_module(module), function)(store, id, Path(out).expanduser(), merge=merge, force=force)


def _preferences(rows: Iterable[PreferenceRow], wish: ExportRequest, omitted: Counter[str]) -> Iterator[dict]:
    for row in rows:
        about = _about(row, wish.names)
        if wish.shape == FULL:
            yield {name: getattr(row, name) for name in list_columns("preferences", FULL) if name not in about} | about
        elif row.label == 0.5:
            omitted["tie"] += 1
        else:
            shape = PreferenceShape(PromptShape(row.prompt, row.messages), row.chosen, row.rejected, row.margin)
            yield from _written(PREFERENCES[wish.shape], shape, about, omitted)


def _instructions(store: Store, form: str, omitted: Counter[str]) -> Iterator[dict]:
    origins = store.demonstrations.origins()
    for row in store.instructions.stream():
        shape = _instruction_shape(store, row)
        about = {"source": row.source, "defects": row.defects, "split": row.split}
        if origin := origins.get(row.id):
            written = {
                "author": make_pseudonym(origin.author_id),
                "written_at": origin.created_at,
                "guideline_version": origin.guideline_version,
            }
            about |= written
        yield from _written(INSTRUCTIONS[form], shape, about, omitted)


def _written(write: Callable[[Any], dict], shape: Any, about: dict, omitted: Counter[str]) -> Iterator[dict]:
    """The row, or none where the format cannot say it, which is counted."""
    try:
        yield write(shape) | about
    except BadRow as bad:
        omitted[bad.reason] += 1


def _instruction_shape(store: Store, row: Instruction) -> InstructionShape:
    messages = store.prompts.get(row.prompt_id).messages
    return InstructionShape(row.instruction, row.input, row.output, messages)


def _about(row: PreferenceRow, names: bool) -> dict:
    """What leads from an exported row back to its event; the labeler by pseudonym, unless names are wanted."""
    return {
        "margin": row.margin,
        "source": row.source,
        "split": row.split,
        "weight": row.weight,
        "comparison": row.comparison_id,
        "labeler": row.labeler if names else make_pseudonym(row.labeler_id),
        "project": row.project,
        "guideline_version": row.guideline_version,
        "kind": row.kind,
        "said_in": row.said_in,
    }
