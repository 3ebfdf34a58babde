# SPDX-License-Identifier: Apache-2.0
"""The run kind `curate`: learn quality from ratings, choose rows by a recipe, freeze them as a snapshot.

The snapshot carries its recipe and figures; the same settings and ratings give the same rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.ids import RUN, content_hash, public_id
from data.records import Instruction, Snapshot
from data.run_context import RunContext, RunResult
from data.selection.centres import coverage
from data.selection.recipe import Selection, choose_rows
from data.settings import as_dict
from data.store import Store
from data.tables.ratings import Rating
from labeling.texts.pages import bad_input
from rlhf.clinic.examination import Examination, examination_path, find_examination
from rlhf.clinic.findings import rater_agreement_by_source, score_against_defects, score_against_ratings
from rlhf.clinic.quality import PREDICTORS, QualityFeatures, RatedRows, fit_quality_model
from rlhf.clinic.settings import CurateSettings

SHOWN = 20
"""Number of best rows, and of worst rows, in a report."""
USABLE = 3.0
"""Rubric points from which a row is usable."""
SourcedScore = tuple[str, int]
"""A rating's source ('person' or 'simulated') and its score."""
FILE = "quality.npy"
"""File in the run's folder with the points (N,) of the examined rows."""


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """The predicted points of every row (N,), and the report on the quality model."""

    points: np.ndarray
    report: dict


def run(context: RunContext, settings: CurateSettings) -> RunResult:
    """Score, choose and freeze the rows.

    Raises BadInput if the settings need ratings that are missing, or if no row is good enough.
    """
    store = context.store
    source = find_examination(store, settings.embedded)
    examination = Examination.load(examination_path(store, source).parent)
    rows = _rows(store, examination)
    scored = _score(store, settings, examination, rows)
    chosen = _choose(settings, examination, scored)
    report = {
        "examination": public_id(RUN, source),
        "rows": len(rows),
        "chosen": len(chosen.places),
        "left_out": chosen.left_out,
    }
    report |= {
        "coverage": _coverage(examination, chosen, settings.seed),
        "clusters": _cluster_counts(examination.clusters[chosen.places]),
    }
    if scored:
        np.save(context.folder / FILE, scored.points.astype(np.float32))
        report["quality"] = scored.report | _best_and_worst(scored.points, rows)
    snapshot = freeze(store, context.run.public, settings, [rows[place] for place in chosen.places], report)
    return RunResult([snapshot.public], report | {"snapshot": snapshot.public})


def freeze(store: Store, run: str, settings: CurateSettings, rows: Sequence[Instruction], report: dict) -> Snapshot:
    """Freeze the chosen rows, with their ids and the recipe that chose them, as a snapshot."""
    frozen = [{"id": row.id, "instruction": row.instruction, "input": row.input, "output": row.output} for row in rows]
    figures = {key: report[key] for key in ("examination", "rows", "left_out", "coverage")}
    if "quality" in report:
        figures["quality"] = {
            key: value for key, value in report["quality"].items() if key not in ("best", "worst", "histogram")
        }
    filters = {
        "split": "train",
        "run": run,
        "recipe": as_dict(settings),
        "sources": dict(Counter(row.source for row in rows)),
        **figures,
    }
    return store.snapshots.freeze("instructions", frozen, filters, settings.name or default_name(settings, len(rows)))


def default_name(settings: CurateSettings, rows: int) -> str:
    """Return a snapshot name made from the recipe."""
    quality = f", {settings.min_quality:g} points or more" if settings.min_quality else ""
    return f"{rows:,} {settings.pick} rows{quality}"


def rated_rows(
    ratings: Sequence[Rating], examination: Examination, rows: Sequence[Instruction]
) -> tuple[RatedRows, list[list[SourcedScore]], str]:
    """Return the examined rows with ratings, every score by row, and a hash of the ratings for lineage."""
    places = {int(id): place for place, id in enumerate(examination.ids)}
    scores: dict[int, list[SourcedScore]] = defaultdict(list)
    for rating in ratings:
        if rating.instruction_id in places:
            assert rating.score is not None, "current ratings have a score"
            scores[places[rating.instruction_id]].append((rating.source, rating.score))
    rated_places = sorted(scores)
    means = np.array([np.mean([score for _, score in scores[place]]) for place in rated_places], dtype=float)
    features = quality_features(examination, rows).at(np.array(rated_places, dtype=int))
    rated = RatedRows(features, means, np.array([rows[place].prompt_id for place in rated_places]))
    return rated, [scores[place] for place in rated_places], content_hash([rating.id for rating in ratings])[:16]


def quality_features(examination: Examination, rows: Sequence[Instruction]) -> QualityFeatures:
    """Return the features from which quality is predicted, for every row."""
    return QualityFeatures(examination.columns, examination.answers, [row.output for row in rows])


def _rows(store: Store, examination: Examination) -> list[Instruction]:
    """Return the examined rows, in the examination's order. Raises BadInput if some are retracted."""
    by_id = {row.id: row for row in store.instructions.all(split="train")}
    ids = examination.ids.tolist()
    if retracted := sum(id not in by_id for id in ids):
        raise bad_input("refused.retracted_examined", field="embedded", retracted=retracted, count=len(ids))
    return [by_id[id] for id in ids]


def _score(
    store: Store, settings: CurateSettings, examination: Examination, rows: Sequence[Instruction]
) -> ScoredRows | None:
    """Predict points from the ratings of the settings' source; return None if there are none and quality is ignored.

    Raises BadInput if there are none and `min_quality` needs them. Figures on defects are of rows with unrated prompts.
    """
    ratings = store.ratings.current(settings.ratings, settings.last_rating)
    rated, scores, ratings_hash = rated_rows(ratings, examination, rows)
    if not scores:
        if settings.min_quality:
            raise bad_input("need.examined_ratings", min_quality=settings.min_quality)
        return None
    model, held_out = fit_quality_model(rated, settings.seed)
    points = model.predict(quality_features(examination, rows))
    rated_prompts = set(map(int, rated.prompts))
    unseen = np.array([row.prompt_id not in rated_prompts for row in rows])
    defects = [row.defects for row, is_unseen in zip(rows, unseen, strict=True) if is_unseen]
    report = {
        "ratings": sum(map(len, scores)),
        "rated_rows": len(scores),
        "whose": settings.ratings,
        "hash": ratings_hash,
        "weights": dict(zip((*PREDICTORS, "constant"), np.round(model.weights, 3).tolist(), strict=True)),
        "held_out": score_against_ratings(held_out, rated.scores, USABLE),
        "agreement": rater_agreement_by_source(scores, USABLE),
        "defects": score_against_defects(points[unseen], defects, settings.min_quality or USABLE),
        "histogram": np.histogram(points, bins=20, range=(0, 5))[0].tolist(),
    }
    return ScoredRows(points, report)


def _choose(settings: CurateSettings, examination: Examination, scored: ScoredRows | None) -> Selection:
    """Choose rows of enough quality, diverse ones or at random."""
    points = scored.points if scored and settings.min_quality else None
    groups = examination.groups if settings.pick == "diverse" else None
    count = settings.rows if settings.pick == "diverse" else 0
    chosen = choose_rows(
        examination.instructions, rows=count, quality=points, min_quality=settings.min_quality, group=groups
    )
    if settings.pick == "diverse" or not 0 < settings.rows < len(chosen.places):
        return chosen
    drawn = np.random.default_rng(settings.seed).choice(chosen.places, settings.rows, replace=False)
    return Selection(drawn, chosen.left_out | {"not drawn": len(chosen.places) - len(drawn)})


def _coverage(examination: Examination, chosen: Selection, seed: int) -> dict:
    """Return distances of rows to the nearest chosen row, and to the nearest of as many random rows.

    Each is a mean and a 95th percentile, over vectors of length 1.
    """
    count = len(examination.ids)
    random = np.random.default_rng(seed + 1).choice(count, len(chosen.places), replace=False)
    figures = {}
    for name, places in (("chosen", chosen.places), ("random", random)):
        distances = coverage(examination.instructions, places)
        figures[name] = {
            "mean": round(float(distances.mean()), 4),
            "p95": round(float(np.percentile(distances, 95)), 4),
        }
    return figures


def _cluster_counts(clusters: np.ndarray) -> dict[str, int]:
    return {str(cluster): int(count) for cluster, count in sorted(Counter(clusters.tolist()).items())}


def _best_and_worst(points: np.ndarray, rows: Sequence[Instruction]) -> dict:
    order = np.argsort(-points, kind="stable")

    def described(place: int) -> dict[str, str | float]:
        row = rows[place]
        return {
            "id": row.id,
            "points": round(float(points[place]), 2),
            "task": f"{row.instruction} {row.input}".strip(),
            "answer": row.output,
        }

    places: list[int] = order.tolist()
    return {"best": list(map(described, places[:SHOWN])), "worst": list(map(described, places[::-1][:SHOWN]))}
