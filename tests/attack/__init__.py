# SPDX-License-Identifier: Apache-2.0
"""Attacks on a running server, a store, the readers and the command line: bounded, on loopback, in temporary folders.

`make attack` runs every script at its full size; `test_scripts.py` runs a tiny version of each.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

MOST_MB = 600
"""Peak memory that no attack may exceed."""


class Report(NamedTuple):
    """The summary line of a script, and the faults that it found."""

    line: str
    faults: list[str]


def peak_mb(pid: int) -> int:
    """Return the peak resident memory of a living process, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def percentile(values: list[float], share: float) -> float:
    """Return the value below which that share of the values lies; nan without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
