# SPDX-License-Identifier: Apache-2.0
"""Inserters: each writes imported shapes into the store, a chunk at a time.

Written rows have the import's number and count once the import is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from data.formats.shapes import CompletionShape, RankingShape
from data.ids import canonical_json, imported_id
from data.store import Store
from data.tables.prompts import prompt_row
from data.transfer.import_target import ImportRow, ImportTarget, Inserter, make_prompt_values
from data.transfer.inserters.pairs import Comparisons, Pairs
from data.transfer.inserters.rankings import Rankings
from data.transfer.occurrence_counts import Occurrences

KNOWN_COMPLETIONS = "SELECT id FROM completions WHERE id IN (SELECT value FROM json_each(?))"
UNPAIRED = """
SELECT rowid, id, prompt_id, text FROM completions AS c WHERE id IN (SELECT value FROM json_each(?))
AND NOT EXISTS (SELECT 1 FROM pairs AS p WHERE p.prompt_id = c.prompt_id AND c.id IN (p.first_id, p.second_id))
ORDER BY rowid
"""
EARLIER = "SELECT id, text FROM completions WHERE prompt_id = ? AND rowid < ? ORDER BY rowid DESC LIMIT 16"


class Prompts:
    """Prompts are equal if their texts or turns are."""

    def add(self, chunk: Sequence[ImportRow], into: ImportTarget) -> int:
        """Write the prompts; return how many were new."""
        return into.add_prompts([prompt_row(**make_prompt_values(good.shape, into.source)) for good in chunk])


class Instructions:
    """Instruction rows, each with its prompt."""

    def add(self, chunk: Sequence[ImportRow], into: ImportTarget) -> int:
        """Write the prompts, with their turns and family, and the rows; return how many were new."""
        into.add_prompts([prompt_row(**make_prompt_values(good.shape.prompt, into.source)) for good in chunk])
        prepared = into.store.instructions.prepare(
            {
                "instruction": good.shape.instruction,
                "input": good.shape.input,
                "output": good.shape.output,
                "messages": good.shape.messages,
                "source": into.source,
                "defects": good.shape.defects,
            }
            for good in chunk
        )
        added, _ = into.write(into.store.instructions.write, ([], prepared[1]), into.import_id)
        return added


class Preferences:
    """Comparisons and rankings."""

    def __init__(self) -> None:
        self._comparisons, self._rankings = Comparisons(), Rankings()

    def add(self, chunk: Sequence[ImportRow], into: ImportTarget) -> int:
        """Write new comparisons and rankings; return their number."""
        rankings = [good for good in chunk if isinstance(good.shape, RankingShape)]
        others = [good for good in chunk if not isinstance(good.shape, RankingShape)]
        return sum(
            inserter.add(goods, into)
            for inserter, goods in ((self._comparisons, others), (self._rankings, rankings))
            if goods
        )


class Completions:
    """Completions of other models, each in a pair with an earlier completion of its prompt."""

    def __init__(self) -> None:
        self._seen = Occurrences()

    def add(self, chunk: Sequence[ImportRow], into: ImportTarget) -> int:
        """Write the completions and their pairs; return how many completions were new."""
        shapes: list[CompletionShape] = [good.shape for good in chunk]
        ids = into.prompt_ids([shape.prompt for shape in shapes])
        rows = [self._row(prompt_id, shape, into) for prompt_id, shape in zip(ids, shapes, strict=True)]
        wanted = [imported_id(row["prompt_id"], row["model_name"], row["text"], row["number"]) for row in rows]
        known = {row["id"] for row in into.store.rows(KNOWN_COMPLETIONS, [canonical_json(wanted)])}
        into.write(into.store.completions.add_many, rows)
        into.write(
            into.store.pairs.add_many,
            _partners(wanted, into.store),
            import_id=into.import_id,
            project_id=into.project_id,
        )
        return len(set(wanted) - known)

    def _row(self, prompt_id: int, shape: CompletionShape, into: ImportTarget) -> dict[str, Any]:
        row = into.completion(prompt_id, shape.text, shape.model)
        return row | {"number": self._seen.before(prompt_id, row["model_name"], shape.text)}


IN_PROJECTS = ("preferences", "pairs", "completions")
"""Kinds of rows that become pairs of a labeling project."""
INSERTERS: dict[str, Callable[[], Inserter]] = {
    "prompts": Prompts,
    "instructions": Instructions,
    "preferences": Preferences,
    "pairs": Pairs,
    "completions": Completions,
}


def _partners(ids: Sequence[str], store: Store) -> list[tuple[int, str, str]]:
    """Pair each answer without a pair with an earlier answer to its prompt, chosen by its id.

    Prefers an answer with another text. Every answer is in a pair, any two models can meet, and the pairs of a prompt
    are connected.
    """
    drawn = []
    for row in store.rows(UNPAIRED, [canonical_json(ids)]):
        earlier = store.rows(EARLIER, [row["prompt_id"], row["rowid"]])
        choices = [other for other in earlier if other["text"] != row["text"]] or earlier
        if choices:
            drawn.append((row["prompt_id"], row["id"], choices[int(row["id"][:8], 16) % len(choices)]["id"]))
    return drawn
