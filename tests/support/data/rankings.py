# SPDX-License-Identifier: Apache-2.0
"""Rankings of a store: added as the session records them, and read for comparison with those of another store."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from data import Store
from data.formats.shapes import PromptShape
from data.ids import canonical_json
from data.views.preferences import preference_rows

Answers = Sequence[tuple[str, str]]
"""Texts with the names of their models."""


def add_ranking(
    store: Store, prompt: PromptShape, answers: Answers, places: Sequence[int], labeler: str, source: str = "person"
) -> str:
    """Add a labeler's ranking; return its id. `labeler` is added if new, as a simulated one by the source."""
    prompt_id = store.prompts.add(prompt.text, messages=prompt.messages, source="here").id
    rows = [{"prompt_id": prompt_id, "text": text, "model_name": model} for text, model in answers]
    ids = store.completions.add_many(rows)
    task = store.rankings.add_task(prompt_id, ids)
    accounts = store.accounts
    account = accounts.by_name(labeler) or accounts.add(labeler, "labeler", simulated=source == "simulated")
    about: dict[str, Any] = {"task_id": task.id, "labeler_id": account.id}
    id = f"{labeler} of {task.id}"
    shown = {"id": id, "positions": canonical_json(ids), "expires_at": "", "created_at": ""}
    store.insert("assignments", about | shown)
    about |= {"project_id": 1, "guideline_version": 1, "positions": ids}
    placed = dict(zip(ids, places, strict=True))
    store.rankings.record(id=f"ranking {id}", assignment_id=id, verdict="ranked", source=source, places=placed, **about)
    return f"ranking {id}"


def rankings_of(store: Store) -> Counter:
    """Return the current rankings: prompt, answers with model and place, labeler and source."""
    names = {account.id: account.name for account in store.accounts.all()}
    return Counter(
        (
            _prompt(store, ranking.task_id),
            frozenset(_answer(store, id, place) for id, place in ranking.places.items()),
            plain_name(names[ranking.labeler_id]),
            read_as(ranking.source),
        )
        for ranking in store.rankings.current()
    )


def rows_of(store: Store) -> Counter:
    """Return what an export of the store says, without ids: labelers of files by their names in them."""
    return Counter(
        (
            (row.prompt, str(row.messages), row.split),
            frozenset(((row.a_text, row.a_model), (row.b_text, row.b_model))),
            (row.chosen, row.rejected, row.margin),
            (row.kind, row.weight, plain_name(row.labeler), read_as(row.source)),
        )
        for row in preference_rows(store, source="all")
    )


def plain_name(name: str) -> str:
    """Return the name of a labeler in the file that the account came from; any other name as it is."""
    return re.sub(r"file:.*? \((?:simulated |ai )?(.*)\)", r"\1", name)


def read_as(source: str) -> str:
    """Return the source of a label after an import into another home."""
    return "import" if source == "person" else source


def _prompt(store: Store, task_id: int) -> tuple[str, str]:
    prompt = store.prompts.get(store.rankings.task(task_id).prompt_id)
    return prompt.text, str(prompt.messages)


def _answer(store: Store, id: str, place: int) -> tuple[str, str, int]:
    completion = store.completions.get(id)
    return completion.text, completion.model_name, place
