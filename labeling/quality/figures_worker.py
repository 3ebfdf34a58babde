# SPDX-License-Identifier: Apache-2.0
"""The process that computes figures on labels: `python -m labeling.quality.figures_worker HOME`.

It reads names of `figure_functions`, one a line, from standard input. It writes the fields of each `Computed`, pickled,
to standard output. It runs at a lower priority than the server and cannot write to the store. It ends with its standard
input, so it never outlives the server, and after some minutes without a name.
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from data.clock import now
from data.sqlite.connection import exclusive_lock
from data.store import Store
from labeling.quality.agreement import raw_agreement
from labeling.quality.overview import KINDS, OverviewBuilder
from labeling.quality.weighting import fit_weights

IDLE_SECONDS = 300.0
"""The process ends if nobody asks for so long."""
LOCK = "figures.lock"
"""The file of the home that lets one such process compute at a time: labeling processes have their own."""
NICENESS = 5
"""A server gets three times the share of a busy core. The lowest priority would starve beside a training."""


class Computed(NamedTuple):
    """Figures as of the change counters `mark`, and the processor time that they took."""

    name: str
    mark: dict[str, Any]
    computed_at: str
    seconds: float
    figures: Any


def figure_functions() -> dict[str, Callable[[Store], Any]]:
    """Return the functions by name: agreement between people, the overview of each kind of label, labelers' weights.

    An overview remembers what it counted, so these functions are for one store.
    """
    overviews = {kind: OverviewBuilder(kind).build for kind in KINDS}
    weights = {f"weights {kind}": partial(fit_weights, sources=sources) for kind, sources in KINDS.items()}
    return {"agreement": raw_agreement, **overviews, **weights}


def compute(store: Store, name: str, function: Callable[[Store], Any]) -> Computed:
    """Return the figures of that name as the store has them now."""
    mark, computed_at, began = store.comparison_columns.change_counters(), now(), time.process_time()
    figures = function(store)
    return Computed(name, mark, computed_at, time.process_time() - began, figures)


def main(home: Path) -> None:
    """Answer names until standard input ends or stays idle."""
    os.nice(NICENESS)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    store, functions, names = Store(home, read_only=True), figure_functions(), queue.Queue[str]()

    def read_names() -> None:
        for line in sys.stdin:
            names.put(line.strip())
        os._exit(0)  # also in the middle of a computation

    threading.Thread(target=read_names, daemon=True).start()
    while True:
        try:
            name = names.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            return
        with exclusive_lock(home / LOCK):
            computed = compute(store, name, functions[name])
        pickle.dump(tuple(computed), answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
