# SPDX-License-Identifier: Apache-2.0
"""Export: rows of the store as files for other tools, each with its event and its source.

Rows are streamed, so memory does not grow with their number. A file or folder appears whole or not at all. Labelers
have pseudonyms unless the request asks for names. The layer that knows models writes them: `MODEL_EXPORTERS` names
its functions by text, since imports go down only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from data.errors import BadInput
from data.formats.export.formats import (
    FORMATS,
    INSTRUCTIONS,
    PROMPTS,
    add_tool_columns,
    list_columns,
)
from data.formats.export.tables import KINDS
from data.formats.writing import write_rows, write_splits
from data.store import Store
from data.tables.verdicts import MACHINES
from data.transfer.cards.croissant import describe_files
from data.transfer.cards.data_card import DataCard
from data.transfer.exported_rows import instruction_dicts, preference_dicts, prompt_dicts
from data.views.event_stream import COLUMNS as EVENT_COLUMNS
from data.views.event_stream import stream_events
from data.views.preferences import PEOPLE, count_excluded, snapshot_filters, stream_rows

MODEL_EXPORTERS = {"policy": "rlhf.export:export_policy", "reward-model": "rlhf.export:export_reward_model"}
"""'policy' and 'reward-model' -> "module:function"(store, id, out, *, merge, force) -> {rows, omitted, files}."""

DEFAULT_LABELS = "+".join(PEOPLE)
LABELS = ("person", "import", DEFAULT_LABELS, *MACHINES, "all")
"""Sources of the comparisons to export: one, people and files together, or all."""
MODELS = ("policy", "reward-model")
WHAT = (*FORMATS, *MODELS)
FILES = tuple(f"{kind}{packed}" for kind in KINDS for packed in ("", ".gz") if (kind, packed) != ("parquet", ".gz"))


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """A request to export: `form` is a format of `what` (None: its first one), `labels` names sources.

    `project` limits the rows to one labeling project; `names` writes labelers' names instead of pseudonyms. Raises
    BadInput for a combination that does not exist.
    """

    what: str
    form: str | None = None
    labels: str = DEFAULT_LABELS
    project: str | None = None
    names: bool = False

    def __post_init__(self) -> None:
        if self.shape not in FORMATS[self.what]:
            raise BadInput.of(
                "error.export_format",
                field="format",
                what=self.what,
                form=self.form,
                known=", ".join(FORMATS[self.what]),
            )
        if self.project and self.what in ("instructions", "prompts"):
            raise BadInput.of("error.export_project", field="project", what=self.what)

    @property
    def shape(self) -> str:
        """Return the name of the format."""
        return self.form or FORMATS[self.what][0]

    def rows(self, store: Store, omitted: Counter[str]) -> Iterator[dict]:
        """Yield the rows; `omitted` counts the others by their reason."""
        project = store.projects.by_name(self.project) if self.project else None
        if self.what == "preferences":
            rows = stream_rows(store, source=self.labels)
            omitted.update(count_excluded(store, self.labels))
            chosen = (row for row in rows if project is None or row.project == project.name)
            return preference_dicts(chosen, self.shape, omitted, names=self.names)
        if self.what == "instructions":
            return instruction_dicts(store, INSTRUCTIONS[self.shape], omitted)
        if self.what == "prompts":
            return prompt_dicts(store, PROMPTS[self.shape], omitted)
        return stream_events(store, project_id=project.id if project else None, names=self.names)

    def columns(self, store: Store) -> dict[str, str]:
        """Return the columns of a table of these rows."""
        columns = EVENT_COLUMNS if self.what == "events" else list_columns(self.what, self.shape)
        return add_tool_columns(columns, self.shape) if store.prompts.call_tools() else columns

    def chosen(self, store: Store) -> dict[str, Any]:
        """Return the researchers' decisions about the labels, for the audit list."""
        label_filters = snapshot_filters(store, self.labels) if self.what == "preferences" else {}
        return {name: value for name, value in label_filters.items() if name != "labels"}

    @property
    def description(self) -> dict[str, Any]:
        """Return the request, for the audit list and the card."""
        chosen = {"project": self.project, "names": self.names or None}
        return {"what": self.what, "format": self.shape, "labels": self.labels} | {
            name: value for name, value in chosen.items() if value
        }


def export_rows(
    store: Store, out: Path | str, request: ExportRequest, *, force: bool = False, by: str = "command line"
) -> dict:
    """Write one file -> {rows, omitted: {reason: n}, files}.

    Its name decides its kind: .jsonl, .json (an array), .csv, .parquet, .gz. `by` is the actor in the audit list.
    Raises BadInput if there are no rows, or if `out` exists (without `force`).
    """
    out, omitted = Path(out).expanduser(), Counter[str]()
    count = write_rows(out, request.rows(store, omitted), columns=request.columns(store), force=force)
    store.audit.add(by, "export", file=out.name, rows=count, **request.description, **request.chosen(store))
    return {"rows": count, "omitted": dict(omitted), "files": [str(out)]}


def export_dataset(
    store: Store,
    out: Path | str,
    request: ExportRequest,
    kind: str = KINDS[0],
    *,
    force: bool = False,
    by: str = "command line",
) -> dict:
    """Write a folder for the Hugging Face hub -> as `export_rows`.

    It has a file per split, a data card and Croissant metadata.

    `kind` is one of FILES. Raises BadInput as `export_rows`.
    """
    if kind not in FILES:
        raise BadInput.of("error.export_files", field="files", what=kind, known=", ".join(FILES))
    out, omitted = Path(out).expanduser(), Counter[str]()
    card = DataCard(store, out.name, request.description, kind, request.columns(store))
    rows = card.watched(request.rows(store, omitted))

    def documents(folder: Path, counts: Mapping[str, int]) -> dict[str, str]:
        croissant = describe_files(folder, out.name, card.summary, [f"{split}.{kind}" for split in counts], card.typed)
        return {"README.md": card.text(folder, counts, omitted), "croissant.json": croissant}

    counts = write_splits(out, rows, kind, columns=card.columns, documents=documents, force=force)
    count = sum(counts.values())
    store.audit.add(by, "export", file=out.name, rows=count, **request.description, **request.chosen(store))
    return {"rows": count, "omitted": dict(omitted), "files": [str(path) for path in sorted(out.iterdir())]}


def export_model(
    store: Store,
    out: Path | str,
    what: str,
    id: str,
    *,
    merge: bool = False,
    force: bool = False,
    by: str = "command line",
) -> dict:
    """Write a policy or a reward model to the folder `out` by the function in `MODEL_EXPORTERS`."""
    module, _, function = MODEL_EXPORTERS[what].partition(":")
    out = Path(out).expanduser()
    report = getattr(import_module(module), function)(store, id, out, merge=merge, force=force)
    store.audit.add(by, "export", what=what, id=id, file=out.name)
    return report
