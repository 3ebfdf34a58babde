# SPDX-License-Identifier: Apache-2.0
"""Cancel several runs at once. A run that cannot be cancelled stops none of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from data.errors import BadInput
from data.ids import RUN, parse_id
from data.store import Store
from labeling.texts.pages import text
from labeling.texts.reader import reader_language
from rlhf.runs import supervisor


class Cancellation(NamedTuple):
    """The ids of the runs that left the queue, of those that save and stop, and of the others with the reason."""

    removed: list[str]
    stopping: list[str]
    refused: dict[str, str]


def cancel_runs(store: Store, names: Sequence[str]) -> Cancellation:
    """Ask these runs to stop, the newest first: so none of them starts when the one before it ends."""
    outcome = Cancellation([], [], {})
    numbers = {}
    for name in names:
        try:
            numbers[parse_id(name, RUN)] = name
        except BadInput as problem:
            outcome.refused[name] = _reason(problem)
    for number in sorted(numbers, reverse=True):
        try:
            run = store.runs.request_cancel(number)
        except BadInput as problem:
            outcome.refused[numbers[number]] = _reason(problem)
        else:
            (outcome.removed if run.over else outcome.stopping).append(run.public)
    if outcome.stopping:
        supervisor.ensure(store.home)
    return outcome


def describe_cancellation(outcome: Cancellation) -> str:
    """Return one line: the runs that were cancelled, and those that were not with the reason."""
    parts = [
        text(f"runs.bulk_{name}", runs=", ".join(runs))
        for name, runs in (("removed", outcome.removed), ("stopping", outcome.stopping))
        if runs
    ]
    refused = ", ".join(f"{run} ({why})" for run, why in outcome.refused.items())
    return " ".join(parts + ([text("runs.bulk_refused", runs=refused)] if refused else []))


def _reason(problem: BadInput) -> str:
    """Return the state of a run that has ended, or another reason, in the reader's language."""
    if problem.key == "error.run_over":
        return text(f"runs.state_{problem.values['state']}")
    return problem.in_language(reader_language()).error
