# SPDX-License-Identifier: Apache-2.0
"""The change from the normalised to the exact identity of prompts. Every row, its number and its split stay.

Two rows cannot get one hash: their normalised texts differ already.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from sqlite_utils import Database

from data.ids import content_hash

CHUNK = 5000  # rows in memory
PROMPTS = "SELECT id, text, messages FROM prompts WHERE id > ? ORDER BY id LIMIT ?"
CONVERSATIONS = """SELECT i.id, instruction, input, output, messages FROM instructions AS i
    JOIN prompts AS p ON p.id = i.prompt_id WHERE messages IS NOT NULL AND i.id > ? ORDER BY i.id LIMIT ?"""


def rehash(db: Database) -> None:
    """Write the exact hash of every prompt, and of every instruction row on a conversation."""
    _update(db, "prompts", PROMPTS, _prompt)
    _update(db, "instructions", CONVERSATIONS, _instruction)


def _prompt(text: str, messages: str | None) -> str:
    return content_hash("prompt", text if messages is None else json.loads(messages))


def _instruction(instruction: str, input: str, output: str, messages: str) -> str:
    return content_hash("instruction", instruction, input, output, json.loads(messages))


def _update(db: Database, table: str, query: str, hashed: Callable[..., str]) -> None:
    last = -1
    while rows := db.execute(query, [last, CHUNK]).fetchall():
        db.conn.executemany(f"UPDATE {table} SET hash = ? WHERE id = ?", [(hashed(*row[1:]), row[0]) for row in rows])
        last = rows[-1][0]
