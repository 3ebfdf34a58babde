"""Imported shapes into the store: prepared a chunk at a time, and made to count by one last, short commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple, Protocol

from data.clock import now
from data.comparisons import COLUMNS as EVENT
from data.comparisons import NewComparison
from data.formats.shapes import CompletionShape, PreferenceShape, PromptShape
from data.ids import dumps, imported_id
from data.prompts import COLUMNS, prompt_row
from data.store import Store

SIMULATED = "simulated"
ASSIGNED = EVENT.index("assignment_id")
ASSIGNMENT = ("id", "pair_id", "labeler_id", "left_id", "right_id", "expires_at", "created_at")
KNOWN = "SELECT count(*) FROM completions WHERE id IN (SELECT value FROM json_each(?))"
UNPAIRED = """
SELECT id, prompt_id, before FROM (
    SELECT c.rowid AS place, c.id, c.prompt_id, (
        SELECT b.id FROM completions AS b WHERE b.prompt_id = c.prompt_id AND b.rowid < c.rowid ORDER BY b.rowid DESC LIMIT 1
    ) AS before
    FROM completions AS c WHERE c.id IN (SELECT value FROM json_each(?))
    AND NOT EXISTS (SELECT 1 FROM pairs AS p WHERE p.prompt_id = c.prompt_id AND c.id IN (p.first_id, p.second_id))
) WHERE before IS NOT NULL ORDER BY place
"""
VERDICTS = {3: "_much", 2: "", 1: "_slightly"}


class Good(NamedTuple):
    """A shape and the hash of the row that it was read from."""

    shape: Any
    hash: str


Answer = tuple[str, str | None]  # text, model where the file names it


class Inserter(Protocol):
    """Rows of one kind on their way into the store."""

    def prepare(self, chunk: Sequence[Good]) -> None:
        """Do what takes time. May commit, a chunk at a time, what means nothing before `publish`, and is found again."""

    def publish(self) -> int:
        """Write what makes all chunks count; how many rows were new. Called once, inside a transaction of the caller's."""


class Prompts:
    """Prompts are the same where their normalised texts are."""

    def __init__(self, store: Store, source: str) -> None:
        self._store, self._source = store, source
        self._rows: list[tuple] = []

    def prepare(self, chunk: Sequence[Good]) -> None:
        """Work out hashes and splits."""
        self._rows += [prompt_row(**_prompt(good.shape, self._source)) for good in chunk]

    def publish(self) -> int:
        """Write the prompts."""
        return self._store.insert_many("prompts", COLUMNS, self._rows)


class Instructions:
    """Instruction rows, each with its prompt."""

    def __init__(self, store: Store, source: str) -> None:
        self._store, self._source = store, source
        self._prompts = Prompts(store, source)
        self._rows: list[tuple] = []

    def prepare(self, chunk: Sequence[Good]) -> None:
        """Work out hashes and splits."""
        self._prompts.prepare([Good(good.shape.prompt, good.hash) for good in chunk])
        _, rows = self._store.instructions.prepare(
            {
                "instruction": good.shape.instruction, "input": good.shape.input, "output": good.shape.output,
                "source": self._source, "defects": good.shape.defects,
            }
            for good in chunk
        )  # fmt: skip
        self._rows += rows

    def publish(self) -> int:
        """Write the prompts and the rows."""
        self._prompts.publish()
        added, _ = self._store.instructions.write(([], self._rows))
        return added


class Preferences:
    """Comparisons said by the file. Prompts, completions and pairs come by chunks; the pairs are shown to nobody."""

    def __init__(self, store: Store, source: str) -> None:
        self._store, self._source = store, source
        self._authors: dict[str, int] = {}
        self._assignments: list[tuple] = []
        self._events: list[tuple] = []

    def prepare(self, chunk: Sequence[Good]) -> None:
        """Write what the comparisons are about, and work these out."""
        fresh = [good for good in chunk if not _recorded(self._store, good)]
        shapes: list[PreferenceShape] = [good.shape for good in fresh]
        ids = _prompt_ids(self._store, [shape.prompt for shape in shapes], self._source)
        chosen = _add_completions(self._store, ids, [(shape.chosen, shape.chosen_model) for shape in shapes], self._source)
        rejected = _add_completions(self._store, ids, [(shape.rejected, shape.rejected_model) for shape in shapes], self._source)
        pairs = self._store.pairs.add_many(zip(ids, chosen, rejected, strict=True), purpose="import")
        told = zip(fresh, pairs, chosen, rejected, strict=True)
        events = [_event(good, pair, better, worse, self._author(good.shape)) for good, pair, better, worse in told]
        self._assignments += [_assignment(event) for event in events if event["assignment_id"]]
        self._events += self._store.comparisons.prepare(events)

    def publish(self) -> int:
        """Write the comparisons. A simulated labeler, as every one, has a pair once, by an assignment."""
        self._store.insert_many("assignments", ASSIGNMENT, self._assignments)
        wanted = dumps([assignment[0] for assignment in self._assignments])
        made = {row["id"] for row in self._store.rows("SELECT id FROM assignments WHERE id IN (SELECT value FROM json_each(?))", [wanted])}
        return self._store.comparisons.record_many([event for event in self._events if event[ASSIGNED] is None or event[ASSIGNED] in made])

    def _author(self, shape: PreferenceShape) -> int:
        name = _author_name(self._source, shape)
        if name not in self._authors:
            self._authors[name] = _author(self._store, name, simulated=shape.source == SIMULATED)
        return self._authors[name]


class Completions:
    """Answers of models elsewhere. They come by chunks; the pairs for the labelers, each with the one before it, at the end."""

    def __init__(self, store: Store, source: str) -> None:
        self._store, self._source = store, source
        self._seen: Counter[tuple] = Counter()
        self._pairs: list[tuple[int, str, str]] = []
        self._added = 0

    def prepare(self, chunk: Sequence[Good]) -> None:
        """Write the completions, and see which pairs they will make."""
        shapes: list[CompletionShape] = [good.shape for good in chunk]
        ids = _prompt_ids(self._store, [shape.prompt for shape in shapes], self._source)
        rows = [self._row(prompt_id, shape) for prompt_id, shape in zip(ids, shapes, strict=True)]
        made = {imported_id(row["prompt_id"], row["model_name"], row["text"], row["number"]) for row in rows}
        self._added += len(made) - self._store.value(KNOWN, [dumps(sorted(made))])
        self._store.completions.add_many(rows)
        self._pairs += [(row["prompt_id"], row["before"], row["id"]) for row in self._store.rows(UNPAIRED, [dumps(sorted(made))])]

    def publish(self) -> int:
        """Write the pairs."""
        self._store.pairs.add_many(self._pairs)
        return self._added

    def _row(self, prompt_id: int, shape: CompletionShape) -> dict[str, Any]:
        model = shape.model or _model_name(self._source)
        number = self._seen[prompt_id, model, shape.text]
        self._seen[prompt_id, model, shape.text] += 1
        return {"prompt_id": prompt_id, "text": shape.text, "model_name": model, "number": number}


INSERTERS: dict[str, Callable[[Store, str], Inserter]] = {
    "prompts": Prompts,
    "instructions": Instructions,
    "preferences": Preferences,
    "completions": Completions,
}


def _recorded(store: Store, good: Good) -> bool:
    return store.value("SELECT 1 FROM comparisons WHERE source_hash = ?", [good.hash]) is not None


def _event(good: Good, pair_id: int, better: str, worse: str, author: int) -> NewComparison:
    """The comparison of one row. Its side comes from the row's hash, so that position says nothing."""
    shape: PreferenceShape = good.shape
    chosen_left = int(good.hash[-1], 16) % 2 == 0
    left, right = (better, worse) if chosen_left else (worse, better)
    id = good.hash[:32]
    return {
        "id": id, "source_hash": good.hash, "source": shape.source, "assignment_id": id if shape.source == SIMULATED else None,
        "verdict": ("left" if chosen_left else "right") + VERDICTS[shape.margin],
        "pair_id": pair_id, "labeler_id": author, "left_id": left, "right_id": right,
    }  # fmt: skip


def _assignment(event: NewComparison) -> tuple:
    moment = now()
    return (event["id"], event["pair_id"], event["labeler_id"], event["left_id"], event["right_id"], moment, moment)


def _author_name(source: str, shape: PreferenceShape) -> str:
    return f"file:{source}" + (f" (simulated {shape.labeler}".rstrip() + ")" if shape.source == SIMULATED else "")


def _author(store: Store, name: str, *, simulated: bool) -> int:
    """The account that stands for the file, or for one simulated labeler of it; nobody can log in as it."""
    account = store.accounts.by_name(name) or store.accounts.add(name, "labeler", simulated=simulated)
    return account.id


def _prompt(shape: PromptShape, source: str) -> dict[str, Any]:
    return {"text": shape.text, "messages": shape.messages, "source": source, "family": shape.family, "facts": shape.facts}


def _prompt_ids(store: Store, shapes: Sequence[PromptShape], source: str) -> list[int]:
    store.prompts.add_many(_prompt(shape, source) for shape in shapes)
    return [store.prompts.find(shape.text).id for shape in shapes]


def _add_completions(store: Store, prompt_ids: Sequence[int], answers: Sequence[Answer], source: str) -> list[str]:
    return store.completions.add_many(
        {"prompt_id": prompt_id, "text": text, "model_name": model or _model_name(source)}
        for prompt_id, (text, model) in zip(prompt_ids, answers, strict=True)
    )


def _model_name(source: str) -> str:
    """What the answers of a file are called where it names no model."""
    return PurePath(source).stem
