# SPDX-License-Identifier: Apache-2.0
"""The offer to let simulated labelers answer waiting pairs: the number of pairs, and the run that answers them."""

from __future__ import annotations

from typing import NamedTuple

from data.store import Store
from labeling.simulate import count_waiting
from labeling.texts.pages import text
from rlhf.methods.simulate import LABELS
from rlhf.pages.markup import press_button
from rlhf.pages.next_step import Step

SIMULATE = "simulate-labels"
"""The id of the hidden button of the Loop page that accepts the offer."""


class Offer(NamedTuple):
    """The number of pairs that simulated labelers would answer; `growing`: a run samples more, so it is the most."""

    pairs: int
    growing: bool = False

    @property
    def step(self) -> Step:
        """The step that queues their run."""
        return Step(text("kind.simulate.title"), "", kind="simulate", settings={"labels": self.pairs})


def make_offer(store: Store) -> Offer | None:
    """Return the offer; None if no pair waits, if the rubric does not cover them, or if such a run is at work."""
    at_work = {run.kind for state in ("queued", "running") for run in store.runs.all(state=state)}
    waiting = count_waiting(store, LABELS)
    if "simulate" in at_work or not waiting.items or not waiting.covered:
        return None
    return Offer(LABELS, growing=True) if "sample" in at_work else Offer(waiting.items)


def offer_button(offer: Offer) -> str:
    """Return the button that accepts the offer; it says how many pairs, and that the answers are marked."""
    key = "offer.most" if offer.growing else "offer.pairs"
    marked = f"<small class=soft>{text('offer.marked')}</small>"
    return f"<span class=offer>{press_button(SIMULATE, text(key, n=offer.pairs))}{marked}</span>"
