# SPDX-License-Identifier: Apache-2.0
"""Preference rows in four formats, and helpers that write and count rows."""

from __future__ import annotations

import json
from pathlib import Path

ALPACA = {"instruction": "Name a colour.", "input": "", "output": "Blue.", "chosen": "Blue.", "rejected": "Go away."}
TRL = {"prompt": "Name a tree.", "chosen": "An oak.", "rejected": "No.", "margin": 3}
HH = {
    "chosen": "\n\nHuman: Name a day.\n\nAssistant: Monday.",
    "rejected": "\n\nHuman: Name a day.\n\nAssistant: Never.",
}
CHAT = {
    "prompt": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Bye"},
    ],
    "chosen": [{"role": "assistant", "content": "Goodbye."}],
    "rejected": [{"role": "assistant", "content": "So?"}],
}
ALL_FOUR = [ALPACA, TRL, HH, CHAT]
TABLES = ("prompts", "instructions", "completions", "pairs", "comparisons", "accounts", "audit")


def write(path: Path, rows: list) -> Path:
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def counts(store) -> dict[str, int]:
    return {table: store.value(f"SELECT count(*) FROM {table}") for table in TABLES}


def preference(number):
    return {"prompt": f"Note {number}", "chosen": f"Dear {number}", "rejected": f"no {number}"}


def counted(result: dict) -> dict[str, int]:
    """The counts of an import, without the account of its columns."""
    return {name: result[name] for name in ("read", "added", "duplicate", "rejected")}
