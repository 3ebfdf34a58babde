# SPDX-License-Identifier: Apache-2.0
"""Cached figures on the labels: a page gets the newest at once, and a refresh reads only new events.

Comparisons are cached by the store; rankings are few and are read again each time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from data.clock import now
from data.store import Store
from labeling.quality.overview import KINDS, Overview, build_overview

FOREGROUND_LIMIT = 20_000
"""Events up to which an overview is computed while the page waits; beyond, in the background."""
PAIRS = 36
"""Pairs of answers in the largest ranking; each is a row, like a comparison."""
REST_FACTOR = 20
"""The pause after a computation in the background, in durations of it, so that labelers do not notice the load."""

T = TypeVar("T")


class CachedState(NamedTuple, Generic[T]):
    """The newest figures, None before the first, as of the change counters `mark`.

    `busy`: newer ones are being computed. `since`: the time of the figures if there are newer events, else "".
    """

    figures: T | None
    mark: dict[str, Any]
    busy: bool
    since: str


class CachedFigures(Generic[T]):
    """The result of `compute` on a store, cached until its labels change. Thread-safe.

    The caller waits for the computation with up to `foreground_limit` events; beyond, it runs in the background.
    """

    def __init__(self, compute: Callable[[Store], T], foreground_limit: int) -> None:
        self.compute = compute
        self.foreground_limit = foreground_limit
        self.lock = threading.Lock()
        self.newest: tuple[dict[str, Any], T | None, str] = ({}, None, "")
        self.busy = False
        self.resting_until = 0.0

    def read(self, store: Store) -> CachedState[T]:
        """Return the newest figures, and start to compute newer ones if the labels changed."""
        current = store.comparison_columns.change_counters()
        if self.newest[0] != current and not self.busy:
            if current["last"] + PAIRS * current["rankings"] <= self.foreground_limit:
                self._refresh(store)
            elif time.monotonic() > self.resting_until:
                self.busy = True
                threading.Thread(target=self._refresh, args=(store,), daemon=True).start()
        mark, figures, computed_at = self.newest
        return CachedState(figures, mark, self.busy, computed_at if mark != current else "")

    def _refresh(self, store: Store) -> None:
        began = time.monotonic()
        try:
            with self.lock:
                mark, computed_at = store.comparison_columns.change_counters(), now()
                self.newest = (mark, self.compute(store), computed_at)
        finally:
            self.resting_until = time.monotonic() + REST_FACTOR * (time.monotonic() - began)
            self.busy = False


class OverviewState(NamedTuple):
    """The newest overview, None before the first; `mark` changes with it; `busy`: a newer one is being computed.

    `since`: the time of the figures if there are newer events that are computed in the background, else "".
    """

    overview: Overview | None
    mark: str
    busy: bool
    since: str = ""


class CachedOverview:
    """The overviews of all KINDS, one object per server. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.caches = {kind: CachedFigures(partial(_overview, kind), FOREGROUND_LIMIT) for kind in KINDS}

    def read(self, kind: str) -> OverviewState:
        """Return the newest overview of one of KINDS, and start to compute a newer one if the labels changed."""
        overview, mark, busy, since = self.caches[kind].read(self.store)
        return OverviewState(overview, f"{kind} {list(mark.values())} {since}", busy, since)


def _overview(kind: str, store: Store) -> Overview:
    return build_overview(store, kind, store.comparison_columns.cached())
