"""The map of the instruction rows as SVG, and what each cluster holds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from rlhf.clinic.examination import Examination
from rlhf.pages.components import esc

DOTS = 1200
WIDTH, HEIGHT, EDGE = 760, 430, 22
COLOURS = (
    "#1f5fbf",
    "#c4661f",
    "#1f7a4d",
    "#a3242b",
    "#7a4fb0",
    "#8a6d00",
    "#0f7f8c",
    "#b03a7a",
    "#5b6570",
    "#4f8a10",
    "#3c4fa3",
    "#8c5a3c",
)
"""Every name stands on the map as well, so that no colour carries a meaning alone."""
WORDS = 6


def draw_map(examination: Examination, names: Sequence[str], tasks: Sequence[str]) -> str:
    """Up to 1,200 rows as dots, coloured by `names` (cluster, family or source), each name at the middle of its rows."""
    places = np.random.default_rng(0).permutation(len(tasks))[:DOTS]
    low, high = np.percentile(examination.map, [0.5, 99.5], axis=0)
    spots = (
        np.clip((examination.map - low) / np.maximum(high - low, 1e-9), 0, 1) * (WIDTH - 2 * EDGE, HEIGHT - 2 * EDGE)
        + EDGE
    )
    kinds = [name for name, _ in Counter(names).most_common()]
    colour = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(kinds)}
    dots = "".join(
        f"<circle cx={x:.0f} cy={y:.0f} r=3 fill='{colour[names[at]]}' fill-opacity=.65><title>{esc(tasks[at][:120])}</title></circle>"
        for at, (x, y) in zip(places, spots[places], strict=True)
    )
    array = np.array(names)
    labels = "".join(
        f"<text x={x:.0f} y={y:.0f} text-anchor=middle class=spot>{esc(name)}</text>"
        for name in kinds[: 2 * len(COLOURS)]
        for x, y in [np.median(spots[array == name], axis=0)]
    )
    said = f"Map of {len(tasks):,} instructions in {len(kinds)} groups"
    frame = f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img aria-label='{said}' class=map>{dots}{labels}</svg>"
    lead = f"{min(DOTS, len(tasks)):,} of {len(tasks):,} rows; near means alike to the model. Principal components of the vectors, no unit."
    return f"<figure><figcaption><b>Map of the instructions</b> <span class=soft>{lead}</span></figcaption>{frame}</figure>"


def draw_clusters(examination: Examination, families: Sequence[str], tasks: Sequence[str]) -> str:
    """A table: each cluster's size, the words that set it apart, its families, and the instruction nearest its middle."""
    everywhere = Counter(word for task in tasks for word in _words(task))
    lines = "".join(
        _cluster(examination, cluster, families, tasks, everywhere)
        for cluster, _ in Counter(examination.clusters.tolist()).most_common()
    )
    head = "".join(
        f"<th scope=col>{name}</th>"
        for name in ("Cluster", "Rows", "Words that set it apart", "Holds", "In its middle")
    )
    return f"<div class='card scroll'><table class=plain-table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"


def _cluster(
    examination: Examination, cluster: int, families: Sequence[str], tasks: Sequence[str], everywhere: Counter
) -> str:
    inside = np.flatnonzero(examination.clusters == cluster)
    here = Counter(word for at in inside for word in _words(tasks[at]))
    share = len(inside) / len(tasks)
    apart = sorted(
        (word for word in here if here[word] > 1),
        key=lambda word: here[word] * (here[word] / everywhere[word] - share),
        reverse=True,
    )
    vectors = examination.instructions[inside]
    middle = inside[int(np.argmin(((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1)))]
    holds = ", ".join(
        f"{name} {100 * count / len(inside):.0f} %"
        for name, count in Counter(families[at] for at in inside).most_common(3)
    )
    cells = (
        f"{cluster + 1}",
        f"{len(inside):,} ({100 * share:.0f} %)",
        ", ".join(apart[:WORDS]),
        holds,
        tasks[middle][:140],
    )
    return f"<tr>{''.join(f'<td>{esc(cell)}</td>' for cell in cells)}</tr>"


def _words(task: str) -> set[str]:
    return {word for word in re.findall(r"\w+", task.lower()) if len(word) > 2}
