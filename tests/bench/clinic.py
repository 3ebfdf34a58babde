"""The data clinic's figures: quality against planted truth and public data, near-duplicates, k-centre, and curated rows against others."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data import Store, starter
from data.records import Instruction
from data.selection.centres import k_centre
from data.selection.near import near_duplicates
from data.splits import split_of
from labeling.rating.simulate import Rater

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "REWARD_BENCH_DATA"
POLITE = "instruction-data-with-preference.json"
ROWS, DIMENSIONS = 52_000, 384
"""As many as Alpaca's rows, with vectors as long as a small sentence model's."""
RATED, LOOKED_AT = 200, 3_000


def clinic_quality(home: Path, *, seed: int = 0) -> dict:
    """AUC per kind of defect from 200 simulated ratings of the starter's rows; polite against impolite answers held out."""
    return {"seed": seed, "starter": starter_quality(seed), "polite": polite_quality(seed)}


def starter_quality(seed: int, rows: int = LOOKED_AT) -> dict:
    """The filter at 3 points against the planted defects of rows that nobody rated."""
    from rlhf.clinic.findings import against_defects, against_ratings

    kept = list(starter.read_rows(starter.INSTRUCTIONS))[:rows]
    gold = [starter.gold(row["facts"], row["output"]) for row in kept]
    rng = random.Random(seed)
    rated = rng.sample(range(len(kept)), RATED)
    rater = Rater.of(gold)
    scores = [rater.rate(gold[place], rng) for place in rated]
    points, held_out = _points(_records(kept), rated, scores, seed)
    unseen = np.setdiff1d(np.arange(len(kept)), rated)
    defects = [kept[place]["defects"] for place in unseen]
    return {"held_out": against_ratings(held_out, np.array(scores, dtype=float), 3.0), **(against_defects(points[unseen], defects, 3.0) or {})}


def polite_quality(seed: int) -> dict:
    """Trained on 5 for the polite and 0 for the impolite answer of training instructions; judged on instructions of the other splits.

    In half of the pairs the polite answer is the plain one, in the other half the impolite one is: plain answers stand on both sides,
    so no score of single rows can have an AUC above 0.875. Within one instruction it can.
    """
    from sklearn.metrics import roc_auc_score

    folder = Path(os.environ.get(FOLDER, "")).expanduser()
    found = list(folder.rglob(POLITE)) if os.environ.get(FOLDER) else []
    if not found:
        return {"missing": f"{POLITE}: set {FOLDER} to a folder that holds it"}
    items = json.loads(found[0].read_text(encoding="utf-8"))
    kept = [{**item, "output": item[side]} for item in items for side in ("chosen", "rejected")]
    trained = [place for place, row in enumerate(kept) if split_of(row["instruction"]) == "train"]
    points, _ = _points(_records(kept), trained, [5 * (place % 2 == 0) for place in trained], seed)
    unseen = np.setdiff1d(np.arange(len(kept)), trained)
    polite, impolite = points[unseen[unseen % 2 == 0]], points[unseen[unseen % 2 == 1]]
    order = (polite > impolite) + 0.5 * (polite == impolite)
    auc = roc_auc_score(unseen % 2 == 0, points[unseen])
    return {"trained_on": len(trained), "judged": len(unseen), "auc": round(float(auc), 4), "auc_within_instruction": round(float(order.mean()), 4)}


def _records(rows: Sequence[dict]) -> list[Instruction]:
    prompts = {text: number for number, text in enumerate(dict.fromkeys(f"{row['instruction']} {row['input']}" for row in rows))}
    return [
        Instruction(number, prompts[f"{row['instruction']} {row['input']}"], row["instruction"], row["input"], row["output"], "bench", [], "train")
        for number, row in enumerate(rows)
    ]


def _points(rows: Sequence[Instruction], rated: Sequence[int], scores: Sequence[int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of all rows, and held-out ones of the rated, from the starter's base as it stands."""
    from reward.base import Base
    from rlhf.clinic.curate import looks
    from rlhf.clinic.embed import examine
    from rlhf.clinic.quality import Rated, learn
    from rlhf.clinic.reading import encode, read

    base = Base.load("starter")
    reading = read(base, [encode(base, row.instruction, row.input, row.output) for row in rows], 64, lambda done: None)
    seen = looks(examine(rows, reading, clusters=1, similarity=1.0, seed=seed), rows)
    prompts = np.array([rows[place].prompt_id for place in rated])
    quality, held_out = learn(Rated(seen.at(rated), np.array(scores, dtype=float), prompts), seed)
    return quality.predict(seen), held_out


def near_duplicates_speed(home: Path) -> dict:
    """52,000 generated rows of 20 to 80 words, 10,000 of them others with one word more: seconds, memory, and how many were found."""
    rng = np.random.default_rng(0)
    originals = [" ".join(f"w{word}" for word in rng.integers(0, 5000, rng.integers(20, 80))) for _ in range(ROWS - 10_000)]
    texts = originals + [text.replace(" ", " more ", 1) for text in originals[:10_000]]
    began, spent = time.monotonic(), time.process_time()
    groups = near_duplicates(texts)
    return _clocks(began, spent) | {"rows": len(texts), "planted": 10_000, "found": int((groups[-10_000:] == np.arange(10_000)).sum())}


def k_centre_speed(home: Path, *, k: int = 1_000) -> dict:
    """52,000 vectors of 384 numbers around 200 middles: the first 1,000 centres."""
    rng = np.random.default_rng(0)
    middles = rng.normal(size=(200, DIMENSIONS)).astype(np.float32)
    vectors = middles[rng.integers(0, 200, ROWS)] + 0.7 * rng.normal(size=(ROWS, DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    began, spent = time.monotonic(), time.process_time()
    found = k_centre(vectors, k)
    return _clocks(began, spent) | {"rows": ROWS, "centres": len(set(found.chosen.tolist())), "radius": round(float(found.reached[-1]), 4)}


def _clocks(began: float, spent: float) -> dict:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": round(time.monotonic() - began, 1), "processor_seconds": round(time.process_time() - spent, 2), "peak_mb": round(peak)}


def sft_curated(home: Path, *, seed: int = 0, steps: int = 150) -> dict:
    """Policies trained on 500 curated rows, on 500 random ones and on all, for the same steps: how often the first beats the others."""
    starter.register(Store(home))
    _app(home, "simulate", "--ratings", str(RATED), "--seed", str(seed))
    looked = _app(home, "embed", "--wait", "--set", f"seed={seed}")
    common = ("--wait", "--set", f"seed={seed}")
    curated = _app(home, "recipe", *common, "--set", "ratings=simulated", "--min-quality", "3.5", "--name", "curated")["produced"][0]
    drawn = _app(home, "recipe", *common, "--set", "pick=random", "--min-quality", "0", "--name", "random")["produced"][0]
    found = {"steps": steps, "embed": looked["run"]}
    for name, other in (("random", (drawn,)), ("all", ())):
        run = _app(home, "ab", curated, *other, *common, "--set", f"steps={steps}")["run"]
        report = Store(home).runs.get(int(run.removeprefix("run"))).report
        found[name] = {key: report[key] for key in ("win_rate", "win_rate_ci", "win_rate_noisy", "gold_start", "gold_end", "fit_start", "fit_end")}
    filters = Store(home).snapshots.get(curated).filters
    return found | {"defects": filters["quality"]["defects"], "held_out": filters["quality"]["held_out"], "coverage": filters["coverage"]}


def _app(home: Path, *words: str) -> dict:
    done = subprocess.run([sys.executable, "app.py", "curate", *words, "--home", str(home), "--json"], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)
