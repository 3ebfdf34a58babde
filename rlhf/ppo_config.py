"""The settings of `PPOTrainer`: transformers' TrainingArguments and what PPO adds. Sizes are checked here, once."""

from __future__ import annotations

from dataclasses import dataclass, field

from transformers import TrainingArguments

from data.errors import BadInput


def _knob(default: object, help: str) -> object:
    return field(default=default, metadata={"help": help})


@dataclass
class PPOConfig(TrainingArguments):
    """TrainingArguments for PPO.

    Words: an *update* is one rollout of `rollout_batch_size` answers and the training on it; a *minibatch* is what one optimizer step
    sees (`per_device_train_batch_size` x `gradient_accumulation_steps` x processes) and divides the rollout. `max_steps` counts
    optimizer steps as in transformers: `steps_per_update` of them make an update. Logging, saving and evaluation happen at the end
    of updates only; `save_updates` and `eval_updates` take the place of `save_steps` and `eval_steps`.

    Overridden defaults: learning rate 1.5e-3, Adam epsilon 1e-5, 5 % warmup, batch 16 x 2, one pass over the prompts, nothing reported.
    """

    learning_rate: float = _knob(1.5e-3, "Peak learning rate; of LoRA matrices and of the value head.")
    adam_epsilon: float = _knob(1e-5, "Adam's epsilon; 1e-8 makes PPO's early steps too large.")
    warmup_steps: float = _knob(0.05, "Share (below 1) or number of optimizer steps of linear warmup.")
    per_device_train_batch_size: int = _knob(16, "Answers in one forward and backward pass.")
    gradient_accumulation_steps: int = _knob(2, "Passes in one optimizer step.")
    num_train_epochs: float = _knob(1.0, "Passes over the prompts, where max_steps is not given.")
    save_total_limit: int | None = _knob(2, "Checkpoints kept; two, so that a crash while saving leaves a whole one.")
    ddp_find_unused_parameters: bool | None = _knob(False, "Every trainable tensor takes part in every pass.")
    report_to: str | list[str] | None = _knob("none", "Where metrics are sent; nowhere.")

    rollout_batch_size: int = _knob(128, "Answers sampled for one update, one for each prompt.")
    num_ppo_epochs: int = _knob(2, "Passes over a rollout.")
    max_new_tokens: int = _knob(80, "Where an answer is cut.")
    temperature: float = _knob(1.0, "Of sampling and of every log-probability alike.")

    missing_eos_penalty: float = _knob(1.0, "Subtracted from the standardised score of an answer without an end.")
    standardize_reward: bool = _knob(True, "Scores in standard deviations of the reference's answers, mean 0.")
    kl_coef: float = _knob(0.1, "Price of a nat of KL at the start; the price at which checkpoints are compared.")
    kl_target: float | None = _knob(3.0, "KL per answer (nats) above which the coefficient rises; it never sinks below kl_coef. None: it is fixed.")
    kl_horizon: float = _knob(256.0, "Episodes over which a KL far from the target changes the coefficient by 20 %.")
    kl_budget: float = _knob(6.0, "KL per answer (nats) at which the run stops; no checkpoint above it is kept.")

    gamma: float = _knob(1.0, "Discount.")
    lam: float = _knob(0.95, "GAE's lambda.")
    cliprange: float = _knob(0.2, "Clip range of the probability ratio.")
    cliprange_value: float = _knob(0.2, "How far a value may move from the rollout's.")
    vf_coef: float = _knob(0.5, "Weight of the value loss.")

    eval_updates: int = _knob(2, "Updates between two looks at the validation prompts.")
    save_updates: int = _knob(1, "Updates between two checkpoints.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gradient_checkpointing:
            raise BadInput(
                "gradient_checkpointing=True works in train mode only, PPO keeps dropout and with it train mode off",
                "Lower per_device_train_batch_size instead",
                field="gradient_checkpointing",
            )
        if self.rollout_batch_size % self.minibatch_size:
            raise BadInput(
                f"a rollout of {self.rollout_batch_size} answers does not divide into minibatches of {self.minibatch_size} "
                f"({self.per_device_train_batch_size} x {self.gradient_accumulation_steps} x {self.world_size} processes)",
                "Change rollout_batch_size, per_device_train_batch_size, gradient_accumulation_steps or the number of processes",
                field="rollout_batch_size",
            )
        self.logging_steps = self.steps_per_update
        self.save_steps = self.steps_per_update * self.save_updates
        self.eval_steps = self.steps_per_update * self.eval_updates

    @property
    def minibatch_size(self) -> int:
        """Answers that one optimizer step sees, in all processes together."""
        return self.per_device_train_batch_size * self.gradient_accumulation_steps * self.world_size

    @property
    def steps_per_update(self) -> int:
        """Optimizer steps in one update: PPO epochs x minibatches."""
        return self.num_ppo_epochs * (self.rollout_batch_size // self.minibatch_size)

    def updates(self, prompts: int) -> int:
        """Updates of a run over that many prompts: as `max_steps` says, rounded up, else `num_train_epochs` passes, at least one."""
        if self.max_steps > 0:
            return -(-self.max_steps // self.steps_per_update)
        return max(1, int(self.num_train_epochs * prompts / self.rollout_batch_size))
