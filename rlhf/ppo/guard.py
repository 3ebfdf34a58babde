"""The guard against over-optimisation: a second reward model, trained on other labels, that watches and is never trained against.

A policy that exploits the faults of its reward model gains by it and not by a judge with other faults. The guard scores the
policy's answers to the fixed prompts beside the driving reward. It chooses the policy that is kept (its own mean less
the price of KL), and ends the run where it falls while the driving reward rises.

The rule. Both rewards stand in deviations of the reference's answers. Let k be the kept policy, d_i the guard's score of the
answer to fixed prompt i now less that at k, N their number, and se = std(d) / sqrt(N) with N - 1 in the variance: prompts are paired and
answered with the same noise, so what makes a prompt easy drops out. A look is an alarm if mean(d) < -2.5 se while the driving
reward's mean is above that at k. Two alarms in a row end the run. One look at 2 se would not do: k is the best of all looks so far and
therefore a lucky one, and a policy that gets no worse looks worse than it (docs/ppo.md has the figures).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from reward.protocol import Prompt
from rlhf.common import distributed
from rlhf.ppo.reward_shaping import Scorer
from rlhf.ppo.rollout import join_shards
from rlhf.sampling.sampler import Rollout

ERRORS, ALARMS = 2.5, 2
"""Standard errors that the guard must have fallen by, and the looks in a row at which it must have."""


@dataclass(frozen=True, slots=True)
class GuardReading:
    """One look at the fixed prompts after `update` updates: the driving reward's mean, and the guard's score of each answer."""

    update: int
    reward: float
    guard: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The guard's mean."""
        return sum(self.guard) / len(self.guard)


def paired_change(now: Sequence[float], before: Sequence[float]) -> tuple[float, float]:
    """Mean of the paired differences now - before, and its standard error; with a single pair the error is infinite."""
    count = len(now)
    differences = [x - y for x, y in zip(now, before, strict=True)]
    mean = sum(differences) / count
    if count == 1:
        return mean, math.inf
    variance = sum((x - mean) ** 2 for x in differences) / (count - 1)
    return mean, math.sqrt(variance / count)


def is_alarm(now: GuardReading, kept: GuardReading) -> bool:
    """Whether the guard fell by more than its noise since the kept policy while the driving reward rose."""
    mean, error = paired_change(now.guard, kept.guard)
    return mean < -ERRORS * error and now.reward > kept.reward


class AlarmCounter:
    """Counts alarms over the looks of a run. `reason` says why the run should end; empty as long as it should not."""

    def __init__(self) -> None:
        self.kept: GuardReading | None = None
        self.alarms = 0
        self.reason = ""

    def observe(self, look: GuardReading, kept: bool) -> None:
        """Take in the next look; `kept` tells that its policy is the best yet, with which later ones are compared."""
        if kept or self.kept is None:
            self.kept, self.alarms = look, 0
            return
        self.alarms = self.alarms + 1 if is_alarm(look, self.kept) else 0
        if self.alarms >= ALARMS:
            self.reason = _told(look, self.kept)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, in JSON's types."""
        return {"kept": self.kept and asdict(self.kept), "alarms": self.alarms}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        kept = state["kept"]
        self.kept = kept and GuardReading(kept["update"], kept["reward"], tuple(kept["guard"]))
        self.alarms = state["alarms"]


class Guard(AlarmCounter):
    """A watcher with the second judge. Its scores are in deviations of the reference's answers, like the driving reward."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.scorer = scorer

    def begin(self, prompts: Sequence[Prompt], answers: Rollout) -> Tensor:
        """Take the unit from the reference's answers; their scores (B,)."""
        raw = self._raw(prompts, answers)
        self.scorer.fit(raw)
        return self.scorer.standard(raw, answers.ended)

    def scores(self, prompts: Sequence[Prompt], answers: Rollout) -> Tensor:
        """The second judge's scores (B,) of the policy's answers."""
        return self.scorer.standard(self._raw(prompts, answers), answers.ended)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: that of a watcher, and the unit."""
        return super().state() | {"offset": self.scorer.offset, "scale": self.scorer.scale}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        super().restore(state)
        self.scorer.offset, self.scorer.scale = state["offset"], state["scale"]

    def _raw(self, prompts: Sequence[Prompt], answers: Rollout) -> Tensor:
        """Each process asks for its share of the answers."""
        share = distributed.shard(len(prompts))
        return join_shards(
            distributed.gather_results(
                lambda: self.scorer.raw([prompts[place] for place in share], [answers.ids[place] for place in share])
            )
        )


def _told(now: GuardReading, kept: GuardReading) -> str:
    mean, error = paired_change(now.guard, kept.guard)
    rise = now.reward - kept.reward
    return f"since update {kept.update} the guard fell by {-mean:.2f} (standard error {error:.2f}) while the reward rose by {rise:.2f}"
