# SPDX-License-Identifier: Apache-2.0
"""Elo ratings of policies from all comparisons among them, by the model of Bradley and Terry (1952)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data.intervals import NORMAL
from data.views.head_to_head import HeadToHead

ELO = 400 / math.log(10)
"""Points per unit of log-odds: 400 points are odds of ten to one."""
PRIOR = 0.5
"""Wins and losses added against an average opponent, so that an unbeaten policy has a finite strength."""
STEPS = 200
"""Number of minorise-maximise steps."""


class EloRating(NamedTuple):
    """A policy's points above the reference (0), their 95 % interval over prompts, and its comparisons."""

    policy_id: int
    points: float
    low: float
    high: float
    comparisons: int


def elo_ratings(comparisons: Sequence[HeadToHead], reference: int) -> list[EloRating]:
    """Rate the policies that a chain of comparisons links to `reference`, the strongest first.

    Policies without such a chain cannot be placed on its scale.
    """
    linked = sorted(_linked(comparisons, reference))
    if len(linked) < 2:
        return []
    place = {policy: number for number, policy in enumerate(linked)}
    wins = _wins([comparison for comparison in comparisons if comparison.first in place], place)
    strengths = bradley_terry_strengths(wins.sum(axis=0)[None])[0]
    points = ELO * (strengths - strengths[place[reference]])
    reach = ELO * NORMAL * _standard_errors(wins, strengths, place[reference])
    counts = (wins + wins.transpose(0, 2, 1)).sum(axis=(0, 2))
    ratings = [
        EloRating(policy, float(points[n]), float(points[n] - reach[n]), float(points[n] + reach[n]), int(counts[n]))
        for policy, n in place.items()
    ]
    return sorted(ratings, key=lambda rating: rating.points, reverse=True)


def _wins(comparisons: Sequence[HeadToHead], place: dict[int, int]) -> np.ndarray:
    """Return how often each policy beat each other one on each prompt, (prompts, n, n)."""
    prompts = {
        prompt: number for number, prompt in enumerate(sorted({comparison.prompt_id for comparison in comparisons}))
    }
    wins = np.zeros((len(prompts), len(place), len(place)))
    for pair in comparisons:
        first, second, prompt = place[pair.first], place[pair.second], prompts[pair.prompt_id]
        wins[prompt, first, second] += pair.won
        wins[prompt, second, first] += pair.times - pair.won
    return wins


def bradley_terry_strengths(wins: np.ndarray) -> np.ndarray:
    """Return log-strengths (D, n) with mean 0 from wins (D, n, n); a tie is half a win for both.

    Uses the minorise-maximise steps of Hunter (2004), with PRIOR wins and losses against a strength of 1.
    """
    games = wins + wins.transpose(0, 2, 1)
    strength = np.ones(wins.shape[:2])
    for _ in range(STEPS):
        weight = (games / (strength[:, :, None] + strength[:, None, :])).sum(axis=2) + 2 * PRIOR / (strength + 1)
        strength = (wins.sum(axis=2) + PRIOR) / weight
    logs = np.log(strength)
    return logs - logs.mean(axis=1, keepdims=True)


def _standard_errors(wins: np.ndarray, strengths: np.ndarray, reference: int) -> np.ndarray:
    """Return the standard error of each log-strength above the reference, (n,), from wins (prompts, n, n).

    The larger one of two: the curvature of the log-posterior, which assumes independent comparisons, and its sandwich
    over prompts (White 1982), which does not. With few comparisons PRIOR keeps the first from being zero.
    """
    games = wins + wins.transpose(0, 2, 1)
    chance = 1 / (1 + np.exp(strengths[None, :] - strengths[:, None]))  # of the row against the column
    information = games.sum(axis=0) * chance * (1 - chance)
    average = 1 / (1 + np.exp(-strengths))
    curvature = np.diag(information.sum(axis=1) + 2 * PRIOR * average * (1 - average)) - information
    model = np.linalg.inv(curvature)
    scores = (wins - games * chance).sum(axis=2)  # (prompts, n): each prompt's part of the gradient
    sandwich = model @ (scores.T @ scores) @ model
    contrasts = np.eye(len(strengths)) - np.eye(len(strengths))[reference]
    variances = [np.einsum("ij,jk,ik->i", contrasts, matrix, contrasts) for matrix in (model, sandwich)]
    return np.sqrt(np.maximum(*variances))


def _linked(comparisons: Sequence[HeadToHead], start: int) -> set[int]:
    """Return the policies that a chain of comparisons links to `start`, itself included."""
    linked = {start}
    while True:
        opponents = {
            policy for pair in comparisons if {pair.first, pair.second} & linked for policy in (pair.first, pair.second)
        }
        if opponents <= linked:
            return linked
        linked |= opponents
