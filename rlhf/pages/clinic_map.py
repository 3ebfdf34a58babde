# SPDX-License-Identifier: Apache-2.0
"""The map of the instruction rows as SVG, and a table of its clusters. Without gradio."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from data.records import Run
from data.store import Store
from labeling.texts.pages import text
from rlhf.clinic.examination import Examination, examination_path
from rlhf.pages.markup import empty, esc, scrolling, table

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
"""Colours of groups. The map shows every group's name too, so that no colour carries a meaning alone."""
WORDS = 6
COLUMNS = ("cluster", "rows", "words", "families", "middle")


def draw_examined(store: Store, run: Run, colour: str) -> tuple[str, str]:
    """Return the map of an examination, coloured by cluster, family or source, and the table of its clusters."""
    file = examination_path(store, run.id)
    if not file.is_file():
        return empty(text("clinic.vectors_gone")), ""
    examination = Examination.load(file.parent)
    ids = examination.ids.tolist()
    stored = store.instructions.of_ids(ids)
    families = {prompt.id: prompt.family for prompt in store.prompts.all(split="train")}
    rows = [stored[id] for id in ids]
    tasks = [f"{row.instruction} {row.input}".strip() for row in rows]
    names = {
        "cluster": [str(cluster + 1) for cluster in examination.clusters.tolist()],
        "family": [_family(families, row.prompt_id) or row.source for row in rows],
        "source": [row.source for row in rows],
    }
    return draw_map(examination, names[colour], tasks), draw_clusters(examination, names["family"], tasks)


def draw_map(examination: Examination, names: Sequence[str], tasks: Sequence[str]) -> str:
    """Return up to 1,200 rows as dots, coloured by `names` (cluster, family or source), each name amid its rows."""
    spots = _spots(examination.map)
    groups = [name for name, _ in Counter(names).most_common()]
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(groups)}
    dots = "".join(
        f"<circle cx={spots[row][0]:.0f} cy={spots[row][1]:.0f} r=3 fill='{colours[names[row]]}' fill-opacity=.65>"
        f"<title>{esc(tasks[row][:120])}</title></circle>"
        for row in np.random.default_rng(0).permutation(len(tasks))[:DOTS]
    )
    labels = "".join(_label(name, spots[np.array(names) == name]) for name in groups[: 2 * len(COLOURS)])
    spoken = esc(text("clinic.map_spoken", rows=len(tasks), groups=len(groups)))
    frame = f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img aria-label='{spoken}' class=map>{dots}{labels}</svg>"
    lead = esc(text("clinic.map_lead", shown=min(DOTS, len(tasks)), rows=len(tasks)))
    title = esc(text("clinic.map_title"))
    return f"<figure><figcaption><b>{title}</b> <span class=soft>{lead}</span></figcaption>{frame}</figure>"


def draw_clusters(examination: Examination, families: Sequence[str], tasks: Sequence[str]) -> str:
    """Return a table of clusters: size, distinctive words, families, and the instruction nearest the middle."""
    every = Counter(word for task in tasks for word in _words(task))
    rows = [
        _cluster(examination, cluster, families, tasks, every)
        for cluster, _ in Counter(examination.clusters.tolist()).most_common()
    ]
    head = [text(f"clinic.column_{name}") for name in COLUMNS]
    return scrolling(text("clinic.groups"), table(head, rows), "card")


def _spots(places: np.ndarray) -> np.ndarray:
    """Return (rows, 2) places of the map in the drawing; the outermost percent of rows lies on its edge."""
    low, high = np.percentile(places, [0.5, 99.5], axis=0)
    shares = np.clip((places - low) / np.maximum(high - low, 1e-9), 0, 1)
    return shares * (WIDTH - 2 * EDGE, HEIGHT - 2 * EDGE) + EDGE


def _label(name: str, spots: np.ndarray) -> str:
    x, y = np.median(spots, axis=0)
    return f"<text x={x:.0f} y={y:.0f} text-anchor=middle class=spot>{esc(name)}</text>"


def _family(families: dict[int, str | None], prompt_id: int | None) -> str | None:
    return None if prompt_id is None else families.get(prompt_id)


def _cluster(
    examination: Examination, cluster: int, families: Sequence[str], tasks: Sequence[str], every: Counter[str]
) -> tuple[str, ...]:
    """Return a row under COLUMNS; `every`: the number of rows that hold each word."""
    inside: list[int] = np.flatnonzero(examination.clusters == cluster).tolist()
    share = len(inside) / len(tasks)
    vectors = examination.instructions[inside]
    middle = inside[int(np.argmin(((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1)))]
    common = Counter(families[row] for row in inside).most_common(3)
    return (
        f"{cluster + 1}",
        f"{len(inside):,} ({100 * share:.0f} %)",
        ", ".join(_distinctive([tasks[row] for row in inside], every, share)),
        ", ".join(f"{name} {100 * count / len(inside):.0f} %" for name, count in common),
        tasks[middle][:140],
    )


def _distinctive(tasks: Sequence[str], every: Counter[str], share: float) -> list[str]:
    """Return the words that are more frequent in these rows than in all; `share`: that of these rows among all."""
    here = Counter(word for task in tasks for word in _words(task))
    repeated = [word for word in here if here[word] > 1]
    return sorted(repeated, key=lambda word: here[word] * (here[word] / every[word] - share), reverse=True)[:WORDS]


def _words(task: str) -> set[str]:
    return {word for word in re.findall(r"\w+", task.lower()) if len(word) > 2}
