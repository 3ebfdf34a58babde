# SPDX-License-Identifier: Apache-2.0
"""PPO whose reward model learns between updates: before a step it asks labelers and waits for their answers.

A *step* is a few updates. It begins with a rollout whose answers become questions. When enough labels have come, the
reward model is fitted to all of them, the rollout gets its rewards and the policy is updated. The other updates of the
step use fresh prompts, which costs no label.
"""

from __future__ import annotations

import time

from rlhf.online.asking import Asking
from rlhf.online.labels import LabelStream
from rlhf.ppo.rollout import ScoredRollout
from rlhf.ppo.trainer import PPOTrainer


class OnlineTrainer(PPOTrainer):
    """PPO on a reward that is fitted again and again. `connect` it before `train`.

    The run ends with the newest policy within the KL budget, not with the one of highest reward. Rewards before and
    after a fit have different units, so no earlier policy can be called better by them.
    """

    asking: Asking
    labels: LabelStream
    updates_per_step: int

    def connect(self, asking: Asking, labels: LabelStream, updates_per_step: int) -> None:
        """Connect the trainer with the questions to labelers and with their labels."""
        self.asking, self.labels, self.updates_per_step = asking, labels, updates_per_step

    def _begin_update(self, update: int) -> None:
        self.labels.stop_if_cancelled()
        kept, self.ppo_state.best = self.ppo_state.best, None
        super()._begin_update(update)
        if self.ppo_state.best is None:  # the first update, and one whose policy is beyond the budget
            self.ppo_state.best = kept

    def _collect(self, update: int) -> ScoredRollout:
        if update % self.updates_per_step:
            self._learn()
            return super()._collect(update)
        rows, prompts = self._choose_prompts(update)
        self.collector.begin_rollout()
        answers = self.collector.sample_shared(prompts, update)
        self._learn()

        def ask() -> None:
            self.asking.begin(update, rows, prompts, answers)
            self.labels.queue.begin(update, self.asking.more)

        self.labels.context.once(ask)
        if not self.labels.wait(update, self.asking.more):
            self.end_reason, self.control.should_training_stop = self.labels.end_reason, True
        self._started = time.perf_counter()  # nobody's work is measured by the time that labelers take
        self._learn()
        return self.collector.score_shared(rows, prompts, answers)

    def _learn(self) -> None:
        """Fit the reward to labels that are new, and take its unit from the start's answers again."""
        if not self.labels.learn():
            return
        reference = self.validation.reference
        assert reference is not None, "train measures the start first"
        prompts = [row["prompt"] for row in self.validation.rows]
        raw = self.scorer.raw_scores(prompts, reference.answers.ids)
        self.scorer.fit(raw)
        self.validation.reference = reference._replace(raw=raw)
