# SPDX-License-Identifier: Apache-2.0
"""The settings of `PPOTrainer`: transformers' TrainingArguments and what PPO adds. Sizes are checked here, once."""

from __future__ import annotations

import copy
import math
from dataclasses import Field, FrozenInstanceError, dataclass, field, fields
from typing import Any

from transformers import TrainingArguments
from transformers.trainer_utils import IntervalStrategy

from data.errors import BadInput
from rlhf.ppo.arithmetic import adapt_kl_coefficient

NO_CRITIC = "none"
"""The resolved value of `critic` if the estimator needs none."""
AT_LEAST = {
    "learning_rate": 0,
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 1,
    "rollout_batch_size": 1,
}
AT_LEAST |= {"group_size": 2, "num_ppo_epochs": 1, "max_new_tokens": 1}
AT_LEAST |= {"missing_eos_penalty": 0, "length_penalty": 0, "length_free": 0}
AT_LEAST |= {"kl_coef": 0, "gamma": 0, "lam": 0, "vf_coef": 0, "eval_updates": 1, "save_updates": 1}
ABOVE = {"temperature": 0, "reward_clip": 0, "kl_target": 0, "kl_horizon": 0, "kl_budget": 0, "cliprange": 0}
ABOVE |= {"cliprange_value": 0, "importance_cap": 0, "dual_clip": 1, "target_kl": 0}
AT_MOST = {"gamma": 1, "lam": 1, "cliprange": 1}


def _setting(default: object, help: str, **about: object) -> Any:  # noqa: ANN401 (fits a field of any type, as `field`)
    """Declare a field with its help; `about`: choices. Parsers would read ranges as their own metadata."""
    return field(default=default, metadata={"help": help, **about})


@dataclass
class PPOConfig(TrainingArguments):
    """TrainingArguments for PPO; PPO's own settings are frozen after construction.

    An *update* is one rollout of `rollout_batch_size` answers and the training on it. A *minibatch* holds the answers
    of one optimizer step (`per_device_train_batch_size` x `gradient_accumulation_steps` x processes) and divides the
    rollout. `max_steps` counts optimizer steps as in transformers; `steps_per_update` of them make an update. Logging,
    saving and evaluation happen at the end of updates only: `save_updates` and `eval_updates` replace `save_steps` and
    `eval_steps`.

    Overridden defaults: learning rate 1.5e-3, Adam epsilon 1e-5, 5 % warmup, batch 16 x 2, one pass over the prompts,
    no reports.
    """

    learning_rate: float = _setting(1.5e-3, "Peak learning rate; of LoRA matrices and of the value head.")
    adam_epsilon: float = _setting(1e-5, "Adam's epsilon; 1e-8 makes PPO's early steps too large.")
    warmup_steps: float = _setting(0.05, "Share (below 1) or number of optimizer steps of linear warmup.")
    per_device_train_batch_size: int = _setting(16, "Answers in one forward and backward pass.")
    gradient_accumulation_steps: int = _setting(2, "Passes in one optimizer step.")
    num_train_epochs: float = _setting(1.0, "Passes over the prompts, if max_steps is not given.")
    save_total_limit: int | None = _setting(
        2, "Checkpoints to keep. With two, a crash while saving leaves a complete one."
    )
    ddp_find_unused_parameters: bool | None = _setting(False, "Every trainable tensor takes part in every pass.")
    shard_base: bool = _setting(False, "Each process holds its part of the frozen weights while it trains.")
    report_to: None | str | list[str] = _setting("none", "Services that receive metrics; none.")

    rollout_batch_size: int = _setting(128, "Answers sampled for one update, one for each prompt.")
    num_ppo_epochs: int = _setting(2, "Passes over a rollout.")
    max_new_tokens: int = _setting(80, "Tokens after which an answer is cut.")
    temperature: float = _setting(1.0, "Temperature of sampling and of every log-probability.")
    top_p: float = _setting(1.0, "Only 1.0: the full softmax is sampled and trained.")

    missing_eos_penalty: float = _setting(1.0, "Subtracted from the standardised score of an answer without an end.")
    standardize_reward: bool = _setting(True, "Scores in standard deviations of the reference's answers, mean 0.")
    center_reward: bool = _setting(False, "Without standardisation: shift the mean of the reference's answers to 0.")
    reward_clip: float | None = _setting(
        None, "Bound of the standardised score on either side, before penalties. None: no bound."
    )
    length_penalty: float = _setting(0.0, "Subtracted from the score for each token of an answer beyond length_free.")
    length_free: int = _setting(0, "Tokens of an answer that cost no length penalty.")
    kl_estimator: str = _setting(
        "k1", "Estimator of the KL that is charged per token; the reported one is k1.", choices=("k1", "k2", "k3")
    )
    kl_coef: float = _setting(0.05, "Price of a nat of KL at the start; the price at which checkpoints are compared.")
    kl_target: float | None = _setting(
        3.0, "KL per answer (nats) above which the coefficient rises; it never falls below kl_coef. None: it is fixed."
    )
    kl_horizon: float = _setting(
        256.0, "Episodes over which a KL far from the target changes the coefficient by a fifth."
    )
    kl_budget: float = _setting(
        6.0, "KL per answer (nats) at which the run stops; no checkpoint above it is a candidate."
    )

    critic: str = _setting(
        "auto",
        "joint: a value head on the policy's trunk. adapter: an adapter `value` of its own. "
        "reward: one that starts as the reward model. "
        "auto: reward if the reward is a reward model on the policy's base, else joint.",
        choices=("auto", "joint", "adapter", "reward"),
    )
    estimator: str = _setting(
        "gae",
        "gae: advantages by a critic. group: several answers to each prompt, compared with each other; no critic.",
        choices=("gae", "group"),
    )
    group_size: int = _setting(8, "Answers to each prompt of a rollout if the estimator is group.")
    gamma: float = _setting(1.0, "Discount.")
    lam: float = _setting(0.95, "GAE's lambda.")
    whiten_rewards: bool = _setting(False, "Scale the rewards of a rollout's tokens to variance 1, their mean kept.")
    whiten_advantages: bool = _setting(True, "Scale the advantages of a rollout to mean 0 and variance 1.")
    cliprange: float = _setting(0.2, "Clip range of the probability ratio.")
    dual_clip: float | None = _setting(
        None, "Ratio beyond which a negative advantage trains no further (3 in Ye et al. 2020). None: no bound."
    )
    importance_cap: float | None = _setting(
        2.0,
        "Most weight of a token whose probability differs between sampler and trainer; the weights are used only if "
        "the two differ. None: no weights.",
    )
    cliprange_value: float | None = _setting(
        0.2, "Bound of a value's distance from the rollout's value. None: no bound."
    )
    vf_coef: float = _setting(0.5, "Weight of the value loss.")
    target_kl: float | None = _setting(
        None,
        "Approximate KL (nats per token, old against new policy) of a minibatch that ends the update. None: no end.",
    )

    eval_updates: int = _setting(4, "Updates between two validations.")
    save_updates: int = _setting(1, "Updates between two checkpoints.")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._n_gpu = min(self.n_gpu, 1)  # DataParallel would split the lists of answer tokens; use more processes
        own = PPOConfig.__annotations__  # as written here: command-line parsers replace a field's type by a class
        for setting in fields(self):
            if setting.name in own:
                _check(setting, own[setting.name], getattr(self, setting.name))
        self._check_combinations()
        self.logging_steps = self.steps_per_update
        self.logging_nan_inf_filter = False  # it waits for every pass of a GPU, and hides what went wrong
        self.save_steps = self.steps_per_update * self.save_updates
        self.eval_steps = self.steps_per_update * self.eval_updates
        self._frozen = True

    def _check_combinations(self) -> None:
        """Raise BadInput for settings that cannot work, alone or together."""
        if self.estimator == "group" and self.critic != "auto":
            error = f"critic={self.critic!r} was given, and the estimator group has no critic"
            raise BadInput(error, "Give estimator='gae', or leave critic at 'auto'", field="critic")
        if self.top_p != 1:
            raise BadInput(
                f"top_p={self.top_p} cannot be trained on: a token cut off by policy or reference has probability 0",
                "Leave top_p at 1.0; lower temperature for safer answers",
                field="top_p",
            )
        alone = self.estimator == "group" and self.rollout_batch_size == 1
        if alone or self.rollout_batch_size % self.answers_per_prompt:
            raise BadInput(
                f"a rollout of {self.rollout_batch_size} answers does not divide into groups of {self.group_size}",
                "Change rollout_batch_size or group_size",
                field="group_size",
            )
        if self.rollout_batch_size % self.minibatch_size:
            raise BadInput(
                f"a rollout of {self.rollout_batch_size} answers does not divide into minibatches of "
                f"{self.minibatch_size} ({self.per_device_train_batch_size} x {self.gradient_accumulation_steps} x "
                f"{self.world_size} processes)",
                "Change rollout_batch_size, per_device_train_batch_size, gradient_accumulation_steps or the number of "
                "processes",
                field="rollout_batch_size",
            )

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse to change one of PPO's own settings after construction; transformers may write its own."""
        if name in _OWN and vars(self).get("_frozen"):
            raise FrozenInstanceError(f"cannot assign to {name!r}: PPOConfig is frozen. Build a new one instead.")
        super().__setattr__(name, value)

    def resolve(self, prompts: int, evaluated: bool, critic: str) -> PPOConfig:
        """Return the copy that a trainer works with. This object does not change.

        `max_steps` is rounded up to whole updates over that many prompts. `evaluated` (there are validation prompts)
        sets `eval_strategy`, and `critic` replaces "auto".
        """
        resolved = copy.copy(self)
        strategy = IntervalStrategy.STEPS if evaluated else IntervalStrategy.NO
        max_steps = self.steps_per_update * self.updates(prompts)
        vars(resolved).update(critic=critic, eval_strategy=strategy, max_steps=max_steps)
        return resolved

    def next_kl_coef(self, coefficient: float, sequence_kl: float) -> float:
        """Return the KL coefficient after a rollout of mean KL `sequence_kl` (nats per answer).

        It never falls below `kl_coef`: KL is small near the start, and a lower price there would let it overshoot the
        target.
        """
        if self.kl_target is None:
            return coefficient
        adapted = adapt_kl_coefficient(
            coefficient, sequence_kl, self.rollout_batch_size, self.kl_target, self.kl_horizon
        )
        return max(self.kl_coef, adapted)

    @property
    def answers_per_prompt(self) -> int:
        """Answers to each prompt of a rollout: 1 with a critic, else the group, which is no larger than the rollout."""
        return min(self.group_size, self.rollout_batch_size) if self.estimator == "group" else 1

    @property
    def minibatch_size(self) -> int:
        """Answers that one optimizer step sees, in all processes together."""
        return self.per_device_train_batch_size * self.gradient_accumulation_steps * self.world_size

    @property
    def steps_per_update(self) -> int:
        """Optimizer steps in one update: PPO epochs x minibatches."""
        return self.num_ppo_epochs * (self.rollout_batch_size // self.minibatch_size)

    def updates(self, prompts: int) -> int:
        """Return the number of updates of a run over that many prompts, at least one.

        `max_steps` sets it, rounded up to whole updates; else it is `num_train_epochs` passes over the prompts.
        """
        if self.max_steps > 0:
            return -(-self.max_steps // self.steps_per_update)
        return max(1, int(self.num_train_epochs * prompts * self.answers_per_prompt / self.rollout_batch_size))


_OWN = PPOConfig.__annotations__.keys() - {setting.name for setting in fields(TrainingArguments)}
"""The settings that PPO adds to TrainingArguments."""


def _check(setting: Field, annotation: str, value: object) -> None:
    """Raise BadInput for a value that is not one of its field's choices, not a number, or out of range."""
    name, choices = setting.name, setting.metadata.get("choices")
    if choices and value not in choices:
        raise BadInput(f"{name}={value!r} is not one of the choices", f"Take one of {', '.join(choices)}", field=name)
    if not any(name in limits for limits in (AT_LEAST, ABOVE, AT_MOST)) or (value is None and "None" in annotation):
        return
    whole = annotation == "int"
    if not isinstance(value, int if whole else int | float) or not math.isfinite(value):
        kind = "a whole number" if whole else "a number"
        raise BadInput(f"{name}={value!r} is not {kind}", f"Give {kind}", field=name)
    if value < AT_LEAST.get(name, value) or value > AT_MOST.get(name, value) or value <= ABOVE.get(name, -math.inf):
        raise BadInput(f"{name}={value!r} is out of range", f"Give a number {_range(name)}", field=name)


def _range(name: str) -> str:
    limits = {"of at least": AT_LEAST, "above": ABOVE, "of at most": AT_MOST}
    return " and ".join(f"{words} {limit[name]}" for words, limit in limits.items() if name in limit)
