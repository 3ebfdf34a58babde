# SPDX-License-Identifier: Apache-2.0
"""The training on one rollout: the loss of a forward pass, and the statistics of an update's optimizer steps."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from reward.base import distributed
from reward.base.frozen_base import Base
from rlhf.ppo import arithmetic
from rlhf.ppo.actor_critic import answer_batch, scatter_tokens
from rlhf.ppo.config import NO_CRITIC, PPOConfig
from rlhf.ppo.rollout import Experience


def compute_losses(model: nn.Module, base: Base, data: Experience, args: PPOConfig) -> tuple[Tensor, arithmetic.Stats]:
    """Return policy loss + vf_coef x value loss, a mean over the tokens of `data`, and statistics.

    Without a critic it is the policy loss alone. `model` is an ActorCritic, wrapped for several processes or not.
    """
    logps, values, _ = model(*answer_batch(base, data.prompts, data.answers))
    logps, values = scatter_tokens(logps, data.mask), scatter_tokens(values, data.mask)
    policy_loss, policy_stats = arithmetic.policy_loss(
        logps, data.old_logps, data.advantages, data.mask, args.cliprange, args.dual_clip, data.weights
    )
    if args.critic == NO_CRITIC:
        return policy_loss, policy_stats | {"policy_loss": policy_loss.detach()}
    value_loss, value_stats = arithmetic.value_loss(
        values, data.old_values, data.returns, data.mask, args.cliprange_value
    )
    losses = {"policy_loss": policy_loss.detach(), "value_loss": value_loss.detach()}
    return policy_loss + args.vf_coef * value_loss, policy_stats | value_stats | losses


@dataclass
class UpdateStats:
    """The statistics of an update; `stopped` skips its remaining steps.

    A minibatch whose approximate KL between the rollout's policy and the present one exceeds `target_kl` (nats per
    token, k3, over all processes) ends the update: its step and all later ones are skipped. None: no step is skipped.
    """

    target_kl: float | None
    steps: int = 0
    stopped: bool = False
    _sums: dict[str, Tensor | float] = field(default_factory=dict)
    _kl: Tensor | float = 0.0

    def add(self, stats: arithmetic.Stats, share: float) -> None:
        """Add the statistics of a pass that has `share` of its minibatch's tokens."""
        for name, number in stats.items():
            self._sums[name] = self._sums.get(name, 0.0) + number * share
        self._kl += stats["approx_kl"] * share

    def end_minibatch(self) -> bool:
        """Close a minibatch after its last pass; return whether to take its step."""
        kl, self._kl = self._kl, 0.0
        self.stopped = self.target_kl is not None and distributed.sum_over_ranks({"kl": kl})["kl"] > self.target_kl
        self.steps += not self.stopped
        return not self.stopped

    def means(self) -> dict[str, float]:
        """Return means over the computed minibatches; with a target also `optimizer_steps`, the steps taken."""
        computed = self.steps + self.stopped
        means = {name: number / computed for name, number in distributed.sum_over_ranks(self._sums).items()}
        return means if self.target_kl is None else means | {"optimizer_steps": self.steps}
