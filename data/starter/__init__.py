# SPDX-License-Identifier: Apache-2.0
"""The starter: a small base, an instruction-tuned adapter, prompts, instruction rows and the rubric.

`register` adds them to a store; `gold` returns the rubric score of an answer. `python -m rlhf.starter` builds the
files.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from data.errors import BadInput
from data.starter.rubric import gold, gold_parts, task_fit
from data.store import Store

FOLDER = Path(__file__).parent
BASE = FOLDER / "base"
SFT = FOLDER / "sft"
PROMPTS = FOLDER / "prompts.jsonl.gz"
INSTRUCTIONS = FOLDER / "instructions.jsonl.gz"
SOURCE = "starter"

__all__ = [
    "BASE",
    "FOLDER",
    "INSTRUCTIONS",
    "PROMPTS",
    "SFT",
    "SOURCE",
    "gold",
    "gold_parts",
    "read_rows",
    "register",
    "source_hash",
    "task_fit",
    "write_rows",
]


def read_rows(path: Path) -> Iterator[dict]:
    """Yield the rows of one of the shipped files. Raises BadInput if it is missing."""
    if not path.is_file():
        raise BadInput("the starter has not been built", "Run: python -m rlhf.starter", file=str(path))
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def source_hash() -> str:
    """Return the hash of the files that make the corpus and judge answers. The card and every report name it."""
    parts = ("words.py", "families.py", "manners.py", "corpus.py", "rubric.py")
    return hashlib.sha256(b"".join((FOLDER / part).read_bytes() for part in parts)).hexdigest()[:16]


def write_rows(path: Path, rows: list[dict]) -> None:
    """Write rows as gzipped JSON lines, the same bytes for the same rows."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))


def register(store: Store) -> None:
    """Add the starter's prompts, instruction rows and two policies (base, sft) to a store.

    Idempotent.
    """
    if any(policy.base == SOURCE for policy in store.policies.all()):
        return
    if not (BASE / "model.safetensors").is_file():
        raise BadInput("the starter has not been built", "Run: python -m rlhf.starter", file=str(BASE))
    with store.transaction():
        store.prompts.add_many(
            {"text": row["prompt"], "source": SOURCE, "family": row["family"], "facts": row["facts"]}
            for row in read_rows(PROMPTS)
        )
        store.instructions.add_many(
            {name: row[name] for name in ("instruction", "input", "output", "family", "facts", "defects")}
            | {"source": SOURCE}
            for row in read_rows(INSTRUCTIONS)
        )
        card = json.loads((FOLDER / "card.json").read_text(encoding="utf-8"))
        base = store.policies.add(
            name="starter base", kind="base", base=SOURCE, seed=card["seed"], versions=card["versions"]
        )
        copy = store.home / "policies" / "incoming"
        shutil.copytree(SFT, copy, dirs_exist_ok=True)
        store.policies.publish(
            copy,
            name="starter sft",
            kind="sft",
            base=SOURCE,
            parent_id=base.id,
            seed=card["seed"],
            versions=card["versions"],
        )
