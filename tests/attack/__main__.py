# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.attack [NAME...]`: run the scripts, one after the other, each in a process of its own.

Prints one line per script. The exit status is 1 if a script found a fault or failed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from tests.attack import Report
from tests.support import ROOT

SCRIPTS = ("kills", "workers", "connections", "bodies", "stores", "files", "routes", "worst_texts", "readers")
SECONDS = 1800
"""Seconds after which a script has failed."""


def run_script(name: str) -> int:
    """Run one script at its full size in this process; print its line, and its faults to standard error."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"attack-{name}-") as folder:
        report: Report = import_module(f"tests.attack.{name}").main(Path(folder) / "home")
    outcome = f"{len(report.faults)} FAULTS" if report.faults else "ok"
    print(f"{name:<12} {outcome:<10} {report.line} ({time.monotonic() - began:.0f} s)", flush=True)
    for fault in report.faults[:20]:
        print(f"  {name}: {fault}", file=sys.stderr)
    return int(bool(report.faults))


def main() -> int:
    """Return 1 if any script found a fault."""
    parser = argparse.ArgumentParser(prog="tests.attack", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="scripts to run; none: all")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if unknown := set(args.names) - set(SCRIPTS):
        parser.error(f"there is no script {min(unknown)!r}; use {', '.join(SCRIPTS)}")
    if args.here:
        return run_script(args.names[0])
    failed = 0
    for name in args.names or SCRIPTS:
        try:
            status = subprocess.run(
                [sys.executable, "-m", "tests.attack", "--here", name], cwd=ROOT, timeout=SECONDS, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            print(f"{name:<12} FAILED     no result within {SECONDS} s", flush=True)
            status = 1
        failed += status != 0
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
