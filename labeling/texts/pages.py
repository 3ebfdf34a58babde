# SPDX-License-Identifier: Apache-2.0
"""Texts of the researcher's pages and of runs: keys `train.…` of the catalogue, in the reader's language.

Outside of a request, as on the command line, they are English. Import nothing but the standard library and `data`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from data.errors import BadInput
from labeling.texts.reader import reader_language
from labeling.texts.translate import FALLBACK, TEXTS, say

DASH = "–"
"""The mark of an unknown share."""


def text(key: str, **values: object) -> str:
    """Return the text `train.KEY` in the reader's language, filled with `values`. Raise KeyError for an unknown key."""
    return say(reader_language(), f"train.{key}", **values)


def bad_input(
    key: str,
    *,
    file: str | None = None,
    line: int | None = None,
    field: str | None = None,
    kind: type[BadInput] = BadInput,
    **values: object,
) -> BadInput:
    """Return an error of that kind; its problem and its remedy are the texts `train.KEY` and `train.KEY_remedy`."""
    texts = text(key, **values), text(f"{key}_remedy", **values)
    return kind(*texts, file, line, field, f"train.{key}", values)


def stored_line(key: str, **values: Any) -> str:  # noqa: ANN401 (values of any type fill the blanks)
    """Return the English line that a run stores; `translate_line` shows it in a reader's language."""
    return str(BadInput.of(f"train.{key}", **values))


def setting_help(kind: str, key: str) -> str:
    """Return the help text of a run's setting: that of the kind of run, else the one that kinds share.

    Raises KeyError if there is neither.
    """
    own = f"setting.{kind}.{key}"
    return text(own if f"train.{own}" in TEXTS[FALLBACK] else f"setting.{key}")


def format_percent(share: float | None) -> str:
    """Return a share as `61 %`, or DASH for None."""
    return DASH if share is None else f"{100 * share:.0f} %"


def format_share(share: float | None, interval: Sequence[float | None] | None = None, n: int | None = None) -> str:
    """Return a share with its interval and its number of units as `61 % (55–67) of 300`, or DASH for None.

    With fewer than FEWEST units it says that they are too few. `n` is None if the number is not known.
    """
    from data.intervals import FEWEST, shown_interval  # with numpy, which the help of commands does without

    if share is None:
        return DASH
    if n is not None and n < FEWEST:
        return text("few_to_say", n=n)
    low, high = interval or (None, None)
    shown = format_percent(share)
    if low is not None and high is not None and (ends := shown_interval(share, (low, high), n)):
        shown += f" ({100 * ends[0]:.0f}–{100 * ends[1]:.0f})"
    return shown if n is None else text("of_units", share=shown, n=n)
