"""PPO on a LoRA policy as a transformers Trainer: clipping, schedules, callbacks and checkpoints come from there.

The data loader only counts: it hands out the number of a forward pass, and a rollout is made when its first pass is due. At the end
of an update the state of a run is weights, optimizer, schedule and a few numbers, nothing else; that is when it is saved.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import set_seed
from transformers.trainer_utils import IntervalStrategy, TrainOutput

from data.errors import BadInput
from reward.base.adapters import read_adapter
from reward.base.cpu_attention import attend_on_a_cpu
from reward.base.frozen_base import Base
from reward.base.machine import keep_freed_memory
from reward.protocol import Rewarder, RewardFunction
from rlhf.common.atomic_checkpoints import DraftingTrainer
from rlhf.ppo import arithmetic
from rlhf.ppo.actor_critic import ActorCritic
from rlhf.ppo.checkpoint import BestPolicy, copy_adapter, load_adapter, load_state, run_identity, save_state
from rlhf.ppo.collector import FIXED_PROMPTS, PromptRow, RolloutCollector
from rlhf.ppo.config import PPOConfig
from rlhf.ppo.guard import Guard, GuardReading
from rlhf.ppo.out_of_memory import explain_out_of_memory
from rlhf.ppo.reward_shaping import Scorer
from rlhf.ppo.roles import POLICY, add_critic, add_policy, initialize_values, resolve_critic
from rlhf.ppo.rollout import (
    ScoredAnswers,
    ScoredRollout,
    choose_prompt_rows,
    comparison_samples,
    encode_prompts,
    make_experience,
    minibatch_plan,
    penalized_rewards,
    rollout_metrics,
)
from rlhf.ppo.update import UpdateStats, compute_losses
from rlhf.sampling.sampler import Rollout

Watch = Callable[[Sequence[PromptRow], Sequence[str], Sequence[bool]], Sequence[float]]


class PPOTrainer(DraftingTrainer):
    """Train the adapter `policy` of a base against a reward, kept near the policy it starts from.

    `model` is a Base or where to load one. `reward` has `.score(prompts, completions)` or is such a function. Datasets are sequences
    of rows with a `prompt`: text, or messages. The policy starts as the adapter in the folder `start`, or as a fresh LoRA by
    `peft_config` (None: on all linear layers); as it starts it is the reference. With `eval_dataset` the kept checkpoint is chosen
    there, else on the rollouts.

    After `train()` the adapter holds the best policy seen (`best.update` says when). `watch`, if set, is called with rows, texts and
    ended flags of the answers to the fixed prompts; its mean is logged as `eval_gold` and decides nothing.
    `guard`, a second reward, chooses the kept checkpoint in place of the first and ends an over-optimised run: see `rlhf.ppo.guard`.
    `end` says why a run ended before its last update.
    """

    loss_is_scaled_for_ga = True

    def __init__(
        self,
        model: Base | str | Path,
        reward: Rewarder | RewardFunction,
        args: PPOConfig | None = None,
        *,
        train_dataset: Sequence[PromptRow],
        eval_dataset: Sequence[PromptRow] | None = None,
        start: str | Path | None = None,
        peft_config: LoraConfig | None = None,
        guard: Rewarder | RewardFunction | None = None,
        **options: Any,
    ) -> None:
        if guard is not None and not eval_dataset:
            raise BadInput(
                "a guard watches answers to fixed prompts, and there are none", "Give eval_dataset", field="guard"
            )
        args = args or PPOConfig()
        set_seed(args.seed)
        self.base = model if isinstance(model, Base) else Base.load(model, device=args.device)
        self.reference = add_policy(self.base, start, peft_config)
        rules = {"clip": args.reward_clip, "length_penalty": args.length_penalty, "length_free": args.length_free}
        self.scorer, self.reward = Scorer(self.base, reward, args.missing_eos_penalty, **rules), reward
        self.kl = arithmetic.AdaptiveKL(args.kl_coef, args.kl_target or 1.0, args.kl_horizon)
        self.guard = None if guard is None else Guard(Scorer(self.base, guard, args.missing_eos_penalty))
        self.end = ""
        self.watch: Watch | None = None
        self.best: BestPolicy | None = None
        self.samples: list[dict[str, Any]] = []
        self._reference_answers: Rollout | None = None
        self._prompts = encode_prompts(self.base, train_dataset, "train_dataset")
        self._fixed = list(
            eval_dataset or (train_dataset[i] for i in range(min(args.rollout_batch_size, len(self._prompts))))
        )
        self._fixed_prompts = encode_prompts(self.base, self._fixed, "eval_dataset")
        args.eval_strategy = IntervalStrategy.STEPS if eval_dataset else IntervalStrategy.NO
        args.max_steps = args.steps_per_update * args.updates(len(self._prompts))
        args.critic = resolve_critic(args.critic, reward, self.base)
        if args.bf16:
            attend_on_a_cpu(self.base.causal, max(map(len, self._prompts + self._fixed_prompts)) + args.max_new_tokens)
        actor = ActorCritic(self.base, args.temperature, args.bf16, add_critic(self.base, args.critic, reward))
        self.collector = RolloutCollector(actor, self.reference, self.scorer, args)
        super().__init__(actor, args, train_dataset=train_dataset, eval_dataset=eval_dataset, **options)

    # ---- the whole run

    @property
    def updates_done(self) -> int:
        """Updates that the current weights have behind them."""
        return self.state.global_step // self.args.steps_per_update

    def train(self, resume_from_checkpoint: str | None = None, **options: Any) -> TrainOutput:
        """Train, then put the best policy into the adapter `policy`. Raises BadInput for a reward that cannot be used, for a
        checkpoint of another run, and where memory ends."""
        keep_freed_memory()
        self._answer_as_reference()
        with self.base.role(POLICY), explain_out_of_memory(self.args):
            output = super().train(resume_from_checkpoint=resume_from_checkpoint, **options)
            if not self.eval_dataset and self.state.global_step == self.state.max_steps:
                last = rollout_metrics(
                    self._answers(self.updates_done)
                )  # else the last update would have been for nothing
                self._consider(self.updates_done, last["reward"], last["kl"])
        if self.best is not None:
            load_adapter(self.base, POLICY, self.best.weights)
        return output

    def get_train_dataloader(self) -> DataLoader:
        """The numbers of all forward passes of the run; `prompt_rows` chooses prompts by them."""
        numbers = [{"pass": number} for number in range(self.args.max_steps * self.args.gradient_accumulation_steps)]
        return DataLoader(numbers, batch_size=1, collate_fn=lambda rows: rows[0])

    def _answer_as_reference(self) -> None:
        """The reference's answers to the fixed prompts: they give the reward its unit, and samples their counterpart."""
        with self.base.role(self.reference):
            answers, raw = self.collector.answer(self._fixed, self._fixed_prompts, FIXED_PROMPTS)
        if self.args.standardize_reward or self.args.center_reward:
            self.scorer.fit(raw, scale=self.args.standardize_reward)
        initialize_values(self.model, self.args.critic, self.reward, self.scorer)
        self._reference_answers, self._reference_raw = answers, raw
        watched = self.guard and self.guard.begin([row["prompt"] for row in self._fixed], answers)
        self._consider(0, self.scorer.shaped(raw, answers).mean().item(), kl=0.0, watched=watched)

    # ---- one update

    def _prepare_inputs(self, inputs: dict[str, int]) -> dict[str, Any]:
        """From the number of a forward pass to its rows; the first pass of an update makes the rollout."""
        accumulated, processes = self.args.gradient_accumulation_steps, self.args.world_size
        update, number = divmod(inputs["pass"], self.args.steps_per_update * accumulated)
        if number == 0:
            self._begin_update(update)
        first = number // accumulated * accumulated * processes
        window = sum(
            int(self._experience.mask[rows].sum()) for rows in self._plan[first : first + accumulated * processes]
        )
        return {"rows": self._plan[number * processes + self.args.process_index], "window": window}

    def _begin_update(self, update: int) -> None:
        """1 sample, score and look as policy and as reference  2 reward: the score at the end token, less the price of KL at each
        3 advantages  4 is the KL budget spent?  5 steer the price."""
        self._started, self._tally = time.perf_counter(), UpdateStats(self.args.target_kl)
        seen = self._answers(update)
        self._experience = make_experience(seen, penalized_rewards(seen, self.args, self.kl.coefficient), self.args)
        self._plan = minibatch_plan(self.args, update, seen.lengths)
        quality = arithmetic.explained_variance(self._experience.old_values, self._experience.returns, seen.mask).item()
        self._metrics = rollout_metrics(seen, self.args.kl_estimator) | {
            "update": update,
            "kl_coef": self.kl.coefficient,
            "explained_variance": quality,
        }
        self._metrics["rollout_seconds"] = time.perf_counter() - self._started
        if not self.eval_dataset and update > 0:
            self._consider(update, self._metrics["reward"], self._metrics["kl"])
        if self._metrics["kl"] > self.args.kl_budget:
            self._stop()
        if self.args.kl_target is not None:
            # Near the start KL is small, and a price that had sunk there would let it jump past the target at once.
            self.kl.coefficient = max(
                self.args.kl_coef, self.kl.update(self._metrics["kl"], self.args.rollout_batch_size)
            )

    def _answers(self, update: int) -> ScoredRollout:
        rows = choose_prompt_rows(self.args.seed, update, self.args.rollout_batch_size, len(self._prompts))
        return self.collector.judge(
            [self.train_dataset[row] for row in rows], [self._prompts[row] for row in rows], update
        )

    def _stop(self) -> None:
        """The KL budget is spent: look at this policy once more, then end the run; its last steps are undone by `train`."""
        self.log(dict(self._metrics))
        self.end = f"the KL budget of {self.args.kl_budget:g} nats is spent: {self._metrics['kl']:.2f}"
        if self.eval_dataset and self.updates_done % self.args.eval_updates:  # else it was looked at just now
            self.evaluate()
        self.control.should_training_stop = True

    def training_step(self, model: torch.nn.Module, inputs: dict[str, int], num_items_in_batch: Any = None) -> Tensor:
        """A forward and backward pass. Where `target_kl` has ended the update there is none, and an optimizer step without gradients is none."""
        accumulated = self.args.gradient_accumulation_steps
        if inputs["pass"] % (self.args.steps_per_update * accumulated) and self._tally.stopped:
            return torch.zeros((), device=self.base.device)
        loss = super().training_step(model, inputs, num_items_in_batch)
        if (inputs["pass"] + 1) % accumulated == 0 and not self._tally.end_minibatch():
            model.zero_grad()
        return loss

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Tensor:
        """The clipped policy loss and the clipped value loss of one pass, as its share of the tokens of the optimizer step."""
        data = self._experience.select(inputs["rows"], self.base.device)
        loss, stats = compute_losses(model, self.base, data, self.args)
        share = int(data.mask.sum()) / inputs["window"]
        self._tally.add(stats, share)
        # several processes average their gradients, while the shares of all of them add up to 1
        return self.args.world_size * share * loss

    # ---- the best policy

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Answer the fixed prompts, always with the same noise: reward, KL, and whether this is the best policy so far."""
        if self._reference_answers is None:
            self._answer_as_reference()
        with self.base.role(POLICY):
            seen = self.collector.judge(self._fixed, self._fixed_prompts, FIXED_PROMPTS)
        found = rollout_metrics(seen)
        watched = self.guard and self.guard.scores([row["prompt"] for row in self._fixed], seen.answers)
        found["objective"] = self._consider(self.updates_done, found["reward"], found["kl"], watched)
        if watched is not None:
            found["guard"] = watched.mean().item()
        if self.watch is not None:
            gold = self.watch(self._fixed, [self.base.decode(ids) for ids in seen.answers.ids], seen.answers.ended)
            found["gold"] = sum(gold) / len(gold)
        theirs = ScoredAnswers(
            self._reference_answers.ids, self.scorer.shaped(self._reference_raw, self._reference_answers)
        )
        self.samples = comparison_samples(self.base, self._fixed, theirs, ScoredAnswers(seen.answers.ids, seen.scores))
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in found.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        if self.guard and self.guard.reason and self.state.global_step < self.state.max_steps:
            self.end, self.control.should_training_stop = self.guard.reason, True
        return metrics

    def _consider(self, update: int, reward: float, kl: float, watched: Tensor | None = None) -> float:
        """Keep the current policy if it is within the KL budget and its reward less KL at the starting price is the best yet.

        With a guard it is the guard's mean, of its scores `watched` (B,), that counts.
        """
        objective = (reward if watched is None else watched.mean().item()) - self.args.kl_coef * kl
        better = kl <= self.args.kl_budget and (self.best is None or objective > self.best.objective)
        if better:
            self.best = BestPolicy(update, reward, kl, objective, copy_adapter(self.base, POLICY))
        if watched is not None:
            self.guard.observe(GuardReading(update, reward, tuple(watched.tolist())), better)
        return objective

    # ---- what is written down

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the update's metrics to the loss that the training loop reports at its end."""
        if "loss" in logs:
            logs |= self._metrics | self._tally.means()
            logs |= {
                "update": self.updates_done,
                "episodes_per_second": self.args.rollout_batch_size / (time.perf_counter() - self._started),
            }
        super().log(logs, start_time)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        if self.args.should_save:
            self.base.save_adapter(POLICY, output_dir or self.args.output_dir)

    def _complete(self, checkpoint: Path) -> None:
        numbers = {"kl_coef": self.kl.coefficient, "offset": self.scorer.offset, "scale": self.scorer.scale}
        numbers |= {
            "guard": self.guard and self.guard.state(),
            "made_with": run_identity(self.args, self.base, self.guard is not None),
        }
        save_state(checkpoint, self.model, self.best, numbers)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        self.best, numbers = load_state(
            Path(resume_from_checkpoint), self.model, run_identity(self.args, self.base, self.guard is not None)
        )
        load_adapter(self.base, POLICY, read_adapter(resume_from_checkpoint)[1])
        self.kl.coefficient, self.scorer.offset, self.scorer.scale = (
            numbers["kl_coef"],
            numbers["offset"],
            numbers["scale"],
        )
        if self.guard:
            self.guard.restore(numbers["guard"])
