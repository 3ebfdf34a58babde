"""Figures on the labels kept in memory, so that a page gets them at once: new events are read, old ones are not read again.

Rankings are few and are read anew.
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
"""Up to so many events an overview is worked out while the page waits; beyond, in the background."""
PAIRS = 36
"""Pairs of answers in the largest ranking, each a row as a comparison is."""
REST = 20
"""Between two workings in the background at least so many times as long as one takes, so that labelers feel nothing of it."""

T = TypeVar("T")


class CachedState(NamedTuple, Generic[T]):
    """The newest figures that are ready, None before the first, as of `mark`; `since`: their moment where something was said after it."""

    figures: T | None
    mark: dict[str, Any]
    busy: bool
    since: str


class CachedFigures(Generic[T]):
    """What `work` makes of a store, kept until something is said: made while the caller waits for up to `foreground_limit` events. Thread-safe."""

    def __init__(self, work: Callable[[Store], T], foreground_limit: int) -> None:
        self.work = work
        self.foreground_limit = foreground_limit
        self.lock = threading.Lock()
        self.ready: tuple[dict[str, Any], T | None, str] = ({}, None, "")
        self.busy = False
        self.rest = 0.0

    def read(self, store: Store) -> CachedState[T]:
        """What is known; starts working out what is newer."""
        mark = store.comparison_columns.change_counters()
        if self.ready[0] != mark and not self.busy:
            if mark["last"] + PAIRS * mark["rankings"] <= self.foreground_limit:
                self._work(store)
            elif time.monotonic() > self.rest:
                self.busy = True
                threading.Thread(target=self._work, args=(store,), daemon=True).start()
        known, found, moment = self.ready
        return CachedState(found, known, self.busy, moment if known != mark else "")

    def _work(self, store: Store) -> None:
        began = time.monotonic()
        try:
            with self.lock:
                mark, moment = store.comparison_columns.change_counters(), now()
                self.ready = (mark, self.work(store), moment)
        finally:
            self.rest = time.monotonic() + REST * (time.monotonic() - began)
            self.busy = False


class OverviewState(NamedTuple):
    """The newest overview that is ready, None before the first; `mark` changes with it; `busy` while a newer one is worked out.

    `since`: the moment of the newest figures where something was said after it and they are worked out in the background; "" where they are of now.
    """

    overview: Overview | None
    mark: str
    busy: bool
    since: str = ""


class CachedOverview:
    """One for a server. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.kept = {kind: CachedFigures(partial(_overview, kind), FOREGROUND_LIMIT) for kind in KINDS}

    def read(self, kind: str) -> OverviewState:
        """What is known of one of `overview.KINDS`; starts working out what is newer."""
        found, mark, busy, since = self.kept[kind].read(self.store)
        return OverviewState(found, f"{kind} {list(mark.values())} {since}", busy, since)


def _overview(kind: str, store: Store) -> Overview:
    return build_overview(store, kind, store.comparison_columns.cached())
