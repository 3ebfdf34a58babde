"""`python -m tests.bench [NAME]`: every short figure, or one, as one JSON line each; none takes a target for its result."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.bench.figures import FIGURES

LARGE = ("big_home", "export_large")


def main() -> int:
    """Exit status 0 once every figure asked for has been measured."""
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("only", nargs="?", choices=sorted(FIGURES), help="one figure instead of all")
    parser.add_argument("--home", type=Path, help="a home made by tests.bench.large_home: big_home and export_large take it and fill none")
    args = parser.parse_args()
    only, given = args.only, {"filled": args.home} if args.home else {}
    for name in [only] if only else FIGURES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
            print(json.dumps({"figure": name} | FIGURES[name](Path(folder), **(given if name in LARGE else {}))), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
