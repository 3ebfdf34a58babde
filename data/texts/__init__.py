# SPDX-License-Identifier: Apache-2.0
"""Texts in every language. This folder holds those of errors of the data layer; higher layers add their catalogues.

A catalogue is one JSON file per language with the same keys and blanks in each. Keys are flat and sorted.
A blank such as `{n:run is|runs are}` is the first part if n is 1, else the second. Stored lines have none.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from string import Formatter

FALLBACK = "en"
"""The language of logs, the command line and stored lines."""
TEXTS: dict[str, dict[str, str]] = {}
"""The texts by language and key."""
REMEDY = "_remedy"
STORED = ("error.", "train.note.")
"""Beginnings of the keys of lines that are stored, with or without a remedy."""
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
    return _Plurals().vformat(TEXTS[language][key], (), values)


def translate_line(line: str, language: str) -> str:
    """Return a stored English line of an error or of a run's note in `language`; any other line as it is.

    Runs store one English line for each, which is matched with the texts.
    """
    if language == FALLBACK or len(line) > LONGEST:
        return line
    for key, pattern in _stored_patterns():
        if match := pattern.fullmatch(line):
            found = match.groupdict(default="")
            problem, remedy = (_fill(TEXTS[language].get(part, ""), found) for part in (key, key + REMEDY))
            field = f" {say(language, 'in_field', field=found['field_'])}" if found["field_"] else ""
            return f"{found['place_']}{problem}{field}{'. ' if remedy else ''}{remedy}"
    return line


@cache
def _stored_patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Return (key, pattern of its line) for each error and note, the most specific texts first."""
    english = TEXTS[FALLBACK]
    stored = {key for key in english if key + REMEDY in english or key.startswith(STORED)}
    texts = {key: (english[key], english.get(key + REMEDY, "")) for key in stored if not key.endswith(REMEDY)}
    keys = sorted(texts, key=lambda key: (-len(_BLANK.sub("", "".join(texts[key]))), key))
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
