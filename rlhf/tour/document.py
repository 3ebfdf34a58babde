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


def tour_document(tour: Tour, labels: int, reward: dict, ppo: dict, comparisons: dict[str, dict]) -> dict:
    """Return the document of the contract; `comparisons` holds the comparison report of each method.

    A tour without best of n has a `best_of_8` whose `win_rate` is None.
    """
    ppo_comparison = comparisons["ppo"]
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
    best = next((key for key in ppo_comparison if key.startswith("best_of_") and not key.endswith("_gold")), None)
    baselines = {"by_gold": ppo_comparison.get(f"{best}_gold"), "constant_answer": ppo_comparison["constant_answer"]}
    document = {
        "seed": tour.seed,
        "starter": {"corpus": corpus.VERSION, "rubric": rubric.VERSION, "hash": starter.source_hash()},
        "labels": labels,
        "stages": tour.stages,
        "reward": {
            name: reward.get(name)
            for name in ("accuracy", "ci", "ceiling", "agreement", "length_baseline", "fit_accuracy", "skill")
        },
        "ppo": {
            **{name: ppo_comparison[name] for name in figures},
            **{name: ppo.get(name) for name in ("kl_per_step", "reward_per_step", "gold_per_look", "checkpoint")},
            "collapsed": ppo_comparison["collapsed"],
        },
        "best_of_8": ppo_comparison.get(best, {"win_rate": None}) | baselines,
    }
    if len(comparisons) == 1:
        return document
    method_figures = (
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
    return document | {
        "methods": {
            name: {key: report[key] for key in method_figures} | tour.stages[name]
            for name, report in comparisons.items()
        }
    }
