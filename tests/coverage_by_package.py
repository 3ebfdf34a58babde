# SPDX-License-Identifier: Apache-2.0
"""Report branch coverage per package: `python -m tests.coverage_by_package .coverage.json`."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

GOAL = 90.0
GATED = ("data", "labeling", "rlhf.ppo")


def by_package(document: dict) -> dict[str, float]:
    """Return covered lines and branches in percent for each package of a coverage document."""
    covered, total = defaultdict(int), defaultdict(int)
    for name, file in document["files"].items():
        package = ".".join(Path(name).parent.parts[:2])
        summary = file["summary"]
        covered[package] += summary["covered_lines"] + summary["covered_branches"]
        total[package] += summary["num_statements"] + summary["num_branches"]
    return {package: 100 * covered[package] / total[package] for package in sorted(total) if total[package]}


def main(path: str) -> int:
    """Print one line per package; return 1 if a gated package is below the goal."""
    low = 0
    for package, share in by_package(json.loads(Path(path).read_text())).items():
        gated = any(package == name or package.startswith(name + ".") for name in GATED)
        below = gated and share < GOAL
        low += below
        print(f"{package:24}{share:6.1f} %{'  below the goal of 90 %' if below else ''}")
    return int(low > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
