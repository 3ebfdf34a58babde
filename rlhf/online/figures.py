# SPDX-License-Identifier: Apache-2.0
"""Figures of an online run from the answers of its labelers. Importable without torch.

Accuracy and win rate come from the random arm alone: pairs of the active arm are chosen for being hard.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from data.intervals import Interval, wilson_interval
from data.store import Store
from data.tables.online_pairs import OnlineAnswer
from data.views.preferences import parse_sources

LATEST = 100
"""Answers that the freshness is measured on."""
WINDOW = 50
"""Verdicts against the start that the newest win rate is measured on."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share of `count` answers, and its 95 % interval. A tie counts one half. None without an answer."""

    value: float | None
    interval: Interval
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Share:
        """Return the mean of values from 0 to 1."""
        total, count = sum(values), len(values)
        return cls(total / count if count else None, wilson_interval(total, count), count)


@dataclass(frozen=True, slots=True)
class Freshness:
    """Of the latest answers: how many were about the newest policy then, about the one before, and about older ones."""

    newest: int
    parent: int
    older: int


@dataclass(frozen=True, slots=True)
class Wins:
    """The win rate against the start of the policy's versions from `first` to `last`; None without a verdict."""

    first: int | None
    last: int | None
    share: Share

    @classmethod
    def of(cls, answers: Sequence[OnlineAnswer]) -> Wins:
        """Return the win rate in these answers, the verdicts against the start among them."""
        versions = [answer.version for answer in answers if answer.rule == "start"]
        return cls(min(versions, default=None), max(versions, default=None), Share.of(win_values(answers)))


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """An online run as its labelers see it.

    `accuracy`: how often the reward model predicted the answer when it asked. `win_rate`: of all versions of the policy
    against its start. `recent_wins`: of the versions in the last WINDOW verdicts. `agreement`: of two labelers on a
    pair; it bounds what a model can reach.
    """

    labels: int
    accuracy: Share
    win_rate: Share
    recent_wins: Wins
    agreement: Share
    freshness: Freshness


def read_answers(store: Store, run_id: int, labels: str) -> list[OnlineAnswer]:
    """Return the answers to a run's questions by the sources that its setting `labels` names, in the order of time.

    `run_id` is of the first run of those that resume each other.
    """
    sources, _ = parse_sources(labels)
    return [answer for answer in store.online_pairs.answers(run_id) if answer.source in sources]


def measure(answers: Sequence[OnlineAnswer]) -> LiveFigures:
    """Return the figures of a run's answers, which are in the order of time."""
    random_arm = [answer for answer in answers if answer.arm == "random"]
    return LiveFigures(
        labels=len(answers),
        accuracy=Share.of([answer.as_predicted for answer in random_arm if answer.rule == "random"]),
        win_rate=Share.of(win_values(answers)),
        recent_wins=Wins.of([answer for answer in answers if answer.rule == "start"][-WINDOW:]),
        agreement=Share.of(_agreements(random_arm)),
        freshness=_freshness(answers[-LATEST:]),
    )


def win_values(answers: Sequence[OnlineAnswer]) -> list[float]:
    """Return 1 for each answer that prefers the policy to its start, 0 for the opposite, one half for a tie."""
    return [
        answer.label if answer.first_is_learner else 1 - answer.label for answer in answers if answer.rule == "start"
    ]


def wins_between(answers: Sequence[OnlineAnswer], updates: Sequence[int]) -> list[Wins]:
    """Return the win rate of the versions up to each of these updates, rising, from after the one before."""
    return [
        Wins.of([answer for answer in answers if after < answer.version <= until])
        for after, until in zip([0, *updates], updates, strict=False)
    ]


def _agreements(answers: Sequence[OnlineAnswer]) -> list[float]:
    """Return for each two answers of different labelers to one pair whether they agree."""
    by_pair: dict[int | None, list[OnlineAnswer]] = defaultdict(list)
    for answer in answers:
        by_pair[answer.pair_id].append(answer)
    return [
        float(one.label == other.label)
        for same in by_pair.values()
        for number, one in enumerate(same)
        for other in same[:number]
        if one.labeler_id != other.labeler_id
    ]


def _freshness(answers: Sequence[OnlineAnswer]) -> Freshness:
    versions = sorted({answer.version for answer in answers} | {answer.newest for answer in answers})
    before = dict(zip(versions[1:], versions, strict=False))
    newest = sum(answer.version == answer.newest for answer in answers)
    parent = sum(answer.version == before.get(answer.newest) for answer in answers)
    return Freshness(newest, parent, len(answers) - newest - parent)
