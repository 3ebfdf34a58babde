# SPDX-License-Identifier: Apache-2.0
"""The newest figures on labels: a page gets at once what there is. Another process computes newer ones."""

from __future__ import annotations

from typing import Any, NamedTuple

from data.store import Store
from labeling.quality.figures_process import SHORT_SECONDS, process_of
from labeling.quality.figures_worker import compute, figure_functions

PATIENCE = 2.0
"""Seconds that a page waits for its first figures, and for later ones that take little time."""
PAIRS = 36
"""Pairs of answers in the largest ranking; each is a row, like a comparison."""


class CachedState(NamedTuple):
    """The newest figures, None before the first, as of the change counters `mark`.

    `since` is their time if something has changed since, else "". `new` counts the labels that came since.
    `failure` is the exit status of a process that ended before it had newer ones; 0: none did.
    """

    figures: Any
    mark: dict[str, Any]
    since: str
    new: int
    failure: int = 0


def read_figures(store: Store, name: str, *, patience: float = 0.0, foreground_limit: int = 0) -> CachedState:
    """Return the newest figures of a name of `figure_functions`, and have newer ones computed if the labels changed.

    Waits for at most `patience` seconds, and only if there are none or they take little time. With fewer
    than `foreground_limit` events they are computed here.
    """
    process, current = process_of(store), store.comparison_columns.change_counters()
    newest = process.newest.get(name)
    if newest is None or newest.mark != current:
        if _events(current) < foreground_limit:
            process.newest[name] = compute(store, name, figure_functions()[name])
        else:
            process.ask(name)
            if newest is None or newest.seconds <= SHORT_SECONDS:
                process.wait(name, patience)
        newest = process.newest.get(name)
    if newest is None:
        return CachedState(None, {}, "", 0, process.failures.get(name, 0))
    new = current["last"] + current["rankings"] - newest.mark["last"] - newest.mark["rankings"]
    since = newest.computed_at if newest.mark != current else ""
    return CachedState(newest.figures, newest.mark, since, max(0, new), process.failures.get(name, 0))


def _events(counters: dict[str, Any]) -> int:
    return counters["last"] + PAIRS * counters["rankings"]
