# SPDX-License-Identifier: Apache-2.0
"""A home to attack: two labeling projects, a researcher, and secrets that tell who may see which text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from data.records import Pair
from data.store import Store
from labeling.accounts.sign_in import COOKIE
from tests.attack.worst import WORST

TEXT, PERSON, SOURCE = "MARK-SECRET-TEXT", "MARK-PERSON", "MARK-SOURCE"
"""A text of the closed project, the name of another labeler, and the name of an import: for its members, for researchers."""
ROLES = ("anonymous", "outsider", "labeler", "researcher")
"""`outsider` labels another project than the one that holds TEXT."""


class Caller(NamedTuple):
    """A role's name and the headers of its session and API token."""

    role: str
    headers: dict[str, str]


def make_home(home: Path) -> Store:
    """Return a store with pairs and instruction rows in the Standard project, which only `lab` and a person label."""
    store = Store(home)
    (home / "model").mkdir()
    (home / "model" / "config.json").write_text("{}")
    store.policies.add(name="base", kind="base", base=str(home / "model"))
    people = {name: store.accounts.add(name, "labeler") for name in ("lab", "out", PERSON)}
    store.accounts.add("rae", "researcher")
    store.projects.change(1, everyone=False)
    store.projects.add_members(1, [people["lab"], people[PERSON]])
    store.projects.add_members(store.projects.add("Other", "A guideline.").id, [people["out"]])
    pairs = add_pairs(store, 40)
    for number in range(30):
        store.instructions.add(f"{TEXT} say {number}.", "Yes.", source=SOURCE)
    for pair in pairs[:3]:
        store.comparisons.record(
            id=f"c{pair.id}",
            pair_id=pair.id,
            labeler_id=people[PERSON].id,
            left_id=pair.first_id,
            right_id=pair.second_id,
            verdict="left",
            source="import",
        )
    store.runs.enqueue("sample", {"from": "p1"}, "rae")
    store.runs.finish(store.runs.claim().id, "failed", error="made")
    return store


def add_pairs(store: Store, count: int) -> list[Pair]:
    """Add and return pairs of marked texts; some answers are the worst that a model may write."""
    pairs = []
    for number in range(count):
        prompt = store.prompts.add(f"{TEXT} note {number}.", source=SOURCE)
        worst = WORST[number % len(WORST)][:2000]
        rows = [
            {"prompt_id": prompt.id, "model_name": model, "text": f"{TEXT} {model} {number} {worst}", "number": 0}
            for model in ("plain", "kind")
        ]
        pairs.append(store.pairs.add(prompt.id, *store.completions.add_many(rows)))
    return pairs


def callers(store: Store) -> list[Caller]:
    """Return the four roles with new sessions and tokens."""
    names = {"outsider": "out", "labeler": "lab", "researcher": "rae"}
    return [Caller("anonymous", {}), *(Caller(role, credentials(store, name)) for role, name in names.items())]


def credentials(store: Store, name: str) -> dict[str, str]:
    """Return the headers of a new session and a new API token."""
    id = store.accounts.by_name(name).id
    return {
        "cookie": f"{COOKIE}={store.tokens.issue('session', id, 3600)}",
        "authorization": f"Bearer {store.tokens.issue('api', id, 3600)}",
    }


def as_json(value: object) -> bytes:
    """Return JSON that may hold lone surrogates and numbers that JSON has no word for."""
    return json.dumps(value).encode()
