# SPDX-License-Identifier: Apache-2.0
"""The document that a tour returns: the figures of its contract, from the reports of its stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data import starter
from data.starter import corpus, rubric
from rlhf.tour.stages import Tour


@dataclass(frozen=True, slots=True)
class TourResult:
    """A tour's document, the reports that it summarises, and the home that it filled."""

    home: Path
    document: dict
    reward: dict
    ppo: dict
    comparison: dict


def tour_document(tour: Tour, labels: int, reward: dict, ppo: dict, found: dict[str, dict]) -> dict:
    """Return the document of the contract; `found` holds the comparison report of each method.

    A tour without best of n has a `best_of_8` whose `win_rate` is None.
    """
    mine = found["ppo"]
    figures = (
        "win_rate",
        "win_rate_ci",
        "win_rate_noisy",
        "kl",
        "gold_start",
        "gold_end",
        "gold_gain_std",
        "fit_start",
        "fit_end",
    )
    best = next((key for key in mine if key.startswith("best_of_") and not key.endswith("_gold")), None)
    baselines = {"by_gold": mine.get(f"{best}_gold"), "constant_answer": mine["constant_answer"]}
    shown = {
        "seed": tour.seed,
        "starter": {"corpus": corpus.VERSION, "rubric": rubric.VERSION, "hash": starter.source_hash()},
        "labels": labels,
        "stages": tour.stages,
        "reward": {
            name: reward.get(name)
            for name in ("accuracy", "ci", "ceiling", "agreement", "length_baseline", "fit_accuracy", "skill")
        },
        "ppo": {
            **{name: mine[name] for name in figures},
            **{name: ppo.get(name) for name in ("kl_per_step", "reward_per_step", "gold_per_look", "checkpoint")},
            "collapsed": mine["collapsed"],
        },
        "best_of_8": mine.get(best, {"win_rate": None}) | baselines,
    }
    if len(found) == 1:
        return shown
    beside = (
        *figures,
        "kl_bound",
        "reward_start",
        "reward_end",
        "length_start",
        "length_end",
        "distinct_2_start",
        "distinct_2_end",
        "collapsed",
    )
    return shown | {
        "methods": {name: {key: report[key] for key in beside} | tour.stages[name] for name, report in found.items()}
    }
