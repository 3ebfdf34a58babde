# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.bench [NAME]`: the short figures, or one, as one JSON line each; none takes a target for its result.

Without a name all that end within half an hour on two cores, the largest at a smaller size; with a name that figure at its full size.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

from reward.base.machine import cpu_features
from tests.bench.figures import ALONE, FIGURES, SMALLER

LARGE = ("big_home", "labels_figures", "export_large")


def chosen(only: str | None, filled: Path | None = None) -> dict[str, Callable[[Path], dict]]:
    """The figures to measure, in their order; those of a large home take `filled`, where it is given, at its size."""
    named = (
        {only: FIGURES[only]}
        if only
        else {name: SMALLER.get(name, full) for name, full in FIGURES.items() if name not in ALONE}
    )
    return named | {name: partial(FIGURES[name], filled=filled) for name in LARGE if filled and name in named}


def main() -> int:
    """Return 0 if every figure was measured, 1 if one failed: its line holds the error, and the others follow."""
    parser = argparse.ArgumentParser(
        prog="tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("only", nargs="?", choices=sorted(FIGURES), help="one figure, at its full size")
    parser.add_argument(
        "--home",
        type=Path,
        help="a home made by tests.bench.serve.large_home: big_home, labels_figures and export_large take it and fill none",
    )
    args = parser.parse_args()
    failed = 0
    for name, measure in chosen(args.only, args.home).items():
        print(f"{name} ...", file=sys.stderr, flush=True)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
            found = attempt(measure, Path(folder))
        failed += "error" in found
        line = {"figure": name, **found, "took": round(time.monotonic() - began), "cpu": cpu_features()}
        print(json.dumps(line), flush=True)
    return int(failed > 0)


def attempt(measure: Callable[[Path], dict], folder: Path) -> dict:
    """Return the figure, or {error} with the last line of what went wrong; the traceback goes to standard error."""
    try:
        return measure(folder)
    except Exception as problem:
        traceback.print_exc()
        return {"error": f"{type(problem).__name__}: {problem}".splitlines()[0]}


if __name__ == "__main__":
    raise SystemExit(main())
