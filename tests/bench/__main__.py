"""`python -m tests.bench [NAME]`: every short figure, or one, as one JSON line each; none takes a target for its result."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.bench.figures import FIGURES


def main() -> int:
    """Exit status 0 once every figure asked for has been measured."""
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("only", nargs="?", choices=sorted(FIGURES), help="one figure instead of all")
    only = parser.parse_args().only
    for name in [only] if only else FIGURES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
            print(json.dumps({"figure": name} | FIGURES[name](Path(folder))), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
