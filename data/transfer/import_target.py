# SPDX-License-Identifier: Apache-2.0
"""The target of an import: the store, the import's number, and commits that leave time for other writers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, NamedTuple, Protocol, TypeVar

from data.formats.shapes import PromptShape
from data.ids import canonical_json
from data.records import Account
from data.sqlite.schema.projects import STANDARD_PROJECT
from data.store import Store
from data.tables.imports import PAUSE, Pace
from data.tables.prompts import COLUMNS, prompt_row
from data.tables.verdicts import MACHINES

SIMULATED = "simulated"
OF_PROMPTS = "SELECT hash, id FROM prompts WHERE hash IN (SELECT value FROM json_each(?))"


Result = TypeVar("Result")


class ImportRow(NamedTuple):
    """A shape, the hash of its row, the event that the row names as its origin, and the characters of its texts.

    `joined`: the hashes of the rows that became one, such as those of a ranking.
    """

    shape: Any
    hash: str
    comparison: str | None = None
    size: int = 0
    joined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportTarget:
    """The target of rows: store, import number, file name, pace of commits, labeling project.

    `apart` gives each labeler of the file an account. `authors` are the accounts so far, by their names.
    """

    store: Store
    import_id: int
    source: str
    pace: Pace
    apart: bool = True
    project_id: int = STANDARD_PROJECT[0]
    authors: dict[str, Account] = field(default_factory=dict)

    def write(self, verb: Callable[..., Result], *rows: object, **about: object) -> Result:
        """Commit once, then rest as long as the commit took, so other writers get half of the time."""
        began = time.monotonic()
        result = verb(*rows, **about)
        took = time.monotonic() - began
        self.pace.took(took)
        time.sleep(max(PAUSE, took))
        return result

    def prompt_ids(self, shapes: Sequence[PromptShape]) -> list[int]:
        """Return the ids of prompts, in order; add missing prompts."""
        rows = [prompt_row(**make_prompt_values(shape, self.source)) for shape in shapes]
        self.add_prompts(rows)
        ids = {
            row["hash"]: row["id"] for row in self.store.rows(OF_PROMPTS, [canonical_json([row[0] for row in rows])])
        }
        return [ids[row[0]] for row in rows]

    def add_prompts(self, rows: Sequence[tuple]) -> int:
        """Write prompts; return how many were new."""
        return self.write(
            self.store.insert_many, "prompts", (*COLUMNS, "import_id"), [(*row, self.import_id) for row in rows]
        )

    def completion(self, prompt_id: int, text: str, model: str | None, number: int = 0) -> dict[str, Any]:
        """Return an answer as `Completions.add_many` takes it; without a model it has the file's name."""
        name = model or self.source.removesuffix(PurePath(self.source).suffix)
        return {"prompt_id": prompt_id, "text": text, "model_name": name, "number": number, "import_id": self.import_id}

    def author(self, labeler: str, source: str) -> Account:
        """Return the account of the file, or of one labeler in it; nobody can sign in to it.

        Simulated and AI labelers always have one each. Only the former is marked: an AI labeler has no assignments.
        """
        who = f"{source} {labeler}".rstrip() if source in MACHINES else labeler if self.apart else ""
        name = f"file:{self.source}" + (f" ({who})" if who else "")
        if name not in self.authors:
            accounts = self.store.accounts
            self.authors[name] = accounts.by_name(name) or accounts.add(name, "labeler", simulated=source == SIMULATED)
        return self.authors[name]


class Inserter(Protocol):
    """Writes rows of one kind into the store."""

    def add(self, chunk: Sequence[ImportRow], into: ImportTarget) -> int:
        """Write a chunk in its own commits; return how many rows were new."""


def make_prompt_values(shape: PromptShape, source: str) -> dict[str, Any]:
    """Return a prompt as the arguments of `data.tables.prompts.prompt_row`."""
    return {
        "text": shape.text,
        "messages": shape.messages,
        "source": source,
        "family": shape.family,
        "facts": shape.facts,
    }
