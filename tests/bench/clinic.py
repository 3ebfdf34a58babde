# SPDX-License-Identifier: Apache-2.0
"""The data clinic's figures: quality against planted truth and public data, near-duplicates, k-centre, and curated rows against others."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data import Store, starter
from data.ids import content_hash
from data.records import Instruction
from data.selection.centres import k_centre
from data.selection.near_duplicates import find_near_duplicates
from data.splits import split_of
from labeling.rating.simulate import Rater, simulate_ratings
from reward.base.machine import peak_mb
from rlhf.tour.narrator import Narrator
from rlhf.tour.stages import FULL, Tour, TourEnvironment
from tests.support import ROOT

FOLDER = "REWARD_BENCH_DATA"
POLITE = "instruction-data-with-preference.json"
ROWS, DIMENSIONS = 52_000, 384
"""As many as Alpaca's rows, with vectors as long as a small sentence model's."""
RATED, LOOKED_AT = 200, 3_000
CACHE = Path.home() / ".cache" / "preference-loop"
READS = (
    "rlhf/clinic/reading.py",
    "rlhf/clinic/embed.py",
    "data/selection/features.py",
    "data/selection/near_duplicates.py",
    "data/sqlite/migrations.py",
)
"""Code on which it depends what a look at the rows finds, and the store's shape."""
PLAIN = 2.5
"""Points of an answer that is neither polite nor impolite."""
SHOWN = ("win_rate", "win_rate_ci", "win_rate_noisy", "gold_start", "gold_end", "fit_start", "fit_end")


def clinic_quality(home: Path, *, seed: int = 0) -> dict:
    """AUC per kind of defect from 200 simulated ratings of the starter's rows; polite against impolite answers held out."""
    return {"seed": seed, "starter": starter_quality(seed), "polite": polite_quality(seed)}


def starter_quality(seed: int, rows: int = LOOKED_AT) -> dict:
    """The filter at 3 points against the planted defects of rows that nobody rated."""
    from rlhf.clinic.findings import score_against_defects, score_against_ratings

    kept = list(starter.read_rows(starter.INSTRUCTIONS))[:rows]
    gold = [starter.gold(row["facts"], row["output"]) for row in kept]
    rng = random.Random(seed)
    rated = rng.sample(range(len(kept)), RATED)
    rater = Rater.of(gold)
    scores = [rater.rate(gold[place], rng) for place in rated]
    points, held_out = _points(_records(kept), rated, scores, seed)
    unseen = np.setdiff1d(np.arange(len(kept)), rated)
    defects = [kept[place]["defects"] for place in unseen]
    return {
        "held_out": score_against_ratings(held_out, np.array(scores, dtype=float), 3.0),
        **(score_against_defects(points[unseen], defects, 3.0) or {}),
    }


def polite_quality(seed: int) -> dict:
    """Learned from rewritten and plain answers of training instructions; judged on instructions of the other splits.

    Each item has a plain answer, `output`, and a rewrite of it that is either more polite (then it is `chosen`, and the plain one `rejected`) or
    less (the other way round). A rater who sees one answer gives 5 to the first kind of rewrite, 0 to the second, and something between
    to a plain one. `polite`: AUC of polite against impolite rewrites. `preferred`: of all chosen answers against all rejected ones; where a
    share p of the rewrites is polite, plain answers stand on both sides, nothing tells them apart, and no score of single rows can have
    an AUC above 1 - p (1 - p) / 2, which is `preferred_at_most`. `within_instruction`: of two answers to one instruction the chosen one has
    more points. Items whose rewrite is no other text are left out.
    """
    from sklearn.metrics import roc_auc_score

    folder = Path(os.environ.get(FOLDER, "")).expanduser()
    found = list(folder.rglob(POLITE)) if os.environ.get(FOLDER) else []
    if not found:
        return {"missing": f"{POLITE}: set {FOLDER} to a folder that holds it"}
    items = [item for item in json.loads(found[0].read_text(encoding="utf-8")) if item["chosen"] != item["rejected"]]
    kept = [
        {**item, "output": item[side], "score": manners(item, side)}
        for item in items
        for side in ("chosen", "rejected")
    ]
    trained = [place for place, row in enumerate(kept) if split_of(row["instruction"]) == "train"]
    points, _ = _points(_records(kept), trained, [kept[place]["score"] for place in trained], seed)
    unseen = np.setdiff1d(np.arange(len(kept)), trained)
    chosen, scores = unseen % 2 == 0, np.array([row["score"] for row in kept])[unseen]
    points, rewritten = points[unseen], scores != PLAIN
    better, worse = points[chosen], points[~chosen]
    share = float((scores[rewritten] == 5).mean())
    return {
        "trained_on": len(trained),
        "judged": len(unseen),
        "polite": round(float(roc_auc_score(scores[rewritten] == 5, points[rewritten])), 4),
        "preferred": round(float(roc_auc_score(chosen, points)), 4),
        "preferred_at_most": round(1 - share * (1 - share) / 2, 4),
        "within_instruction": round(float(((better > worse) + 0.5 * (better == worse)).mean()), 4),
    }


def manners(item: dict, side: str) -> float:
    """What a rater of manners gives the `chosen` or the `rejected` answer of an item: a rewrite 5 or 0, the plain one 2.5."""
    return PLAIN if item[side] == item["output"] else 5.0 if side == "chosen" else 0.0


def _records(rows: Sequence[dict]) -> list[Instruction]:
    prompts = {
        text: number
        for number, text in enumerate(dict.fromkeys(f"{row['instruction']} {row['input']}" for row in rows))
    }
    return [
        Instruction(
            number,
            prompts[f"{row['instruction']} {row['input']}"],
            row["instruction"],
            row["input"],
            row["output"],
            "bench",
            [],
            "train",
        )
        for number, row in enumerate(rows)
    ]


def _points(
    rows: Sequence[Instruction], rated: Sequence[int], scores: Sequence[float], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points of all rows, and held-out ones of the rated, from the starter's base as it stands."""
    from reward.base.frozen_base import Base
    from rlhf.clinic.curate import quality_features
    from rlhf.clinic.embed import examine
    from rlhf.clinic.quality import RatedRows, fit_quality_model
    from rlhf.clinic.reading import encode_row, read_rows

    base = Base.load("starter")
    reading = read_rows(
        base, [encode_row(base, row.instruction, row.input, row.output) for row in rows], 64, lambda done: None
    )
    seen = quality_features(examine(rows, reading, clusters=1, similarity=1.0, seed=seed), rows)
    prompts = np.array([rows[place].prompt_id for place in rated])
    quality, held_out = fit_quality_model(RatedRows(seen.at(rated), np.array(scores, dtype=float), prompts), seed)
    return quality.predict(seen), held_out


def near_duplicates_speed(home: Path) -> dict:
    """52,000 generated rows of 20 to 80 words, 10,000 of them others with one word more: seconds, memory, and how many were found."""
    rng = np.random.default_rng(0)
    originals = [
        " ".join(f"w{word}" for word in rng.integers(0, 5000, rng.integers(20, 80))) for _ in range(ROWS - 10_000)
    ]
    texts = originals + [text.replace(" ", " more ", 1) for text in originals[:10_000]]
    began, spent = time.monotonic(), time.process_time()
    groups = find_near_duplicates(texts)
    return _clocks(began, spent) | {
        "rows": len(texts),
        "planted": 10_000,
        "found": int((groups[-10_000:] == np.arange(10_000)).sum()),
    }


def k_centre_speed(home: Path, *, k: int = 1_000) -> dict:
    """52,000 vectors of 384 numbers around 200 middles: the first 1,000 centres."""
    rng = np.random.default_rng(0)
    middles = rng.normal(size=(200, DIMENSIONS)).astype(np.float32)
    vectors = middles[rng.integers(0, 200, ROWS)] + 0.7 * rng.normal(size=(ROWS, DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    began, spent = time.monotonic(), time.process_time()
    found = k_centre(vectors, k)
    return _clocks(began, spent) | {
        "rows": ROWS,
        "centres": len(set(found.chosen.tolist())),
        "radius": round(float(found.reached[-1]), 4),
    }


def _clocks(began: float, spent: float) -> dict:
    return {
        "seconds": round(time.monotonic() - began, 1),
        "processor_seconds": round(time.process_time() - spent, 2),
        "peak_mb": round(peak_mb()),
    }


def sft_curated(
    home: Path, *, seed: int = 0, steps: int = 150, world: TourEnvironment | None = None, kept: Path | None = None
) -> dict:
    """Policies trained on 500 curated rows, on 500 random ones and on all, for the same steps: how often the first beats the others."""
    world = world or TourEnvironment()
    shutil.copytree(looked_at(world, kept or CACHE), home, dirs_exist_ok=True)
    store = Store(home)
    simulate_ratings(store, ratings=RATED, raters=2, seed=seed)
    stages = Tour(store, FULL, seed, world, Narrator(sys.stderr, ()))
    recipes = {
        "curated": {"ratings": "simulated", "min_quality": 3.5},
        "random": {"pick": "random", "min_quality": 0.0},
    }
    made = {name: stages.run(name, "curate", name=name, **recipe).produced[0] for name, recipe in recipes.items()}
    found = {"steps": steps}
    for name, other in (("random", made["random"]), ("all", "")):
        report = stages.run(f"against {name}", "ab", a=made["curated"], b=other, steps=steps).report
        found[name] = {key: report.get(key) for key in SHOWN}
    filters = store.snapshots.get(made["curated"]).filters
    quality = {key: filters["quality"][key] for key in ("defects", "held_out", "weights")}
    return found | quality | {"coverage": filters["coverage"], "stages": stages.stages}


def looked_at(world: TourEnvironment, cache: Path) -> Path:
    """A home whose rows have been looked at: that takes about as long as a training and no seed changes it, so it is made once and kept.

    Its name holds a hash of what it is made from: the starter's files and the code that reads rows.
    """
    parts = [
        *sorted(starter.FOLDER.rglob("*.safetensors")),
        starter.INSTRUCTIONS,
        starter.PROMPTS,
        *(ROOT / name for name in READS),
    ]
    place = cache / f"looked-at-{content_hash([hashlib.sha256(part.read_bytes()).hexdigest() for part in parts])[:16]}"
    if not place.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix="draft-", dir=cache))
        store = Store(draft)
        world.register(store)
        Tour(store, FULL, 0, world, Narrator(sys.stderr, ())).run("embed", "embed")
        store.close()
        draft.rename(place)
    return place
