"""The training on one rollout: the loss of a pass, and what an update's optimizer steps have shown so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from reward.base.frozen_base import Base
from rlhf.common import distributed
from rlhf.ppo import arithmetic
from rlhf.ppo.actor_critic import answer_batch, scatter_tokens
from rlhf.ppo.config import PPOConfig
from rlhf.ppo.rollout import Experience


def compute_losses(model: nn.Module, base: Base, data: Experience, args: PPOConfig) -> tuple[Tensor, arithmetic.Stats]:
    """Policy loss + vf_coef x value loss, means over the tokens of `data`, and their statistics; `model` is an ActorCritic, wrapped or not."""
    logps, values, _ = model(*answer_batch(base, data.prompts, data.answers))
    logps, values = scatter_tokens(logps, data.mask), scatter_tokens(values, data.mask)
    policy, stats = arithmetic.policy_loss(
        logps, data.old_logps, data.advantages, data.mask, args.cliprange, args.dual_clip
    )
    value, more = arithmetic.value_loss(values, data.old_values, data.returns, data.mask, args.cliprange_value)
    found = stats | more | {"policy_loss": policy.detach(), "value_loss": value.detach()}
    return policy + args.vf_coef * value, found


@dataclass
class UpdateStats:
    """Statistics of an update, and whether the rest of it is left out.

    Once a minibatch shows an approximate KL between the rollout's policy and the present one above `target_kl` (nats per token, k3,
    over all processes), neither its step nor a later one of this update is taken; None: all are.
    """

    target_kl: float | None
    steps: int = 0
    stopped: bool = False
    _sums: dict[str, float] = field(default_factory=dict)
    _kl: float = 0.0

    def add(self, stats: arithmetic.Stats, share: float) -> None:
        """Account for a pass that is `share` of its minibatch's tokens."""
        for name, number in stats.items():
            self._sums[name] = self._sums.get(name, 0.0) + number * share
        self._kl += stats["approx_kl"] * share

    def end_minibatch(self) -> bool:
        """After a minibatch's last pass: whether its step is to be taken."""
        kl, self._kl = self._kl, 0.0
        self.stopped = self.target_kl is not None and distributed.sum_over_ranks({"kl": kl})["kl"] > self.target_kl
        self.steps += not self.stopped
        return not self.stopped

    def means(self) -> dict[str, float]:
        """Means over the minibatches that were looked at; with a target also how many steps were taken."""
        looked_at = self.steps + self.stopped
        means = {name: number / looked_at for name, number in distributed.sum_over_ranks(self._sums).items()}
        return means if self.target_kl is None else means | {"optimizer_steps": self.steps}
