# SPDX-License-Identifier: Apache-2.0
"""Edits of a store: added as the session records them, and read for comparison with those of another store."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from data import Store
from data.formats.shapes import PromptShape
from tests.support.data.rankings import plain_name, read_as

MODELS = ("p1", "gpt-x")


class Edited(NamedTuple):
    """A comparison of two answers whose `side` the labeler made better."""

    answers: tuple[str, str]
    verdict: str
    side: str
    better: str
    prompt: PromptShape = PromptShape("Name a tree.")
    labeler: str = "mina"
    source: str = "person"


def add_edit(store: Store, edited: Edited) -> str:
    """Add a labeler's comparison with its edit; return its id."""
    prompt_id = store.prompts.add(edited.prompt.text, messages=edited.prompt.messages, source="here").id
    left, right = store.completions.add_many(
        {"prompt_id": prompt_id, "text": text, "model_name": model}
        for text, model in zip(edited.answers, MODELS, strict=True)
    )
    pair = store.pairs.add(prompt_id, left, right)
    accounts = store.accounts
    account = accounts.by_name(edited.labeler) or accounts.add(
        edited.labeler, "labeler", simulated=edited.source == "simulated"
    )
    about = {"pair_id": pair.id, "labeler_id": account.id, "left_id": left, "right_id": right}
    id = f"{edited.labeler} of pair {pair.id}"
    store.insert("assignments", about | {"id": id, "expires_at": "2030", "created_at": "2026"})
    edit = (left if edited.side == "left" else right, edited.better)
    about |= {"assignment_id": id, "verdict": edited.verdict, "source": edited.source}
    store.comparisons.record(id=f"comparison {id}", edit=edit, **about)
    return f"comparison {id}"


def edits_of(store: Store) -> Counter:
    """Return the edits: prompt, winner, the answers with their models, the edited and the better one, labeler."""
    names = {account.id: account.name for account in store.accounts.all()}
    return Counter(
        (
            _answer(store, edit.edited_id),
            _answer(store, edit.completion_id),
            frozenset(_answer(store, id) for id in (said.left_id, said.right_id)),
            said.winner_id and _answer(store, said.winner_id),
            (said.margin, said.verdict if said.winner_id is None else "won"),
            (plain_name(names[said.labeler_id]), read_as(said.source)),
        )
        for said in store.comparisons.current()
        if (edit := store.comparisons.edit(said.id))
    )


def _answer(store: Store, id: str) -> tuple[str, str, str]:
    completion = store.completions.get(id)
    return store.prompts.get(completion.prompt_id).text, completion.text, completion.model_name
