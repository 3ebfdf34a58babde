# SPDX-License-Identifier: Apache-2.0
"""Mutations of rows: what real files do to them, and worse. Each changes a row in place at a random spot."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

PLANTED = ("planted_column", "weitere Spalte")
"""Names of columns that no reader knows."""
CONTEXT = (
    "system",
    "context",
    "history",
    "tools",
    "tool_calls",
    "reasoning_content",
    "images",
    "input",
    "model",
    "label",
)
"""Names of columns that change what a row means, or hold a part of it."""
MARKS = ("<|im_start|>user\n", "\n\nHuman: ", "\n\nAssistant: ", "[INST]", "<|eot_id|>", "### Response:\n", "<s>")
WORDS = ("", " ", "\n", "[", "{}", "[]", "null", "nan", "1e999", "True", "tie", "left", "0", "7", "user", "assistant")
HUGE = 40_000
"""Characters of a huge text."""


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Yield the path of every value inside a row."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(item, (*path, key))


def follow(row: dict, path: tuple) -> Any:
    """Return the value at a path."""
    value: Any = row
    for key in path:
        value = value[key]
    return value


def drop(row: dict, path: tuple, chance: random.Random) -> None:
    """Remove a value."""
    del follow(row, path[:-1])[path[-1]]


def blank(row: dict, path: tuple, chance: random.Random) -> None:
    """Empty a value."""
    follow(row, path[:-1])[path[-1]] = chance.choice((None, "", " \n", [], {}))


def retype(row: dict, path: tuple, chance: random.Random) -> None:
    """Put a value of another type in its place."""
    others = (True, -1, 0, 3, 2.5, 1 << 70, [None], ["a", "b"], {"a": 1}, [{"role": "user", "content": "Hi"}], [[]])
    follow(row, path[:-1])[path[-1]] = chance.choice((*others, *WORDS))


def stringify(row: dict, path: tuple, chance: random.Random) -> None:
    """Write a value as JSON text or as Python prints it."""
    value = follow(row, path)
    follow(row, path[:-1])[path[-1]] = json.dumps(value) if chance.random() < 0.5 else repr(value)


def wrap(row: dict, path: tuple, chance: random.Random) -> None:
    """Put a value into a list."""
    follow(row, path[:-1])[path[-1]] = [follow(row, path)]


def dirty(row: dict, path: tuple, chance: random.Random) -> None:
    """Put a control mark, half a character, a NUL or a great length into a text."""
    text = str(follow(row, path))
    inserted = chance.choice((*MARKS, "\ud800", "\udcff", "\x00", "\u2028", "\x1b[31m", "a" * HUGE))
    place = chance.choice((0, len(text)))
    follow(row, path[:-1])[path[-1]] = text[:place] + inserted + text[place:]


def rename(row: dict, path: tuple, chance: random.Random) -> None:
    """Write a key in another way."""
    if isinstance(path[-1], str):
        inside = follow(row, path[:-1])
        inside[chance.choice((path[-1].upper(), f"{path[-1]}_", path[-1].replace("_", "-")))] = inside.pop(path[-1])


MUTATIONS: tuple[Callable[[dict, tuple, random.Random], None], ...] = (
    drop,
    blank,
    retype,
    stringify,
    stringify,
    wrap,
    dirty,
    rename,
)


def plant(row: dict, text: str, chance: random.Random) -> None:
    """Add a column that no reader knows, or one of another format: to the row, or to an object inside it."""
    objects = [(), *(path for path in places(row) if isinstance(follow(row, path), dict))]
    inside, name = follow(row, chance.choice(objects)), chance.choice((*PLANTED, *PLANTED, *PLANTED, *CONTEXT))
    inside.setdefault(name, text)


def mutate(row: dict, chance: random.Random) -> None:
    """Change one value of a row."""
    found = list(places(row))
    if found:
        chance.choice(MUTATIONS)(row, chance.choice(found), chance)
