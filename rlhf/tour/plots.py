# SPDX-License-Identifier: Apache-2.0
"""The plots of a tour's report: SVG figures that follow the page's colours. Empty text without data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reward.report.plots import OUTLINES, figure, legend
from reward.report.svg_chart import WIDTH, Chart, round_ticks, share_ticks

WIDE = 2 * WIDTH
"""Width of a plot with a name under each mark."""
MOST_UPDATES_NAMED = 8
SOLID_AND_HOLLOW = {"main": "●", "other": "□"}


def ranked_methods(document: dict) -> list[tuple[str, dict]]:
    """Return the tour's ways to train, the highest win rate first; empty for a tour with one way."""
    return sorted(document.get("methods", {}).items(), key=lambda method: -method[1]["win_rate"])


def listed_win_rates(document: dict) -> list[tuple[str, dict]]:
    """Return what was compared with the start: a name over two lines, and its win rate with the interval."""
    best = document["best_of_8"]
    other_methods = [item for item in ranked_methods(document) if item[0] not in ("ppo", "best-of-n")]
    candidates = [
        ("PPO", document["ppo"]),
        *other_methods,
        ("best of 8 by\nreward model", best),
        ("best of 8 by\nrubric", best.get("by_gold")),
        ("one polite\nanswer", best["constant_answer"]),
    ]
    return [(name, result) for name, result in candidates if result and result.get("win_rate") is not None]


def draw_win_rates(document: dict) -> str:
    """Draw win rates against the start with their 95 % intervals."""
    results = listed_win_rates(document)
    chart = Chart((-0.5, len(results) - 0.5), (0, 1), width=WIDE)
    names = [(place, name) for place, (name, _) in enumerate(results)]
    chart.axes("", "win rate against the start (%)", names, share_ticks(0, 1))
    chart.level(0.5, "quiet", "no better than the start")
    for place, (name, result) in enumerate(results):
        rate, interval = result["win_rate"], result["win_rate_ci"]
        chart.dot(place, rate, interval, "main", f"{name}: {100 * rate:.1f} %".replace("\n", " "))
    return figure(
        "Win rates against the start",
        "On test prompts, by the rubric, with 95 % intervals over prompts.",
        chart.svg("Win rates: " + "; ".join(f"{name} {100 * result['win_rate']:.0f} %" for name, result in results)),
    )


def draw_frontier(methods: Sequence[tuple[str, dict]]) -> str:
    """Draw win rate over the square root of KL, the distance that Gao et al. (2023) use."""
    measured = [(name, method) for name, method in methods if method["kl"] is not None]
    if not measured:
        return ""
    distances = [math.sqrt(max(0.0, method["kl"])) for _, method in measured]
    right = 1.35 * max(*distances, 0.5)
    low = min(0.5, *(method["win_rate_ci"][0] for _, method in measured))
    low = math.floor(10 * low) / 10
    chart = Chart((0, right), (low, 1), width=WIDE)
    chart.axes("square root of KL from the start (√nats)", "win rate (%)", round_ticks(0, right), share_ticks(low, 1))
    chart.level(0.5, "quiet", "no better than the start")
    for distance, (name, method) in zip(distances, measured, strict=True):
        part = "other" if method["kl_bound"] else "main"
        hint = f"{name}: {100 * method['win_rate']:.1f} % at {method['kl']:.2f} nats"
        chart.dot(distance, method["win_rate"], method["win_rate_ci"], part, hint)
        chart.word(distance, method["win_rate"], name)
    keys = [("main", "KL measured"), ("other", "KL at most")]
    return figure(
        "Win rate and distance from the start",
        "Better methods lie higher and further left. Bars: 95 % intervals over prompts.",
        legend(keys, SOLID_AND_HOLLOW) + chart.svg("Win rate over the square root of KL, per method"),
    )


def draw_rubric_scores(comparison: dict) -> str:
    """Draw histograms of the rubric scores of single answers, of the start and of the policy."""
    scores = {name: np.ravel(comparison["gold_draws"][name]) for name in ("start", "end")}
    edges = np.histogram_bin_edges(np.concatenate(list(scores.values())), bins=30)
    counts = {name: np.histogram(values, bins=edges)[0].tolist() for name, values in scores.items()}
    low, high, most = float(edges[0]), float(edges[-1]), max(*counts["start"], *counts["end"])
    chart = Chart((low, high), (0, most * 1.08))
    chart.axes("rubric score (points)", "answers", round_ticks(low, high), round_ticks(0, most, 5))
    chart.steps(edges.tolist(), counts["start"], "other").steps(edges.tolist(), counts["end"], "main")
    return figure(
        "Rubric scores of single answers",
        "The further right the solid outline, the better the policy's answers.",
        legend([("main", "policy"), ("other", "start")], OUTLINES) + chart.svg("Histogram of rubric scores"),
    )


def draw_curve(title: str, lead: str, y_label: str, values: Sequence[float] | None) -> str:
    """Draw one value per update; updates count from 1."""
    if not values:
        return ""
    low, high = min(0.0, *values), max(0.0, *values)
    margin = 0.05 * (high - low) or 1.0
    low, high = low - margin * (low < 0), high + margin
    step = math.ceil(len(values) / MOST_UPDATES_NAMED)
    chart = Chart((0.5, len(values) + 0.5), (low, high))
    names = [(number, str(number)) for number in range(1, len(values) + 1, step)]
    chart.axes("update", y_label, names, round_ticks(low, high, 5))
    chart.line(list(enumerate(values, start=1)), "main")
    for number, value in enumerate(values, start=1):
        chart.dot(number, value, None, "main", f"update {number}: {value:.2f}")
    return figure(title, lead, chart.svg(f"{title}, from {values[0]:.2f} to {values[-1]:.2f}"))


def draw_reward(ppo: Mapping[str, Any]) -> str:
    """Draw the mean reward of each update's answers."""
    return draw_curve(
        "Reward",
        "Mean reward of each update's answers. Unit: standard deviations of the start's rewards.",
        "reward (deviations)",
        ppo["reward_per_step"],
    )


def draw_kl(ppo: Mapping[str, Any]) -> str:
    """Draw the distance from the start at each update."""
    return draw_curve(
        "KL from the start", "Mean over each update's answers.", "KL (nats per answer)", ppo["kl_per_step"]
    )
