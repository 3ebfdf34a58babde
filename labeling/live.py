"""The overview of the labels kept in memory, so that a page gets it at once: new events are read, old ones are not read again.

Rankings are few and are read anew.
"""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

import numpy as np

from data.clock import now
from data.store import Store
from labeling.overview import Overview, overview

AT_ONCE = 20_000
"""Up to so many events an overview is worked out while the page waits; beyond, in the background."""
PAIRS = 36
"""Pairs of answers in the largest ranking, each a row as a comparison is."""
REST = 20
"""Between two overviews in the background at least so many times as long as one takes, so that labelers feel nothing of it."""


class Look(NamedTuple):
    """The newest overview that is ready, None before the first; `mark` changes with it; `busy` while a newer one is worked out.

    `since`: the moment of the newest figures where something was said after it and they are worked out in the background; "" where they are of now.
    """

    overview: Overview | None
    mark: str
    busy: bool
    since: str = ""


class LiveOverview:
    """One for a server. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lock = threading.Lock()
        self.events: np.ndarray | None = None
        self.imports = 0
        self.ready: dict[str, tuple[dict, Overview]] = {}
        self.moments: dict[str, str] = {}
        self.working: set[str] = set()
        self.rests: dict[str, float] = {}

    def look(self, kind: str) -> Look:
        """What is known of one of `overview.KINDS`; starts working out what is newer."""
        mark = self.store.columns.mark()
        if self._of(kind)[0] != mark and kind not in self.working:
            if mark["last"] + PAIRS * mark["rankings"] <= AT_ONCE:
                self._work(kind)
            elif time.monotonic() > self.rests.get(kind, 0.0):
                self.working.add(kind)
                threading.Thread(target=self._work, args=(kind,), daemon=True).start()
        known, found = self._of(kind)
        since = self.moments.get(kind, "") if known != mark else ""
        return Look(found, f"{kind} {list(known.values())} {since}", kind in self.working, since)

    def _of(self, kind: str) -> tuple[dict, Overview | None]:
        return self.ready.get(kind, ({}, None))

    def _work(self, kind: str) -> None:
        began = time.monotonic()
        try:
            with self.lock:
                mark, self.moments[kind] = self.store.columns.mark(), now()
                self.events = self._read(mark["imports"])
                self.ready[kind] = (mark, overview(self.store, kind, self.events))
        finally:
            self.rests[kind] = time.monotonic() + REST * (time.monotonic() - began)
            self.working.discard(kind)

    def _read(self, imports: int) -> np.ndarray:
        """An import's events are written before they count: after one everything is read again."""
        before, self.imports = self.imports, imports
        if self.events is None or not len(self.events) or before != imports:
            return self.store.columns.comparisons()
        new = self.store.columns.comparisons(int(self.events["rowid"][-1]))
        return np.concatenate([self.events, new]) if len(new) else self.events
