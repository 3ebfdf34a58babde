# SPDX-License-Identifier: Apache-2.0
"""The callback that asks people at every validation of a PPO run, and ends a run whose start they prefer."""

from __future__ import annotations

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from data.run_context import RunContext
from reward.base.frozen_base import Base
from rlhf.ppo.checkpoint import BestPolicy, copy_adapter
from rlhf.ppo.people.panel import AskedAnswer, Candidate, Panel, Verdicts
from rlhf.ppo.roles import POLICY
from rlhf.ppo.trainer import PPOTrainer
from rlhf.sampling.sampler import Rollout

ENDORSING = 5
"""Verdicts on a policy, at least half of them for it, before it may be what an ended run keeps."""
REMEMBERED = 3
"""Best policies whose weights are in memory until people have judged them."""


class PeopleStop(TrainerCallback):
    """Asks about the policy of each validation, and reads the verdicts so far.

    An ended run keeps the newest policy that was the best of its time and that people did not find worse than the
    start, else the start. The main process asks and reads; all decide the same. `status` is for the run's progress.
    """

    def __init__(self, context: RunContext, panel: Panel) -> None:
        self.context, self.panel = context, panel
        self.status, self.verdicts = "", Verdicts((), panel.looks)
        self.endorsed: BestPolicy | None = None
        self.remembered: list[BestPolicy] = []

    def connect(self, trainer: PPOTrainer) -> None:
        """Watch this trainer, whose policy is the start now."""
        self.trainer, self.start_weights = trainer, copy_adapter(trainer.base, POLICY)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        """Read the verdicts, ask about the policy of now, and end the run if people prefer its start."""
        rose = (metrics or {})["eval_reward"] > self._start_reward()
        if self._look(rose):
            self.trainer.end_reason = f"people prefer the start, {self.verdicts.score}, while the reward rose"
            self.trainer.ppo_state.best = self.endorsed or self._start()
            control.should_training_stop = True

    def _look(self, rose: bool) -> bool:
        """Return whether the run should end."""
        update, verdicts = self.trainer.updates_done, self.context.once(self.panel.read)
        self.verdicts, self.status = verdicts, verdicts.status(reward_rose=rose)
        self._endorse()
        self.context.once(lambda: self.panel.ask(update, self._candidates()))
        if verdicts.outcomes:
            values = verdicts.of(0)
            self.context.metric(update, people_win_rate=sum(values) / len(values), people_verdicts=float(len(values)))
        return rose and verdicts.prefer_start

    def _endorse(self) -> None:
        """Remember the best policy, and endorse the newest of the remembered ones that people do not find worse."""
        for best in self.remembered:
            outcomes = self.verdicts.of(best.update, best.update)
            if len(outcomes) >= ENDORSING and 2 * sum(outcomes) >= len(outcomes):
                self.endorsed = best
        newest = self.trainer.best
        if newest is not None and newest.update and newest.update not in [best.update for best in self.remembered]:
            self.remembered = [*self.remembered, newest][-REMEMBERED:]

    def _start_reward(self) -> float:
        reference = self.trainer.validation.reference
        assert reference is not None, "the start was measured before"
        return self.trainer.collector.scorer.shape(reference.raw, reference.answers).mean().item()

    def _start(self) -> BestPolicy:
        reward = self._start_reward()
        return BestPolicy(0, reward, 0.0, reward, self.start_weights)

    def _candidates(self) -> list[Candidate]:
        validation, base = self.trainer.validation, self.trainer.base
        measured, reference = validation.measured, validation.reference
        assert measured is not None, "the policy was validated just now"
        assert reference is not None, "the start was measured before"
        start_scores = self.trainer.collector.scorer.shape(reference.raw, reference.answers)
        predicted = torch.sigmoid(measured.scores - start_scores).tolist()
        answers = (_asked(base, rollout) for rollout in (measured.answers, reference.answers))
        return [
            Candidate(row["id"], policy, start, chance)
            for row, policy, start, chance in zip(validation.rows, *answers, predicted, strict=True)
        ]


def _asked(base: Base, rollout: Rollout) -> list[AskedAnswer]:
    return [AskedAnswer(ids, base.decode(ids), ended) for ids, ended in zip(rollout.ids, rollout.ended, strict=True)]
