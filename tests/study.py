# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.study NAME`: one figure over many seeds, one JSON line per seed, resumable.

Lines are appended to docs/results/NAME.jsonl (or to a folder of your choice, $STUDY_DIR); a seed that stands there already is
skipped, so a study may be broken off at any time. Seeds for reporting begin at 101: tuning used smaller ones.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.clinic import sft_curated
from tests.bench.coverage import coverage
from tests.bench.figures import ROOT, few_labels, labels_400, reward_speed, tour
from tests.bench.online import cases, labels
from tests.bench.rewards import reward_skill


@dataclass(frozen=True, slots=True)
class Study:
    """A figure that is measured for each seed, in an empty folder. With `cases`, each case is a line of its own."""

    measure: Callable[..., dict]
    seeds: tuple[int, ...]
    cases: tuple[str, ...] = ()


def ppo_curve(home: Path, *, seed: int) -> dict:
    """See tests.bench.ppo.curve, which loads torch: only where it is asked for."""
    from tests.bench.ppo.curve import ours

    return ours(home, seed=seed)


STUDIES = {
    "tour": Study(tour, tuple(range(101, 111))),
    "few_labels": Study(few_labels, (101, 102, 103, 104, 105)),
    "labels_400": Study(labels_400, (101, 102, 103, 104, 105)),
    "labels": Study(labels, (101, 102, 103, 104, 105), tuple(cases())),
    "reward": Study(reward_skill, (101, 102, 103)),
    "ppo": Study(ppo_curve, tuple(range(101, 121))),
    "sft_curated": Study(sft_curated, (101, 102, 103, 104, 105)),
    "coverage": Study(coverage, (101, 102, 103, 104)),
    "reward_speed": Study(reward_speed, (101, 102, 103, 104, 105)),
}


def results(name: str) -> Path:
    """The file that a study's lines stand in."""
    return Path(os.environ.get("STUDY_DIR") or ROOT / "docs" / "results") / f"{name}.jsonl"


def known(path: Path) -> list[dict]:
    """The lines that are there; one that was broken off while being written is not counted."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def carry_on(study: Study, path: Path) -> None:
    """Measure the lines that are missing, case by case; each is on the disk before the next one begins."""
    rows = known(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    wanted = [{"seed": seed} | case for case in _cases(study) for seed in study.seeds]
    for line in wanted:
        if any(line.items() <= row.items() for row in rows):
            continue
        with tempfile.TemporaryDirectory(prefix=f"study-{line['seed']}-") as folder:
            row = line | study.measure(Path(folder), **line)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


def _cases(study: Study) -> list[dict]:
    return [{"case": case} for case in study.cases] or [{}]


def main() -> int:
    """Exit status 0 once every line of the study is there."""
    parser = argparse.ArgumentParser(
        prog="tests.study", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=sorted(STUDIES))
    name = parser.parse_args().name
    path = results(name)
    carry_on(STUDIES[name], path)
    print(f"{len(known(path))} lines in {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
