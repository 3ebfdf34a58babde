# SPDX-License-Identifier: Apache-2.0
"""Elo ratings of policies from all comparisons among them, by the model of Bradley and Terry (1952)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data.views.head_to_head import HeadToHead

ELO = 400 / math.log(10)
"""Points per unit of log-odds: 400 points are odds of ten to one."""
DRAWS = 300
PRIOR = 0.5
"""Wins and losses added against an average opponent, so that an unbeaten policy has a finite strength."""
STEPS = 200


class EloRating(NamedTuple):
    """A policy's points above the reference (0), their 95 % interval over prompts, and its comparisons."""

    policy_id: int
    points: float
    low: float
    high: float
    comparisons: int


def elo_ratings(meetings: Sequence[HeadToHead], reference: int, seed: int = 0) -> list[EloRating]:
    """Rate the policies that a chain of comparisons links to `reference`, the strongest first.

    Policies without such a chain cannot be placed on its scale.
    """
    linked = sorted(_linked(meetings, reference))
    if len(linked) < 2:
        return []
    place = {policy: number for number, policy in enumerate(linked)}
    wins = _wins([one for one in meetings if one.first in place], place)
    weights = np.random.default_rng(seed).multinomial(len(wins), np.full(len(wins), 1 / len(wins)), size=DRAWS)
    points = ELO * bradley_terry_strengths(
        np.concatenate([wins.sum(axis=0)[None], np.tensordot(weights, wins, axes=1)])
    )
    points -= points[:, [place[reference]]]
    low, high = np.percentile(points[1:], [2.5, 97.5], axis=0)
    met = (wins + wins.transpose(0, 2, 1)).sum(axis=(0, 2))
    found = [
        EloRating(policy, float(points[0, n]), float(low[n]), float(high[n]), int(met[n]))
        for policy, n in place.items()
    ]
    return sorted(found, key=lambda one: one.points, reverse=True)


def _wins(meetings: Sequence[HeadToHead], place: dict[int, int]) -> np.ndarray:
    """Return how often each policy beat each other one on each prompt, (prompts, n, n)."""
    prompts = {prompt: number for number, prompt in enumerate(sorted({one.prompt_id for one in meetings}))}
    wins = np.zeros((len(prompts), len(place), len(place)))
    for one in meetings:
        first, second, prompt = place[one.first], place[one.second], prompts[one.prompt_id]
        wins[prompt, first, second] += one.won
        wins[prompt, second, first] += one.times - one.won
    return wins


def bradley_terry_strengths(wins: np.ndarray) -> np.ndarray:
    """Return log-strengths (D, n) with mean 0 from wins (D, n, n); a tie is half a win for both.

    Uses the minorise-maximise steps of Hunter (2004), with PRIOR wins and losses against a strength of 1.
    """
    games = wins + wins.transpose(0, 2, 1)
    strength = np.ones(wins.shape[:2])
    for _ in range(STEPS):
        met = (games / (strength[:, :, None] + strength[:, None, :])).sum(axis=2) + 2 * PRIOR / (strength + 1)
        strength = (wins.sum(axis=2) + PRIOR) / met
    logs = np.log(strength)
    return logs - logs.mean(axis=1, keepdims=True)


def _linked(meetings: Sequence[HeadToHead], start: int) -> set[int]:
    found = {start}
    while True:
        more = {
            policy for one in meetings if {one.first, one.second} & found for policy in (one.first, one.second)
        } - found
        if not more:
            return found
        found |= more
