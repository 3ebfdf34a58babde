# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of PPO as pure functions of (B, T) float tensors; no model, no configuration.

`mask` is True on real response tokens. Other entries may be NaN or infinite and change neither a result nor a gradient:
they are replaced (`torch.where`) before any arithmetic instead of multiplied by zero afterwards.

Sources: Schulman et al. 2017 (arXiv 1707.06347) for the clipped loss, Schulman et al. 2016 (1506.02438) for GAE,
Ziegler et al. 2019 (1909.08593) for the KL controller, Schulman 2020 (joschu.net/blog/kl-approx.html) for the
estimators, Ye et al. 2020 (1912.09729) for the dual clip, Yao et al. 2025 ("Your Efficient RL Framework Secretly Brings
You Off-Policy RL Training") for truncated importance weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

Stats = dict[str, Tensor]


def _real(x: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, x, torch.zeros((), dtype=x.dtype, device=x.device))


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of `x` (B, T) over the real tokens, a scalar; 0 if there is none."""
    return _real(x, mask).sum() / mask.sum().clamp(min=1)


def whiten(x: Tensor, mask: Tensor, center: bool = True) -> Tensor:
    """Scale `x` (B, T) to unit population variance over the real tokens (variance + 1e-8); 0 elsewhere.

    `center=True` also moves the mean to 0; `center=False` keeps the mean, so a reward keeps its sign.
    """
    mean = masked_mean(x, mask)
    centred = _real(x, mask) - mean
    scaled = centred * torch.rsqrt(masked_mean(centred.square(), mask) + 1e-8)
    return _real(scaled if center else scaled + mean, mask)


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """Return generalised advantage estimates and returns, (B, T) each, 0 outside the mask.

    delta_t = r_t + gamma V_next - V_t and A_t = delta_t + gamma lam A_next. "next" is the next real token: gaps in the
    mask cost no factor, and after the last real token both are 0. Returns are advantages + values, un-whitened.
    """
    rewards, values = _real(rewards, mask), _real(values, mask)
    next_value = next_advantage = torch.zeros_like(values[:, 0])
    columns = []
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        advantage = delta + gamma * lam * next_advantage
        next_advantage = torch.where(mask[:, t], advantage, next_advantage)
        next_value = torch.where(mask[:, t], values[:, t], next_value)
        columns.append(torch.where(mask[:, t], advantage, torch.zeros_like(advantage)))
    advantages = torch.stack(columns[::-1], dim=1)
    return advantages, advantages + values


def group_advantages(rewards: Tensor, mask: Tensor, size: int) -> Tensor:
    """Return advantages (B, T) without a critic: an answer's reward less the mean of the others to its prompt.

    `rewards` (B, T) are summed over an answer's tokens, which all get its advantage. Each `size` rows in a row are the
    answers to one prompt. The mean of the *other* answers leaves the gradient unbiased (Kool et al. 2019, "Buy 4
    REINFORCE Samples, Get a Baseline for Free!"; Ahmadian et al. 2024, arXiv 2402.14740).
    """
    totals = _real(rewards, mask).sum(1).view(-1, size)
    advantages = (totals - totals.mean(1, keepdim=True)) * size / (size - 1)
    return _real(advantages.view(-1, 1).expand(mask.shape), mask)


def clipped_scores(scores: Tensor, limit: float | None) -> Tensor:
    """Clip scores (B,) to +-`limit`; None leaves them as they are."""
    return scores if limit is None else scores.clamp(-limit, limit)


def length_penalty(lengths: Tensor, per_token: float, free: int) -> Tensor:
    """Return the penalty (B,) >= 0: `per_token` for each token beyond the first `free`; `lengths` (B,) in tokens."""
    return per_token * (lengths - free).clamp(min=0)


def token_rewards(scores: Tensor, kl: Tensor, mask: Tensor, coefficient: float) -> Tensor:
    """Return rewards (B, T): -coefficient x `kl` (B, T) on real tokens, plus the score (B,) on the last real one."""
    last = mask & (mask.flip(1).cumsum(1).flip(1) == 1)
    return torch.where(last, scores[:, None], 0.0) - coefficient * _real(kl, mask)


def kl_estimate(logp: Tensor, ref_logp: Tensor, kind: str) -> Tensor:
    """Estimate KL(policy || reference) per token from d = logp - ref_logp.

    k1 = d, k2 = d^2 / 2, k3 = exp(-d) - 1 + d. Raises ValueError for another kind.
    """
    d = logp - ref_logp
    if kind == "k1":
        return d
    if kind == "k2":
        return d.square() / 2
    if kind == "k3":
        return torch.expm1(-d) + d
    raise ValueError(f"unknown KL estimator {kind!r}: k1, k2 or k3")


def importance_weights(logp: Tensor, sampler_logp: Tensor, mask: Tensor, cap: float) -> Tensor:
    """Return min(exp(logp - sampler_logp), cap) on real tokens (B, T), 0 elsewhere.

    The weights turn a mean over tokens of the sampler into one over tokens of the trainer's policy, where both compute
    slightly different probabilities. The cap bounds the variance.
    """
    log_ratio = _real(logp, mask) - _real(sampler_logp, mask)
    return _real(log_ratio.exp().clamp(max=cap), mask)


def policy_loss(
    logp: Tensor,
    old_logp: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip: float,
    dual_clip: float | None = None,
    weights: Tensor | None = None,
) -> tuple[Tensor, Stats]:
    """Return the masked mean of max(-A r, -A clip(r, 1 - clip, 1 + clip)), r = exp(logp - old_logp); all inputs (B, T).

    `dual_clip` (> 1) bounds the loss of a token with A < 0 at -A dual_clip: a runaway ratio gives no gradient there.
    `weights` (B, T) multiply the tokens' losses; see `importance_weights`.
    Stats: `clip_fraction` (share of real tokens on the clipped branch), `approx_kl` (k3 of old against new), `ratio`,
    and with a dual clip `dual_clip_fraction`, the share of real tokens at that bound.
    """
    log_ratio = _real(logp, mask) - _real(old_logp, mask)
    ratio, advantages = log_ratio.exp(), _real(advantages, mask)
    free, clipped = -advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)
    stats = {
        "clip_fraction": masked_mean((clipped > free).to(ratio.dtype), mask),
        "approx_kl": masked_mean(torch.expm1(log_ratio) - log_ratio, mask),
        "ratio": masked_mean(ratio, mask),
    }
    losses = torch.maximum(free, clipped)
    if dual_clip is not None:
        beyond = (advantages < 0) & (losses > -advantages * dual_clip)
        losses = torch.where(beyond, -advantages * dual_clip, losses)
        stats["dual_clip_fraction"] = masked_mean(beyond.to(ratio.dtype), mask)
    if weights is not None:
        losses = losses * _real(weights, mask)
    return masked_mean(losses, mask), {name: value.detach() for name, value in stats.items()}


def value_loss(
    values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float | None
) -> tuple[Tensor, Stats]:
    """Return half the masked mean of max(unclipped^2, clipped^2); all inputs (B, T).

    The clipped error lets a value move at most `clip` from `old_values`; None: half the mean of unclipped^2.
    Stats: `value_clip_fraction`, the share of real tokens on the clipped branch.
    """
    values, old_values, returns = _real(values, mask), _real(old_values, mask), _real(returns, mask)
    free = (values - returns).square()
    near = values if clip is None else old_values + (values - old_values).clamp(-clip, clip)
    clipped = (near - returns).square()
    stats = {"value_clip_fraction": masked_mean((clipped > free).to(values.dtype), mask).detach()}
    return 0.5 * masked_mean(torch.maximum(free, clipped), mask), stats


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """Return 1 - Var(returns - values) / Var(returns) over the real tokens.

    A perfect critic has 1, one that predicts the mean only has 0.
    """

    def variance(x: Tensor) -> Tensor:
        return masked_mean((_real(x, mask) - masked_mean(x, mask)).square(), mask)

    return 1 - variance(returns - values) / (variance(returns) + 1e-8)


def adapt_kl_coefficient(coefficient: float, sequence_kl: float, n: int, target: float, horizon: float) -> float:
    """Return c (1 + clip(kl / target - 1, +-0.2) n / horizon), the coefficient after `n` episodes of that mean KL."""
    error = min(max(sequence_kl / target - 1, -0.2), 0.2)
    return coefficient * (1 + error * n / horizon)


@dataclass
class AdaptiveKL:
    """A KL coefficient that steers the KL of whole answers (nats, summed over tokens) to `target`.

    `coefficient` starts at `init`. Over `horizon` episodes a constant error of 20 % changes it by 20 %.
    """

    init: float
    target: float
    horizon: float

    def __post_init__(self) -> None:
        self.coefficient = self.init

    def update(self, sequence_kl: float, n: int) -> float:
        """Account for `n` episodes of mean KL `sequence_kl`: c <- c (1 + clip(kl / target - 1, +-0.2) n / horizon)."""
        self.coefficient = adapt_kl_coefficient(self.coefficient, sequence_kl, n, self.target, self.horizon)
        return self.coefficient
