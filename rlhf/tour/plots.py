# SPDX-License-Identifier: Apache-2.0
"""The plots of a tour's report. Each is a PNG inside an HTML figure, so the page needs no other host."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from html import escape

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib.axes import Axes  # noqa: E402 (the backend comes first: there may be no screen)
from matplotlib.figure import Figure  # noqa: E402

START, END, QUIET = "#7a869a", "#1f5fbf", "#c9ced6"


def ranked_methods(document: dict) -> list[tuple[str, dict]]:
    """Return the tour's ways to train, the highest win rate first; empty for a tour with one way."""
    return sorted(document.get("methods", {}).items(), key=lambda way: -way[1]["win_rate"])


def figure(draw: Callable[[Axes], None], caption: str) -> str:
    """Draw a plot and return it as an HTML figure with its caption."""
    canvas = Figure(figsize=(7.2, 3.0), layout="constrained")
    axes = canvas.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    draw(axes)
    picture = io.BytesIO()
    canvas.savefig(picture, format="png", dpi=150)
    source = base64.b64encode(picture.getvalue()).decode()
    image = f"<img alt='{escape(caption)}' src='data:image/png;base64,{source}'>"
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def draw_win_rates(axes: Axes, document: dict) -> None:
    """Draw win rates against the start with their 95 % intervals."""
    best = document["best_of_8"]
    others = [(name, way) for name, way in ranked_methods(document) if name not in ("ppo", "best-of-n")]
    bars = [
        ("PPO", document["ppo"]),
        *others,
        ("best of 8, reward model", best),
        ("best of 8, gold", best.get("by_gold")),
        ("one polite answer", best["constant_answer"]),
    ]
    known = [
        (name, bar["win_rate"], bar["win_rate_ci"]) for name, bar in bars if bar and bar.get("win_rate") is not None
    ]
    for place, (_, rate, (low, high)) in enumerate(reversed(known)):
        axes.errorbar(
            100 * rate, place, xerr=[[100 * (rate - low)], [100 * (high - rate)]], fmt="o", color=END, capsize=4
        )
    axes.set_yticks(range(len(known)), [name for name, *_ in reversed(known)])
    axes.axvline(50, color=QUIET, zorder=0)
    axes.set(xlim=(0, 100), ylim=(-0.6, len(known) - 0.4), xlabel="win rate against the start (%)")


def draw_frontier(axes: Axes, found: list[tuple[str, dict]]) -> None:
    """Draw win rate over the square root of KL, the distance that Gao et al. (2023) use."""
    for name, way in found:
        if way["kl"] is None:
            continue
        rate, (low, high), x = way["win_rate"], way["win_rate_ci"], max(0.0, way["kl"]) ** 0.5
        filled = "none" if way["kl_bound"] else END
        axes.errorbar(
            x,
            100 * rate,
            yerr=[[100 * (rate - low)], [100 * (high - rate)]],
            fmt="o",
            color=END,
            markerfacecolor=filled,
            capsize=4,
        )
        axes.annotate(name, (x, 100 * rate), xytext=(7, 5), textcoords="offset points")
    axes.axhline(50, color=QUIET, zorder=0)
    axes.margins(x=0.2)
    axes.set(xlabel="square root of KL from the start (square roots of nats)", ylabel="win rate (%)")
    axes.set_xlim(left=0)


def draw_gold(axes: Axes, comparison: dict) -> None:
    """Draw histograms of the gold of single answers, of the start and of the policy."""
    draws = {name: np.ravel(comparison["gold_draws"][name]) for name in ("start", "end")}
    edges = np.histogram_bin_edges(np.concatenate(list(draws.values())), bins=30)
    for (name, gold), colour in zip(draws.items(), (START, END), strict=True):
        axes.hist(
            gold,
            bins=edges,
            histtype="step",
            linewidth=2,
            color=colour,
            label={"start": "start", "end": "policy"}[name],
        )
    axes.set(xlabel="gold (rubric points)", ylabel="answers")
    axes.legend(frameon=False)


def draw_curve(axes: Axes, values: list[float] | None, label: str) -> None:
    """Draw one value per update."""
    axes.plot(range(len(values or [])), values or [], color=END, marker="o", markersize=3)
    axes.set(xlabel="update", ylabel=label)
    axes.xaxis.get_major_locator().set_params(integer=True)


def draw_scores(axes: Axes, reward: dict) -> None:
    """Draw histograms of the reward model's scores of preferred and of other answers."""
    found = reward.get("histogram")
    if not found:
        axes.text(0.5, 0.5, "no comparison of a test prompt", ha="center", transform=axes.transAxes)
        return
    for name, colour in (("rejected", START), ("chosen", END)):
        axes.stairs(
            found[name],
            found["edges"],
            color=colour,
            linewidth=2,
            label={"rejected": "the other", "chosen": "preferred"}[name],
        )
    axes.set(xlabel="reward model's raw score (log-odds)", ylabel="answers")
    axes.legend(frameon=False)


def draw_calibration(axes: Axes, reward: dict) -> None:
    """Draw observed against predicted shares of labels."""
    bins = reward.get("calibration") or []
    axes.plot([50, 100], [50, 100], color=QUIET)
    axes.plot(
        [100 * each["predicted"] for each in bins], [100 * each["observed"] for each in bins], color=END, marker="o"
    )
    axes.set(
        xlabel="predicted: the preferred side wins (%)", ylabel="labels with it (%)", xlim=(50, 100), ylim=(0, 100)
    )
