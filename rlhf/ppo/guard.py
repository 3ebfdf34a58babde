# SPDX-License-Identifier: Apache-2.0
"""The guard against over-optimisation: a second reward model, trained on other labels and never trained against.

A policy that exploits the faults of its reward model gains by that model and not by one with other faults. The guard
scores the policy's answers to the fixed prompts beside the driving reward. It chooses the best policy (by its own mean
less the price of KL), and ends the run when it falls while the driving reward rises.

The rule. Both rewards are in standard deviations of the reference's answers. Let k be the best policy so far, d_i the
guard's score of the answer to fixed prompt i now less that at k, N their number, and se = std(d) / sqrt(N) with N - 1
in the variance. Prompts are paired and answered with the same noise, so a prompt's difficulty cancels. A reading is an
alarm if mean(d) < -2.5 se and the driving reward's mean is above that at k. Two alarms in a row end the run. One alarm
at 2 se would end too many runs: k has the best of all readings so far, so it is a lucky one, and an equally good policy
reads worse. docs/ppo.md has the figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from reward.protocol import Prompt
from rlhf.common import distributed
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


def is_alarm(now: GuardReading, kept: GuardReading) -> bool:
    """Return whether the guard fell by more than its noise since the best policy while the driving reward rose."""
    mean, error = paired_change(now.guard, kept.guard)
    return mean < -ERRORS * error and now.reward > kept.reward


@dataclass
class GuardState:
    """The state of a guard in a checkpoint: its reading of the best policy, alarms in a row, the unit of its scores."""

    kept: GuardReading | None = None
    alarms: int = 0
    unit: RewardUnit = field(default_factory=RewardUnit)

    def numbers(self) -> dict[str, Any]:
        """Return the state in JSON's types."""
        return {
            "kept": self.kept and asdict(self.kept),
            "alarms": self.alarms,
            "offset": self.unit.offset,
            "scale": self.unit.scale,
        }

    def restore(self, numbers: dict[str, Any]) -> None:
        """Take over what `numbers` once returned, in place."""
        kept = numbers["kept"]
        self.kept = kept and GuardReading(kept["update"], kept["reward"], tuple(kept["guard"]))
        self.alarms = numbers["alarms"]
        self.unit.offset, self.unit.scale = numbers["offset"], numbers["scale"]


class AlarmCounter:
    """Counts alarms in a row over the readings of a run. `reason` explains why the run should end; else it is empty."""

    def __init__(self, state: GuardState | None = None) -> None:
        self.state = state or GuardState()
        self.reason = ""

    def observe(self, reading: GuardReading, kept: bool) -> None:
        """Take in the next reading; `kept` marks the best policy so far, with which later readings are compared."""
        best = self.state.kept
        if kept or best is None:
            self.state.kept, self.state.alarms = reading, 0
            return
        self.state.alarms = self.state.alarms + 1 if is_alarm(reading, best) else 0
        if self.state.alarms >= ALARMS:
            self.reason = _explain(reading, best)


class Guard(AlarmCounter):
    """An alarm counter with the second reward, whose scores are in deviations of the reference's answers."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__(GuardState(unit=scorer.unit))
        self.scorer = scorer

    def begin(self, prompts: Sequence[Prompt], answers: Rollout) -> Tensor:
        """Fix the unit by the reference's answers; return their scores (B,)."""
        raw = self._raw_scores(prompts, answers)
        self.scorer.fit(raw)
        return self.scorer.standardize(raw, answers.ended)

    def scores(self, prompts: Sequence[Prompt], answers: Rollout) -> Tensor:
        """Return the guard's scores (B,) of the policy's answers."""
        return self.scorer.standardize(self._raw_scores(prompts, answers), answers.ended)

    def _raw_scores(self, prompts: Sequence[Prompt], answers: Rollout) -> Tensor:
        """Score this process's share of the answers and gather all of them."""
        rows = distributed.shard(len(prompts))
        return join_shards(
            distributed.gather_results(
                lambda: self.scorer.raw_scores([prompts[row] for row in rows], [answers.ids[row] for row in rows])
            )
        )


def _explain(now: GuardReading, kept: GuardReading) -> str:
    mean, error = paired_change(now.guard, kept.guard)
    rise = now.reward - kept.reward
    return (
        f"since update {kept.update} the guard fell by {-mean:.2f} (standard error {error:.2f}) "
        f"while the reward rose by {rise:.2f}"
    )
