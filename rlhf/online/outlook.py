# SPDX-License-Identifier: Apache-2.0
"""Conclusions from an online run's figures: whether it learns, what speaks against it, and how many labels say more.

Pure functions; the texts are the pages' own. Importable without torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from data.intervals import NORMAL, wilson_interval
from data.tables.online_pairs import OnlineAnswer
from rlhf.online.figures import Share, win_values

Verdict = Literal[
    "no_test_prompts", "too_few", "worse_than_start", "getting_worse", "no_better_than_a_coin", "learning"
]
COIN = 0.5
ENOUGH = 20
"""Answers of the random arm before a conclusion."""
PRECISE = 0.05
"""Half the width of the win rate's interval that the forecast is about."""
RECENT_SECONDS = 3600
"""The pace of labeling is that of the last hour."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Labels until the win rate is known within `PRECISE`, of all arms, and the hours at the present pace."""

    labels: int
    hours: float | None


def judge(answers: Sequence[OnlineAnswer], accuracy: Share, win_rate: Share, test_prompts: int) -> Verdict:
    """Return the plainest thing that the random arm says.

    The policy is `worse_than_start` if the interval of its win rate lies below one half, and `getting_worse` if it wins
    clearly less in the second half of the answers than in the first, which is how a hacked reward shows.
    """
    if not test_prompts:
        return "no_test_prompts"
    if accuracy.count + win_rate.count < ENOUGH:
        return "too_few"
    if win_rate.interval.high < COIN:
        return "worse_than_start"
    wins = win_values(answers)
    if _fell(wins[: len(wins) // 2], wins[len(wins) // 2 :]):
        return "getting_worse"
    if accuracy.count >= ENOUGH and accuracy.interval.low <= COIN and win_rate.interval.low <= COIN:
        return "no_better_than_a_coin"
    return "learning"


def forecast(answers: Sequence[OnlineAnswer], win_rate: Share, now: datetime) -> Forecast | None:
    """Return the forecast; None without a win against the start so far, and when the win rate is known so well.

    An interval of half-width h at the share p needs about p (1 - p) (1.96 / h)^2 answers. The share of answers that
    meet the start stays what it is.
    """
    if not win_rate.count or win_rate.value is None:
        return None
    share = min(max(win_rate.value, 0.1), 0.9)  # a share near 0 or 1 of few answers promises too much
    needed = math.ceil(share * (1 - share) * (NORMAL / PRECISE) ** 2)
    missing = needed - win_rate.count
    if missing <= 0:
        return None
    labels = math.ceil(missing * len(answers) / win_rate.count)
    pace = labels_per_hour(answers, now)
    return Forecast(labels, labels / pace if pace else None)


def labels_per_hour(answers: Sequence[OnlineAnswer], now: datetime) -> float:
    """Return the pace over the last hour, or since the first answer of the last hour if that is shorter."""
    ages = [(now - datetime.fromisoformat(answer.created_at)).total_seconds() for answer in answers]
    recent = [age for age in ages if age <= RECENT_SECONDS]
    return 3600 * len(recent) / max(60.0, max(recent)) if recent else 0.0


def _fell(before: Sequence[float], after: Sequence[float]) -> bool:
    """Return whether the second share lies below the first by more than chance: their intervals do not meet."""
    if min(len(before), len(after)) < ENOUGH // 2:
        return False
    return wilson_interval(sum(after), len(after)).high < wilson_interval(sum(before), len(before)).low
