# SPDX-License-Identifier: Apache-2.0
"""Texts of all pages: one JSON catalogue per language beside this file, with the same keys and blanks in each.

`say(language, key, **values)` fills one text. Keys are flat and sorted; those of the researcher's pages start with
`train.`. An error that carries its key is shown in the language of the browser, while logs keep the English line.
"""

from __future__ import annotations

from pathlib import Path

from data.errors import BadInput, Busy, Refused, StoreTrouble
from data.texts import FALLBACK, TEXTS, add_texts, say

__all__ = ["FALLBACK", "TEXTS", "Refusal", "error_detail", "error_text", "language_of", "say"]

add_texts(Path(__file__).parent)


class Refusal(Refused):
    """A refusal whose one text of the catalogue holds problem and remedy; `text_in(language)` gives it translated."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(error=say(FALLBACK, key, **values), key=key, values=values)

    def text_in(self, language: str) -> str:
        """Return the refusal in `language`."""
        return say(language, self.key, **self.values)


def error_text(problem: BadInput, language: str) -> str:
    """Return a line for the reader: a translated refusal, an English one, or what was not saved and why."""
    if isinstance(problem, Refusal):
        return problem.text_in(language)
    if isinstance(problem, Refused):
        return str(problem.in_language(language))
    return say(language, "not_kept", why=error_detail(problem, language))


def error_detail(problem: BadInput, language: str) -> str:
    """Return what went wrong and its remedy.

    For trouble of the store, a translated line that contains the English one.
    """
    shown = problem.in_language(language)
    line = f"{shown.error}. {shown.remedy}".rstrip()
    if not isinstance(problem, StoreTrouble):
        return line
    return say(language, "store_busy" if isinstance(problem, Busy) else "store_trouble", why=line)


def language_of(accept_language: str) -> str:
    """Return the language that the browser's Accept-Language prefers, English if it names none (RFC 9110, 12.5.4)."""
    weights = dict.fromkeys((FALLBACK, *TEXTS), 0.0)
    for position, part in enumerate(accept_language.split(",")):
        tag, _, parameters = part.strip().partition(";")
        primary = tag.split("-")[0].lower()
        if primary in weights:
            weights[primary] = max(weights[primary], _quality(parameters) - position / 1000)
    return max(weights, key=lambda language: weights[language])


def _quality(parameters: str) -> float:
    try:
        return float(parameters.strip().removeprefix("q=")) if parameters else 1.0
    except ValueError:
        return 0.0
