"""A row on its way into the store: where it goes, how much is written at once, and what brings it there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple, Protocol

from data.formats.shapes import PromptShape
from data.ids import canonical_json
from data.records import Account
from data.sqlite.migrations import STANDARD_PROJECT
from data.store import Store
from data.tables.imports import PAUSE, Pace
from data.tables.prompts import COLUMNS, prompt_row

OF_PROMPTS = "SELECT hash, id FROM prompts WHERE hash IN (SELECT value FROM json_each(?))"


class ImportRow(NamedTuple):
    """A shape, the hash of the row that it was read from, and the event of which the row says that it is from there."""

    shape: Any
    hash: str
    comparison: str | None = None


@dataclass(frozen=True, slots=True)
class ImportTarget:
    """Where rows go: the store, the number of the import, the name of the file at hand, how many at once, into which labeling project.

    `apart`: the file's labelers are kept apart.
    """

    store: Store
    import_id: int
    source: str
    pace: Pace
    apart: bool = True
    project_id: int = STANDARD_PROJECT[0]

    def write(self, verb: Callable[..., Any], *rows: Any, **about: Any) -> Any:
        """Do one commit, and rest for as long as it took: whoever else wants to write finds the file free half of the time."""
        began = time.monotonic()
        result = verb(*rows, **about)
        took = time.monotonic() - began
        self.pace.took(took)
        time.sleep(max(PAUSE, took))
        return result

    def prompt_ids(self, shapes: Sequence[PromptShape]) -> list[int]:
        """The ids of prompts, in order; those that are not there are added."""
        rows = [prompt_row(**make_prompt_values(shape, self.source)) for shape in shapes]
        self.add_prompts(rows)
        ids = {
            row["hash"]: row["id"] for row in self.store.rows(OF_PROMPTS, [canonical_json([row[0] for row in rows])])
        }
        return [ids[row[0]] for row in rows]

    def add_prompts(self, rows: Sequence[tuple]) -> int:
        """Write prompts; how many were new."""
        return self.write(
            self.store.insert_many, "prompts", (*COLUMNS, "import_id"), [(*row, self.import_id) for row in rows]
        )

    def completion(self, prompt_id: int, text: str, model: str | None, number: int = 0) -> dict[str, Any]:
        """An answer as `Completions.add_many` takes it; without a model it is the file's."""
        name = model or PurePath(self.source).stem
        return {"prompt_id": prompt_id, "text": text, "model_name": name, "number": number, "import_id": self.import_id}

    def author(self, name: str, *, simulated: bool) -> Account:
        """The account that stands for the file, or for one labeler of it; nobody can log in as it."""
        return self.store.accounts.by_name(name) or self.store.accounts.add(name, "labeler", simulated=simulated)


class Inserter(Protocol):
    """Rows of one kind on their way into the store."""

    def add(self, chunk: Sequence[ImportRow], into: ImportTarget) -> int:
        """Write a chunk in commits of its own; how many of the rows were new."""


def make_prompt_values(shape: PromptShape, source: str) -> dict[str, Any]:
    """A prompt as `data.tables.prompts.prompt_row` takes it."""
    return {
        "text": shape.text,
        "messages": shape.messages,
        "source": source,
        "family": shape.family,
        "facts": shape.facts,
    }
