# SPDX-License-Identifier: Apache-2.0
"""One rollout: answers sampled for prompts, scored, and turned into advantages and returns.

Noise and order come from counters (seed, update, ...): a rollout is a function of the weights and these numbers alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from reward.base.memory import reading_passes
from rlhf.ppo import arithmetic
from rlhf.ppo.actor_critic import ActorCritic, answer_batch, answer_mask, scatter_tokens
from rlhf.ppo.config import NO_CRITIC, PPOConfig
from rlhf.sampling.sampler import Rollout

AGREEMENT = 1e-4
"""Mean difference (nats per token) below which sampler and trainer are one: float32 with merged weights."""
NEAR_ONE = (0.9, 1.1)
"""Ratios of trainer and sampler probabilities outside of this range are counted."""
STATS_ROWS = 32
"""Most rows of a pass that computes statistics of a rollout."""
PROMPTS, MINIBATCHES = 1, 2  # purposes of a shuffle; each has its own counter. 0 is the noise of sampling


class TokenStats(NamedTuple):
    """Statistics of answer tokens under one role, (B, T) each: log-probabilities, values, entropies."""

    logps: Tensor
    values: Tensor
    entropies: Tensor


class ScoredRollout(NamedTuple):
    """Sampled answers: scores (B,), the sampling policy's `old` statistics, k1 KL (B, T) in nats per token."""

    prompts: list[list[int]]
    answers: Rollout
    scores: Tensor
    old: TokenStats
    kl: Tensor
    mask: Tensor

    @property
    def lengths(self) -> list[int]:
        """Tokens of each prompt and its answer together."""
        return [len(prompt) + len(answer) for prompt, answer in zip(self.prompts, self.answers.ids, strict=True)]

    @property
    def sampler_logps(self) -> Tensor:
        """The log-probabilities that the sampler computed, (B, T)."""
        return scatter_tokens(torch.tensor([logp for row in self.answers.logps for logp in row]), self.mask)


class Experience(NamedTuple):
    """A rollout ready to train on: B prompts and answers as ids, and (B, T) tensors over the answers' tokens.

    `weights` are the importance weights of the policy loss, 1 without a correction.
    """

    prompts: list[list[int]]
    answers: list[list[int]]
    mask: Tensor
    old_logps: Tensor
    old_values: Tensor
    advantages: Tensor
    returns: Tensor
    weights: Tensor

    def select(self, rows: list[int], device: torch.device) -> Experience:
        """Return these rows on `device`, cut to the longest answer among them."""
        width = max(len(self.answers[row]) for row in rows)
        tensors = (table[rows, :width].to(device) for table in self[2:])
        return Experience([self.prompts[row] for row in rows], [self.answers[row] for row in rows], *tensors)


def permutation(seed: int, key: int, purpose: int, number: int, count: int) -> np.ndarray:
    """Return a permutation of range(count) that depends on these numbers only."""
    return np.random.Generator(np.random.Philox(key=[seed, key], counter=[0, number, 0, purpose])).permutation(count)


def choose_prompt_rows(seed: int, update: int, size: int, count: int, group: int = 1) -> list[int]:
    """Return the rows, of `count` prompts, that an update of `size` answers works on, each row `group` times in a row.

    Pass after pass over the prompts, each with its own shuffle.
    """
    if group > 1:
        return [row for row in choose_prompt_rows(seed, update, size // group, count) for _ in range(group)]
    places = range(update * size, (update + 1) * size)
    passes = {place // count: None for place in places}
    orders = {number: permutation(seed, 0, PROMPTS, number, count) for number in passes}
    return [int(orders[place // count][place % count]) for place in places]


def minibatch_plan(args: PPOConfig, update: int, lengths: Sequence[int]) -> list[list[int]]:
    """Return the rows of every forward pass of an update, in order.

    Each PPO epoch is shuffled into minibatches. Each minibatch is sorted by length and then cut into passes, so that
    little is padded. Several processes take the passes of a minibatch in turn.
    """
    size = args.per_device_train_batch_size
    plan: list[list[int]] = []
    for epoch in range(args.num_ppo_epochs):
        order = permutation(args.seed, update, MINIBATCHES, epoch, len(lengths)).tolist()
        for start in range(0, len(order), args.minibatch_size):
            minibatch = sorted(order[start : start + args.minibatch_size], key=lambda row: lengths[row])
            plan += [minibatch[at : at + size] for at in range(0, len(minibatch), size)]
    return plan


def join_shards(parts: Sequence[Any]) -> Any:  # noqa: ANN401 (lists, tensors, and nested tuples of them)
    """Join the shards of several processes in order of rank; a single shard is returned as it is.

    Lists and (B,) tensors are concatenated, (B, T) ones padded to one width first, tuples joined field by field.
    """
    first = parts[0]
    if len(parts) == 1 or first is None:
        return first
    if isinstance(first, list):
        return [row for part in parts for row in part]
    if isinstance(first, Tensor):
        width = max(part.shape[-1] for part in parts)
        return torch.cat([pad(part, (0, width - part.shape[1])) if part.dim() == 2 else part for part in parts])
    fields = [join_shards(shards) for shards in zip(*parts, strict=True)]
    return type(first)(*fields) if hasattr(first, "_fields") else tuple(fields)


@torch.no_grad()
def compute_token_stats(
    model: ActorCritic,
    prompts: Sequence[list[int]],
    answers: Sequence[list[int]],
    most: int = STATS_ROWS,
    with_values: bool = True,
) -> TokenStats:
    """Return the statistics of answers under the active role, from passes of at most `most` rows of similar length."""
    mask = answer_mask(answers)
    tables = TokenStats(*(torch.zeros(mask.shape) for _ in TokenStats._fields))
    lengths = [len(prompt) + len(answer) for prompt, answer in zip(prompts, answers, strict=True)]
    passes, computed = reading_passes(model.base, lengths, most), []
    for rows in passes:
        batch = answer_batch(model.base, [prompts[row] for row in rows], [answers[row] for row in rows])
        computed.append(torch.stack(model(*batch, with_values)))
    sizes = [numbers.shape[1] for numbers in computed]
    # one copy to the host after the last pass: a GPU computes all of them without a wait
    for rows, numbers in zip(passes, torch.cat(computed, dim=1).cpu().split(sizes, dim=1), strict=True):
        for table, flat in zip(tables, numbers, strict=True):
            table[rows] = scatter_tokens(flat, mask[rows])
    return tables


def score_rollout(
    model: ActorCritic,
    reference: str | None,
    prompts: list[list[int]],
    answers: Rollout,
    scores: Tensor,
    most: int = STATS_ROWS,
) -> ScoredRollout:
    """Return the answers with `scores`, their statistics under the active role, and the KL to the reference."""
    old = compute_token_stats(model, prompts, answers.ids, most)
    with model.base.role(reference):
        ref = compute_token_stats(model, prompts, answers.ids, most, with_values=False)
    return ScoredRollout(
        prompts, answers, scores, old, arithmetic.kl_estimate(old.logps, ref.logps, "k1"), answer_mask(answers.ids)
    )


def rollout_metrics(rollout: ScoredRollout, estimator: str = "k1") -> dict[str, float]:
    """Return means over answers: reward, KL in nats per answer, length in tokens, share with an end.

    `entropy` is in nats per token. `kl_charged` is added if another estimator than k1 is charged.
    """
    charged = {} if estimator == "k1" else {"kl_charged": kl_per_token(rollout, estimator).sum(1).mean().item()}
    return charged | {
        "reward": rollout.scores.mean().item(),
        "kl": rollout.kl.sum(1).mean().item(),
        "entropy": arithmetic.masked_mean(rollout.old.entropies, rollout.mask).item(),
        "length": rollout.mask.sum(1).float().mean().item(),
        "ended": sum(rollout.answers.ended) / len(rollout.answers.ended),
    }


def critic_metrics(experience: Experience, args: PPOConfig) -> dict[str, float]:
    """Return the share of the returns' variance that the critic explains; nothing without a critic."""
    if args.critic == NO_CRITIC:
        return {}
    explained = arithmetic.explained_variance(experience.old_values, experience.returns, experience.mask)
    return {"explained_variance": explained.item()}


def agreement_metrics(rollout: ScoredRollout) -> dict[str, float]:
    """Return how much the log-probabilities of sampler and trainer differ, and the KL (k3) of one from the other.

    `sampler_outside` is the share of tokens whose ratio is not NEAR_ONE, `sampler_ratio_max` the largest ratio.
    """
    mask, (low, high) = rollout.mask, NEAR_ONE
    differences = rollout.old.logps - rollout.sampler_logps
    ratios, size = differences.exp(), differences.abs()
    return {
        "sampler_difference": arithmetic.masked_mean(size, mask).item(),
        "sampler_difference_max": size[mask].max().item(),
        "sampler_kl": arithmetic.masked_mean(torch.expm1(differences) - differences, mask).item(),
        "sampler_ratio_max": ratios[mask].max().item(),
        "sampler_outside": arithmetic.masked_mean(((ratios < low) | (ratios > high)).float(), mask).item(),
    }


def correction_weights(rollout: ScoredRollout, cap: float | None, served: bool = False) -> Tensor:
    """Return the importance weights (B, T) of the policy loss: 1 without a cap, or in process if both are one."""
    if cap is None or (not served and agreement_metrics(rollout)["sampler_difference"] < AGREEMENT):
        return torch.ones(rollout.mask.shape)
    return arithmetic.importance_weights(rollout.old.logps, rollout.sampler_logps, rollout.mask, cap)


def penalized_rewards(rollout: ScoredRollout, args: PPOConfig, coefficient: float) -> Tensor:
    """Return rewards (B, T): the score at the end token, less the price of KL at each token."""
    return arithmetic.token_rewards(rollout.scores, kl_per_token(rollout, args.kl_estimator), rollout.mask, coefficient)


def kl_per_token(rollout: ScoredRollout, estimator: str) -> Tensor:
    """Return KL (B, T) in nats per token by that estimator, a function of k1 alone."""
    return arithmetic.kl_estimate(rollout.kl, torch.zeros_like(rollout.kl), estimator)


def make_experience(rollout: ScoredRollout, rewards: Tensor, args: PPOConfig, served: bool = False) -> Experience:
    """Compute advantages by the estimator, then whiten them over the rollout. Returns are the critic's targets."""
    rewards = arithmetic.whiten(rewards, rollout.mask, center=False) if args.whiten_rewards else rewards
    if args.estimator == "group":
        advantages = returns = arithmetic.group_advantages(rewards, rollout.mask, args.answers_per_prompt)
    else:
        advantages, returns = arithmetic.gae(rewards, rollout.old.values, rollout.mask, args.gamma, args.lam)
    advantages = arithmetic.whiten(advantages, rollout.mask) if args.whiten_advantages else advantages
    return Experience(
        rollout.prompts,
        rollout.answers.ids,
        rollout.mask,
        rollout.old.logps,
        rollout.old.values,
        advantages,
        returns,
        correction_weights(rollout, args.importance_cap, served),
    )
