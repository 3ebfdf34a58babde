# SPDX-License-Identifier: Apache-2.0
"""Write docs/notes/labels.md and its pictures, win rates by labels, from the study: `python -m docs.label_curves`.

A curve is w(n) = 1 - 0.5 (n/a)^-b for n labels. At a labels the policy wins as often as the start, half the time.
Intervals are of 2,000 draws of seeds with replacement.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy.optimize import least_squares

from reward.report.svg_chart import Chart
from tests.support import ROOT

RESULTS = ROOT / "docs" / "results" / "labels.jsonl"
PAGE = ROOT / "docs" / "notes" / "labels.md"
PICTURES = ROOT / "docs" / "images"
ARMS = {
    "offline": "all labels of the start first",
    "periodic": "four rounds",
    "random": "online, any pair",
    "variance": "online, disputed pairs",
}
DRAWN = {"offline": "main", "variance": "other", "random": "quiet"}
"""The arms in a picture, with their style."""
COLOURS = "--accent:#1f5fbf;--bad:#b3372f;--soft:#5d6672;--edge:#9aa1ab;--card:#fff"
DRAWS = 2000
SPAN = (2.5, 97.5)
"""The percentiles between which an interval lies."""

Wins = Mapping[int, Mapping[int, float]]
"""Win rates by labels and seed."""
Curve = tuple[float, float]
"""a in labels, and b."""


def read_wins(lines: Iterable[str]) -> dict[str, dict[str, dict[int, dict[int, float]]]]:
    """Return win rates by world, arm, labels and seed."""
    found: dict[str, dict[str, dict[int, dict[int, float]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(dict))
    )
    for row in map(json.loads, lines):
        world, arm, _ = row["case"].split("/")
        for name, figures in row.items():
            if name.startswith(f"{arm}_"):
                found[world][arm][int(name.removeprefix(f"{arm}_"))][row["seed"]] = figures["win_rate"]
    return {world: {arm: dict(sorted(sizes.items())) for arm, sizes in arms.items()} for world, arms in found.items()}


def win_rate(labels: np.ndarray | float, a: float, b: float) -> np.ndarray | float:
    """Return the win rate of a curve at numbers of labels."""
    return 1 - 0.5 * (np.asarray(labels) / a) ** -b


def fit_curve(points: Sequence[tuple[int, float]]) -> Curve | None:
    """Return the least-squares curve through (labels, win rate); None for fewer than two sizes or no curve."""
    sizes, wins = map(np.array, zip(*points, strict=True))
    if len(set(sizes)) < 2:
        return None
    found = least_squares(lambda x: win_rate(sizes, np.exp(x[0]), x[1]) - wins, (3.0, 0.5))
    return (float(np.exp(found.x[0])), float(found.x[1])) if found.success else None


def labels_needed(curve: Curve, wins: float) -> float:
    """Return the labels at which a curve reaches a win rate between one half and one."""
    a, b = curve
    return a * (2 * (1 - wins)) ** (-1 / b)


def draw_curves(wins: Wins, draws: int = DRAWS, seed: int = 0) -> list[Curve]:
    """Return the curves of samples of the seeds with replacement; a seed has all its sizes or none."""
    rng, seeds = np.random.default_rng(seed), sorted({seed for row in wins.values() for seed in row})
    curves = []
    for _ in range(draws):
        chosen = rng.choice(seeds, len(seeds))
        points = [(size, row[seed]) for size, row in wins.items() for seed in chosen if seed in row]
        curve = fit_curve(points) if points else None
        if curve:
            curves.append(curve)
    return curves


def page(worlds: Mapping[str, Mapping[str, Wins]]) -> str:
    """Return the page in Markdown."""
    parts = [
        "# Win rate by labels\n",
        "`python -m docs.label_curves` writes this page from the lines of `make study NAME=labels`.",
        "A cell has the mean win rate over the start, and the seeds in parentheses.",
        "A curve is w(n) = 1 - 0.5 (n/a)^-b for n labels. Its intervals hold 95 % of 2,000 draws of seeds.\n",
    ]
    for world, arms in sorted(worlds.items()):
        sizes = sorted({size for row in arms.values() for size in row})
        parts += [
            f"## World `{world}`\n",
            f"![Win rate by labels in the world {world}](../images/labels-{world}.svg)\n",
        ]
        parts += ["| labels | " + " | ".join(ARMS[arm] for arm in ARMS if arm in arms) + " |"]
        parts += ["| --- |" + " --- |" * len(arms)]
        for size in sizes:
            parts += [
                f"| {size:,} | " + " | ".join(_cell(arms[arm].get(size, {})) for arm in ARMS if arm in arms) + " |"
            ]
        parts += ["", *_curve_lines(arms), ""]
    return "\n".join(parts)


def picture(world: str, arms: Mapping[str, Wins]) -> str:
    """Return the world's win rates and curves as SVG."""
    sizes = [size for row in arms.values() for size in row]
    low, high = min(sizes) / 1.2, max(sizes) * 1.5
    chart = Chart((low, high), (0.4, 1.0), log=True, width=560)
    ticks = [(size, f"{size:,}") for size in sorted(set(sizes))]
    chart.axes("labels", "win rate", ticks, [(value / 10, f"{10 * value} %") for value in range(4, 11, 2)])
    for arm, style in DRAWN.items():
        if arm not in arms:
            continue
        for size, row in arms[arm].items():
            values = list(row.values())
            chart.dot(size, float(np.mean(values)), (min(values), max(values)), style, f"{ARMS[arm]}, {size} labels")
        if curve := _fit(arms[arm]):
            places = np.geomspace(low, high, 40)
            chart.line([(float(n), float(win_rate(n, *curve))) for n in places], style)
            chart.word(max(sizes), float(win_rate(max(sizes), *curve)), arm)
    svg = chart.svg(f"Win rate by labels in the world {world}")
    return svg.replace("<svg ", "<svg xmlns='http://www.w3.org/2000/svg' ", 1).replace(
        "style='", f"style='{COLOURS};", 1
    )


def _fit(wins: Wins) -> Curve | None:
    return fit_curve([(size, value) for size, row in wins.items() for value in row.values()])


def _cell(row: Mapping[int, float]) -> str:
    return f"{100 * np.mean(list(row.values())):.1f} % ({len(row)})" if row else ""


def _curve_lines(arms: Mapping[str, Wins]) -> list[str]:
    """Return a table of the curves, with the labels that each needs for the largest win rate of the offline arm."""
    curves = {arm: curve for arm in ARMS if arm in arms and (curve := _fit(arms[arm]))}
    if "offline" not in curves:
        return ["No curve: the arm with all labels of the start first has fewer than two sizes."]
    most = max(arms["offline"])
    goal = float(np.mean(list(arms["offline"][most].values())))
    lines = [f"| arm | a | b | labels for {100 * goal:.1f} % |", "| --- | --- | --- | --- |"]
    for arm, curve in curves.items():
        drawn = draw_curves(arms[arm])
        needed = [labels_needed(each, goal) for each in drawn if each[1] > 0]
        values = zip((*curve, labels_needed(curve, goal)), (*zip(*drawn, strict=True), needed), strict=True)
        cells = [f"{value:.3g} ({_span(spread)})" for value, spread in values]
        lines.append(f"| {ARMS[arm]} | " + " | ".join(cells) + " |")
    return lines


def _span(values: Sequence[float]) -> str:
    low, high = np.percentile(values, SPAN)
    return f"{low:.3g} to {high:.3g}"


def main() -> None:
    """Write the page and a picture of each world."""
    worlds = read_wins(RESULTS.read_text("utf-8").splitlines())
    PAGE.write_text(page(worlds), "utf-8")
    for world, arms in worlds.items():
        (PICTURES / f"labels-{world}.svg").write_text(picture(world, arms) + "\n", "utf-8")


if __name__ == "__main__":
    main()
