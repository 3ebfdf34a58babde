# SPDX-License-Identifier: Apache-2.0
"""The coverage of intervals that `make study NAME=coverage` measured."""

from __future__ import annotations

import json

from tests.support import ROOT

RESULTS = ROOT / "docs" / "results" / "coverage.jsonl"


def stated_coverage(figure: str, units: int) -> float:
    """Return the mean coverage of a figure's interval at a size of sample, over all seeds; nan without an interval."""
    rows = [json.loads(line)[figure][str(units)] for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    printed = sum(count for _, count in rows)
    return sum(share * count for share, count in rows if count) / printed if printed else float("nan")
