# SPDX-License-Identifier: Apache-2.0
"""Texts in every language. This folder holds those of errors of the data layer; higher layers add their catalogues.

A catalogue is one JSON file per language with the same keys and blanks in each. Keys are flat and sorted.
A blank such as `{n:run is|runs are}` is the first part if n is 1, else the second. Stored lines have none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache, reduce
from pathlib import Path
from string import Formatter
from typing import Self

FALLBACK = "en"
"""The language of logs, the command line and stored lines."""
TEXTS: dict[str, dict[str, str]] = {}
"""The texts by language and key."""
REMEDY = "_remedy"
STORED = ("error.", "train.note.")
"""Beginnings of the keys of lines that are stored, with or without a remedy."""
INNER = "inner"
"""The name of a blank that holds a stored line."""
LONGEST = 2000
"""Characters of a line that is matched; longer ones are traces of programs."""
_BLANK = re.compile(r"\{(\w+)[^}]*\}")


def add_texts(folder: Path) -> None:
    """Add a folder's catalogues. A new language is a new file in each folder."""
    for path in sorted(folder.glob("*.json")):
        TEXTS.setdefault(path.stem, {}).update(json.loads(path.read_text(encoding="utf-8")))


add_texts(Path(__file__).parent)


class _Plurals(Formatter):
    """Fill the blanks of `str.format` and those that depend on a count."""

    def format_field(self, value: object, format_spec: str) -> str:
        """Return the value, or the part for its count."""
        one, choice, other = format_spec.partition("|")
        if not choice:
            return str(super().format_field(value, format_spec))
        return one if str(value) == "1" else other


def say(language: str, key: str, /, **values: object) -> str:
    """Return the text of `key` in `language`, filled with `values`. Raise KeyError for an unknown key."""
    text = TEXTS[language][key]
    if language != FALLBACK:
        values = {
            name: value.in_language(language) if isinstance(value, Translatable) else value
            for name, value in values.items()
        }
        values |= {INNER: translate_line(str(values[INNER]), language)} if INNER in values else {}
    return _Plurals().vformat(text, (), values) if "|" in text else text.format(**values)


class Translatable(str):
    """A filled English text of the catalogue, with its key and its values. Pages show it in the reader's language."""

    key: str
    values: Mapping[str, object]

    @classmethod
    def of(cls, key: str, /, **values: object) -> Self:
        """Return the English text of `key`, filled with `values`. Raise KeyError for an unknown key."""
        text = cls(say(FALLBACK, key, **values))
        text.key, text.values = key, values
        return text

    def in_language(self, language: str) -> str:
        """Return the text in `language`."""
        return say(language, self.key, **self.values)


def join_texts(key: str, texts: Iterable[str]) -> str:
    """Return texts joined by the text `key`, such as "a and b" for the key `and`. Raise TypeError without any."""
    return reduce(lambda first, second: Translatable.of(key, first=first, second=second), texts)


def translate_line(line: str, language: str) -> str:
    """Return a text of the catalogue in `language`, or a stored line of an error or a run's note; others as they are.

    Runs store one English line for each, which is matched with the texts.
    """
    if isinstance(line, Translatable):
        return line.in_language(language)
    if language == FALLBACK or len(line) > LONGEST:
        return line
    for key, pattern in _stored_patterns():
        if match := pattern.fullmatch(line):
            found = match.groupdict(default="")
            found |= {INNER: translate_line(found[INNER], language)} if INNER in found else {}
            problem, remedy = (_fill(TEXTS[language].get(part, ""), found) for part in (key, key + REMEDY))
            field = f" {say(language, 'in_field', field=found['field_'])}" if found["field_"] else ""
            return f"{found['place_']}{problem}{field}{'. ' if remedy else ''}{remedy}"
    return line


@cache
def _stored_patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Return (key, pattern of its line) for each error and note, the most specific texts first.

    A line that holds another one comes before all.
    """
    english = TEXTS[FALLBACK]
    stored = {key for key in english if key + REMEDY in english or key.startswith(STORED)}
    texts = {key: (english[key], english.get(key + REMEDY, "")) for key in stored if not key.endswith(REMEDY)}
    keys = sorted(
        texts, key=lambda key: (f"{{{INNER}}}" not in texts[key][0], -len(_BLANK.sub("", "".join(texts[key]))), key)
    )
    return [(key, re.compile(_pattern(*texts[key]), re.DOTALL)) for key in keys]


def _pattern(error: str, remedy: str) -> str:
    """Return the expression of the line of an error: file and line, the problem, the field, the remedy."""
    seen: set[str] = set()

    def blank(match: re.Match[str]) -> str:
        name = match[1]
        again = name in seen
        seen.add(name)
        return f"(?P={name})" if again else f"(?P<{name}>.+?)"

    def expression(text: str) -> str:
        parts = re.split(r"(\{\w+[^}]*\})", text)
        return "".join(_BLANK.sub(blank, part) if _BLANK.fullmatch(part) else re.escape(part) for part in parts)

    start = rf"(?P<place_>(?:\S+: )?){expression(error)}(?: \(field '(?P<field_>\w+)'\))?"
    return rf"{start}\. {expression(remedy)}" if remedy else start


def _fill(text: str, found: dict[str, str]) -> str:
    """Fill a text with values that were formatted before."""
    return _BLANK.sub(lambda match: found[match[1]], text)
