# SPDX-License-Identifier: Apache-2.0
"""Prompts that a base cannot answer. A run skips and counts them; one such prompt never ends a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from data.errors import BadInput
from labeling.texts.pages import bad_input


@dataclass
class UnusablePrompt(BadInput):
    """A prompt that this base cannot answer. `reason` is the same for all prompts with the same problem."""

    reason: str = ""


def unusable_prompt(key: str, reason: str, *, field: str = "prompt", **values: Any) -> UnusablePrompt:  # noqa: ANN401 (values of any type fill the blanks)
    """Return the error with the texts `train.refused.KEY`, and the reason under which runs count it."""
    problem = bad_input(f"refused.{key}", field=field, kind=UnusablePrompt, **values)
    assert isinstance(problem, UnusablePrompt), "it is of the kind that is asked for"
    problem.reason = reason
    return problem


class SkippedPrompts:
    """Counts skipped prompts by reason in `counts`, a counter of the run's report. The first prompt is the example."""

    def __init__(self, counts: Counter[str]) -> None:
        self.counts = counts
        self.first: BadInput | None = None
        self._keys: dict[str, str] = {}

    def add(self, problem: BadInput) -> None:
        """Count a prompt under the reason of its problem."""
        self.first = self.first or problem
        reason = problem.reason if isinstance(problem, UnusablePrompt) else ""
        self.counts[self._keys.setdefault(reason, f"prompts that do not fit the base, such as: {problem}")] += 1
