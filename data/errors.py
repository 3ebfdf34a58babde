# SPDX-License-Identifier: Apache-2.0
"""Errors that a person can fix. Every layer raises them; only `app.py` turns them into exit codes.

`BadInput.of(key, ...)` takes problem and remedy from the catalogue: English for the command line, the log and stored
lines. A page shows `in_language(language)`.

Messages name options of the command line, such as `--as pairs`. Other callers rename them (`rename_options`).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from data.texts import FALLBACK, REMEDY, TEXTS, Translatable, say

Names = Mapping[str, Callable[[str], str]]
"""Option -> its name elsewhere, a function of the option's value; the value is empty if a message gives none."""
NAME = "[A-Za-z0-9_-]"
"""A character of an option's name. A Korean particle may follow the name."""
PAIRS = r"\S*=(?:\S*[^\s.,;:)])?"
VALUED = {"as": "[a-z]+", "format": "[a-z-]+", "labels": "[a-z+]+", "map": PAIRS, "set": PAIRS}
OPTION = re.compile(
    r"preference-loop [^.;,]*|`[^`]*`|"  # a whole command stays as it is
    + "|".join(rf"(?<![\w'-])--({option})(?!{NAME})(?: ({value}))?" for option, value in VALUED.items())
    + r"|(?<![\w'-])--(skip-bad|dry-run|encoding)"
    + rf"(?!{NAME})"
)

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters, which a terminal would obey; tab and line feed are left out."""


def show_controls(text: str) -> str:
    """Return text for a terminal, with control characters as numbers, such as escape codes in a file's name."""
    return CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def rename_options(message: str, names: Names) -> str:
    """Return a message with other names of its options."""

    def name(found: re.Match[str]) -> str:
        option, *value = [group for group in found.groups() if group is not None] or [""]
        return names[option]("".join(value)) if option else found[0]

    return OPTION.sub(name, message)


@dataclass
class BadInput(Exception):
    """Input that cannot be used: the problem, its place and the remedy in one line.

    `error` quotes the offending value; `remedy` is an imperative sentence. An error that pages translate has the `key`
    of its texts, and the `values` of their blanks.
    """

    error: str
    remedy: str = ""
    file: str | None = None
    line: int | None = None
    field: str | None = None
    key: str = ""
    values: Mapping[str, object] = dataclasses.field(default_factory=dict)
    names: Names = dataclasses.field(default_factory=dict, repr=False, compare=False)
    """Other names of the options in the message, in every language."""

    @classmethod
    def of(
        cls,
        key: str,
        /,
        *,
        file: str | None = None,
        line: int | None = None,
        field: str | None = None,
        **values: object,
    ) -> Self:
        """Return the error with the English texts `KEY` and, if there is one, `KEY_remedy`, filled with `values`."""
        _, remedy = _texts(FALLBACK, key, values)
        return cls(Translatable.of(key, **values), remedy, file, line, field, key, values)

    def in_language(self, language: str) -> BadInput:
        """Return the error with its texts in `language`; itself if it has no key."""
        if not self.key:
            return self
        problem = BadInput(*_texts(language, self.key, self.values), self.file, self.line, self.field)
        return problem.rename_options(self.names) if self.names else problem

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        what = f"{where}: {self.error}" if where else self.error
        if self.field:
            what = f"{what} (field {self.field!r})"
        return f"{what}. {self.remedy}".rstrip() if self.remedy else what

    def rename_options(self, names: Names) -> BadInput:
        """Give the message other names of its options; return the problem."""
        self.error, self.remedy = (rename_options(message, names) for message in (self.error, self.remedy))
        self.names = names
        return self

    def as_json(self) -> dict:
        """Return the contract's error shape: {error, file, line, field, remedy}."""
        return {name: getattr(self, name) for name in ("error", "file", "line", "field", "remedy")}


def _texts(language: str, key: str, values: Mapping[str, object]) -> tuple[str, str]:
    """Return the problem and the remedy, which may be empty."""
    remedy = say(language, key + REMEDY, **values) if key + REMEDY in TEXTS[language] else ""
    return say(language, key, **values), remedy


class Refused(BadInput):
    """An answer or a request that the rules forbid (no lease, no permission, superseded)."""


class StoreTrouble(BadInput):
    """The store could not be read or written: a full disk, a damaged file.

    Acknowledged rows survive; the row being written is lost.
    """


class Busy(StoreTrouble):
    """Another program held the store for too long. Nothing changed; the caller may repeat the request."""


class Occupied(Refused):
    """Another one is running. Nothing changed; the caller may repeat the request when it has ended."""
