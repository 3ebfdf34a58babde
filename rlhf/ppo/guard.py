# SPDX-License-Identifier: Apache-2.0
"""The guard against over-optimisation: a second reward model, trained on other labels and never trained against.

A policy that exploits the faults of its reward model gains by that model and not by one with other faults. The guard
scores the same answers to the fixed prompts as the driving reward. It chooses the best policy (by its own mean less
the price of KL), and ends the run when it falls while the driving reward rises.

The rule. Both rewards are in standard deviations of the reference's answers. Let k be the best policy so far, d_i the
guard's score of the answer to fixed prompt i now less that at k, N their number, and se = std(d) / sqrt(N) with N - 1
in the variance. Prompts are paired and answered with the same noise, so a prompt's difficulty cancels. A reading is an
alarm if mean(d) < -2.5 se and the driving reward's mean is above that at k. Two alarms in a row end the run. One alarm
at 2 se would end too many runs: k is the maximum of all readings so far, so its error is likely positive, and an
equally good policy reads lower. docs/ppo.md has the figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from reward.base import distributed
from reward.protocol import Prompt
from rlhf.ppo.reward_shaping import RewardUnit, Scorer
from rlhf.ppo.rollout import join_shards
from rlhf.sampling.sampler import Rollout

ERRORS, ALARMS = 2.5, 2
"""Standard errors that the guard must fall by for an alarm, and alarms in a row that end a run."""


@dataclass(frozen=True, slots=True)
class GuardReading:
    """A validation after `update` updates: the driving reward's mean, and the guard's score of each answer."""

    update: int
    reward: float
    guard: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The guard's mean."""
        return sum(self.guard) / len(self.guard)


def paired_change(now: Sequence[float], before: Sequence[float]) -> tuple[float, float]:
    """Return the mean of the paired differences now - before and its standard error, infinite for a single pair."""
    count = len(now)
    differences = [x - y for x, y in zip(now, before, strict=True)]
    mean = sum(differences) / count
    if count == 1:
        return mean, math.inf
    variance = sum((x - mean) ** 2 for x in differences) / (count - 1)
    return mean, math.sqrt(variance / count)


def is_alarm(now: GuardReading, best: GuardReading) -> bool:
    """Return whether the guard fell by more than its noise since the best policy while the driving reward rose."""
    mean, error = paired_change(now.guard, best.guard)
    return mean < -ERRORS * error and now.reward > best.reward


@dataclass
class GuardState:
    """The state of a guard in a checkpoint: its reading of the best policy, alarms in a row, the unit of its scores."""

    best: GuardReading | None = None
    alarms: int = 0
    unit: RewardUnit = field(default_factory=RewardUnit)

    def numbers(self) -> dict[str, Any]:
        """Return the state in JSON's types."""
        return {
            "kept": self.best and asdict(self.best),
            "alarms": self.alarms,
            "offset": self.unit.offset,
            "scale": self.unit.scale,
        }

    def restore(self, numbers: dict[str, Any]) -> None:
        """Restore the state that `numbers` returned, in place."""
        best = numbers["kept"]
        self.best = best and GuardReading(best["update"], best["reward"], tuple(best["guard"]))
        self.alarms = numbers["alarms"]
        self.unit.offset, self.unit.scale = numbers["offset"], numbers["scale"]


class AlarmCounter:
    """Count the alarms in a row over the readings of a run. `reason` explains why the run should end, or is empty."""

    def __init__(self, state: GuardState | None = None) -> None:
        self.state = state or GuardState()
        self.reason = ""

    def observe(self, reading: GuardReading, is_best: bool) -> None:
        """Account for the next reading. `is_best` marks the best policy so far; later readings are compared with it."""
        best = self.state.best
        if is_best or best is None:
            self.state.best, self.state.alarms = reading, 0
            return
        self.state.alarms = self.state.alarms + 1 if is_alarm(reading, best) else 0
        if self.state.alarms >= ALARMS:
            self.reason = _explain(reading, best)


class Guard(AlarmCounter):
    """Score answers by the second reward, in deviations of the reference's answers, and count alarms."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__(GuardState(unit=scorer.unit))
        self.scorer = scorer

    def begin(self, prompts: Sequence[Prompt], answers: Rollout) -> Tensor:
        """Set the unit from the reference's answers, and return their scores (B,)."""
        raw = self._raw_scores(prompts, answers)
        self.scorer.fit(raw)
        return self.scorer.standardize(raw, answers.ended)

    def scores(self, prompts: Sequence[Prompt], answers: Rollout) -> Tensor:
        """Return the guard's scores (B,) of the policy's answers."""
        return self.scorer.standardize(self._raw_scores(prompts, answers), answers.ended)

    def _raw_scores(self, prompts: Sequence[Prompt], answers: Rollout) -> Tensor:
        """Score this process's share of the answers and gather all of them."""
        rows = distributed.shard(len(prompts))

        def score() -> Tensor:
            return self.scorer.raw_scores([prompts[row] for row in rows], [answers.ids[row] for row in rows])

        return join_shards(distributed.gather_results(score))


def _explain(now: GuardReading, best: GuardReading) -> str:
    """Return the reason for the end of the run, with the guard's fall and the reward's rise."""
    mean, error = paired_change(now.guard, best.guard)
    rise = now.reward - best.reward
    return (
        f"since update {best.update} the guard fell by {-mean:.2f} (standard error {error:.2f}) "
        f"while the reward rose by {rise:.2f}"
    )
