# SPDX-License-Identifier: Apache-2.0
"""PPO on a LoRA policy as a transformers Trainer, which brings gradient clipping, schedules, callbacks and checkpoints.

The data loader only counts: it yields the number of a forward pass, and the first pass of an update makes its rollout.
At the end of an update the run's state is weights, optimizer, schedule and `PPOState`. Checkpoints are written then.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers.trainer_utils import TrainOutput

from reward.base.adapters import read_adapter
from reward.base.frozen_base import Base
from reward.base.machine import LARGE_BASE, keep_freed_memory
from reward.base.sharding import shard
from reward.protocol import Rewarder, RewardFunction
from reward.training.atomic_checkpoints import DraftingTrainer
from rlhf.ppo.checkpoint import BestPolicy, Identity, load_adapter, load_state, run_identity, save_state
from rlhf.ppo.config import PPOConfig
from rlhf.ppo.out_of_memory import explain_out_of_memory
from rlhf.ppo.prompt_rows import PromptRow
from rlhf.ppo.roles import POLICY, initialize_values
from rlhf.ppo.rollout import (
    ScoredRollout,
    agreement_metrics,
    choose_prompt_rows,
    critic_metrics,
    make_experience,
    minibatch_plan,
    penalized_rewards,
    rollout_metrics,
)
from rlhf.ppo.setup import PPOOptions, build
from rlhf.ppo.update import UpdateStats, compute_losses
from rlhf.ppo.validation import Sample, Watch


class PPOTrainer(DraftingTrainer):
    """Train the adapter `policy` of a base against a reward and keep it near the policy it starts from.

    `model` is a Base or the source to load one from. `reward` has `.score(prompts, completions)` or is such a function.
    Datasets are sequences of rows with a `prompt`: text, or messages. The policy starts as the adapter in the folder
    `start`, or as a fresh LoRA by `peft_config` (None: on all linear layers). The starting policy is the reference.
    With `eval_dataset` the best policy is chosen on its prompts, else on the rollouts. Other options go to
    `transformers.Trainer`. `args` never changes; `self.args` is the resolved copy.

    After `train()` the adapter holds the best policy; `best.update` is its update. `end_reason` explains an early end.
    `watch`, if set, receives rows, texts and ended flags of the answers to the fixed prompts. Its mean is logged as
    `eval_gold` and changes no decision. `guard` is a second reward: see `rlhf.ppo.guard`.
    """

    args: PPOConfig
    loss_is_scaled_for_ga = True

    def __init__(
        self,
        model: Base | str | Path,
        reward: Rewarder | RewardFunction,
        args: PPOConfig | None = None,
        *,
        train_dataset: Sequence[PromptRow],
        eval_dataset: Sequence[PromptRow] | None = None,
        **options: Unpack[PPOOptions],
    ) -> None:
        others: dict[str, Any] = dict(options)
        policy = {name: others.pop(name) for name in ("start", "peft_config", "guard") if name in others}
        setup = build(model, reward, args or PPOConfig(), train_dataset, eval_dataset, **policy)
        self.base, self.reference, self.reward = setup.base, setup.reference, reward
        self.scorer, self.collector, self.guard = setup.scorer, setup.collector, setup.guard
        self.prompts, self.validation, self.ppo_state = setup.prompts, setup.validation, setup.state
        self.train_rows, self.end_reason = train_dataset, ""
        self.watch: Watch | None = None
        super().__init__(setup.actor, setup.args, train_dataset=train_dataset, eval_dataset=eval_dataset, **others)

    # ---- the whole run

    @property
    def updates_done(self) -> int:
        """Number of updates that made the current weights."""
        return self.state.global_step // self.args.steps_per_update

    @property
    def best(self) -> BestPolicy | None:
        """The best policy so far; None before the start is measured."""
        return self.ppo_state.best

    @property
    def samples(self) -> list[Sample]:
        """The answers of the last validation, each with the reference's answer."""
        return self.validation.samples

    def train(
        self,
        resume_from_checkpoint: str | bool | None = None,
        trial: Any = None,  # noqa: ANN401 (of the hyperparameter search of transformers)
        ignore_keys_for_eval: list[str] | None = None,
    ) -> TrainOutput:
        """Train, then load the best policy into the adapter `policy`.

        Raises BadInput for an unusable reward, for a checkpoint of another run, and when memory runs out.
        """
        keep_freed_memory(self.base.causal.get_memory_footprint(), LARGE_BASE)
        shard(self.base.causal, self.collector.actor, wanted=self.args.shard_base)
        self._answer_as_reference()
        with self.base.role(POLICY), explain_out_of_memory(self.args):
            output = super().train(resume_from_checkpoint, trial, ignore_keys_for_eval)
            if not self.eval_dataset and self.state.global_step == self.state.max_steps:
                final = rollout_metrics(self._collect(self.updates_done))  # lets the last update be the best
                self.validation.consider(self.updates_done, final["reward"], final["kl"])
        if self.best is not None:
            load_adapter(self.base, POLICY, self.best.weights)
        return output

    def get_train_dataloader(self) -> DataLoader:
        """Count the forward passes of the whole run; each item is `{"pass": number}`."""
        numbers = [{"pass": number} for number in range(self.args.max_steps * self.args.gradient_accumulation_steps)]
        return DataLoader(numbers, batch_size=1, collate_fn=lambda rows: rows[0])  # type: ignore[arg-type]  # a list is a map-style dataset

    def _answer_as_reference(self) -> None:
        """Measure the starting policy on the fixed prompts: this fixes the reward's unit and the critic's start."""
        self.validation.answer_as_reference()
        initialize_values(self.collector.actor, self.args.critic, self.reward, self.scorer)

    # ---- one update

    def _prepare_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the rows of a forward pass and its window, the real tokens of its optimizer step.

        The first pass of an update makes the rollout.
        """
        accumulated, processes = self.args.gradient_accumulation_steps, self.args.world_size
        update, number = divmod(inputs["pass"], self.args.steps_per_update * accumulated)
        if number == 0:
            self._begin_update(update)
        first = number // accumulated * accumulated * processes
        passes = self._plan[first : first + accumulated * processes]
        window = sum(len(self._experience.answers[row]) for rows in passes for row in rows)
        return {"rows": self._plan[number * processes + self.args.process_index], "window": window}

    def _begin_update(self, update: int) -> None:
        """Sample and score a rollout, compute rewards and advantages, check the KL budget, steer the KL coefficient."""
        self._started, self._stats = time.perf_counter(), UpdateStats(self.args.target_kl)
        rollout, state = self._collect(update), self.ppo_state
        rewards = penalized_rewards(rollout, self.args, state.kl_coef)
        self._experience = make_experience(rollout, rewards, self.args, self.collector.sampler.served)
        self._plan = minibatch_plan(self.args, update, rollout.lengths)
        self._metrics = rollout_metrics(rollout, self.args.kl_estimator) | agreement_metrics(rollout)
        self._metrics |= {"update": update, "kl_coef": state.kl_coef} | critic_metrics(self._experience, self.args)
        self._metrics["rollout_seconds"] = time.perf_counter() - self._started
        if not self.eval_dataset and update > 0:
            self.validation.consider(update, self._metrics["reward"], self._metrics["kl"])
        if self._metrics["kl"] > self.args.kl_budget:
            self._end_over_budget()
        state.kl_coef = self.args.next_kl_coef(state.kl_coef, self._metrics["kl"])

    def _collect(self, update: int) -> ScoredRollout:
        return self.collector.collect(*self._choose_prompts(update), update)

    def _choose_prompts(self, update: int) -> tuple[list[PromptRow], list[list[int]]]:
        """Return the rows that an update answers, and their prompts as ids."""
        args = self.args
        rows = choose_prompt_rows(
            args.seed, update, args.rollout_batch_size, len(self.prompts), args.answers_per_prompt
        )
        return [self.train_rows[row] for row in rows], [self.prompts[row] for row in rows]

    def _end_over_budget(self) -> None:
        """Validate this policy once more, then end the run; `train` undoes its last steps."""
        self.log(dict(self._metrics))
        self.end_reason = f"the KL budget of {self.args.kl_budget:g} nats is spent: {self._metrics['kl']:.2f}"
        if self.eval_dataset and self.updates_done % self.args.eval_updates:  # otherwise it was validated a moment ago
            self.evaluate()
        self.control.should_training_stop = True

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Run a forward and backward pass; none after `target_kl` ended the update.

        An optimizer step without gradients changes nothing.
        """
        accumulated = self.args.gradient_accumulation_steps
        if inputs["pass"] % (self.args.steps_per_update * accumulated) and self._stats.stopped:
            return torch.zeros((), device=self.base.device)
        loss = super().training_step(model, inputs, num_items_in_batch)
        if (inputs["pass"] + 1) % accumulated == 0 and not self._stats.end_minibatch():
            model.zero_grad()
        return loss

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Return the clipped policy and value loss of a pass, weighted by its share of the optimizer step's tokens."""
        data = self._experience.select(inputs["rows"], self.base.device)
        loss, stats = compute_losses(model, self.base, data, self.args)
        share = sum(map(len, data.answers)) / inputs["window"]
        self._stats.add(stats, share)
        # several processes average their gradients, while the shares of all of them add up to 1
        return self.args.world_size * share * loss

    def evaluate(
        self, eval_dataset: object = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Answer the fixed prompts with their fixed noise; return reward, KL, objective, guard and gold."""
        if self.validation.reference is None:
            self._answer_as_reference()
        measured = self.validation.measure(self.updates_done, self.watch)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in measured.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        if self.guard and self.guard.reason and self.state.global_step < self.state.max_steps:
            self.end_reason, self.control.should_training_stop = self.guard.reason, True
        return metrics

    # ---- logs and checkpoints

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the update's metrics to the loss that the training loop reports at its end."""
        if "loss" in logs:
            seconds = time.perf_counter() - self._started
            logs |= self._metrics | self._stats.means()
            logs |= {"update": self.updates_done, "episodes_per_second": self.args.rollout_batch_size / seconds}
        super().log(logs, start_time)

    def _identity(self) -> Identity:
        return run_identity(self.args, self.base, self.guard is not None, self.collector.sampler.served)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        if self.args.should_save:
            self.base.save_adapter(POLICY, str(output_dir or self.args.output_dir))

    def _complete_checkpoint(self, checkpoint: Path) -> None:
        save_state(checkpoint, self.collector.actor, self.ppo_state, self._identity())

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        load_state(Path(resume_from_checkpoint), self.collector.actor, self.ppo_state, self._identity())
        load_adapter(self.base, POLICY, read_adapter(resume_from_checkpoint)[1])
