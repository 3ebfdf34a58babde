# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.gpu [--only NAME] [--out FILE]`: figures of a machine with a GPU, one JSON line per measurement.

On a GPU the lines are appended to docs/results/gpu.jsonl. Without one the same program runs on a tiny shape, and its
lines go to a temporary file. Every measurement has a process and a time limit of its own; a failure is a line with its
error.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from tests.gpu.measure import MEASUREMENTS, build, machine, measure
from tests.gpu.processes import run_apart
from tests.gpu.scales import TINY, Case, Scale
from tests.support import ROOT

RESULTS = ROOT / "docs" / "results" / "gpu.jsonl"
LIMIT, BUILD_LIMIT, BUDGET = 100.0, 200.0, 570.0
"""Seconds of one measurement, of the making of a model, and of all together."""
LOG_SHOWN = 4000
LARGE = Scale(batch=4, steps=2, sampled=32, rollout=16)


def cases(gpu: bool, only: str | None) -> Iterator[Case]:
    """Yield the measurements, the most telling first: later ones may find no time left."""
    scales = {"qwen3-0.6b": Scale(), "qwen3-8b": LARGE} if gpu else {"tiny": TINY}
    for precision in ("bf16", "4bit") if gpu else ("float32",):
        for shape, scale in scales.items():
            for measurement, side in MEASUREMENTS:
                if only in (None, measurement):
                    yield Case(shape, precision, measurement, side, scale)


class Program:
    """The measurements of one call, with the models that they share in a temporary folder."""

    def __init__(self, folder: Path, out: Path, device: str, budget: float) -> None:
        self.folder, self.out, self.device, self.ends = folder, out, device, time.monotonic() + budget
        self.log, self.start = folder / "log.txt", "forkserver"
        self.about = self._apart(machine, device)
        if "error" in self.about:  # a library has touched the GPU before the fork
            self.start = "spawn"
            self.about = self._apart(machine, device)
        self._models: dict[str, dict[str, Any]] = {}

    def measure(self, case: Case) -> dict[str, Any]:
        """Measure a case and write its line."""
        if case.precision == "4bit" and find_spec("bitsandbytes") is None:
            return self._write(case, {"error": "bitsandbytes is not installed"})
        built = self._build(case)
        if "error" in built:
            return self._write(case, built)
        with tempfile.TemporaryDirectory(dir=self.folder) as written:
            return self._write(case, self._apart(measure, case, built["folder"], Path(written), self.device))

    def _build(self, case: Case) -> dict[str, Any]:
        """Return the folder of the shape's model, made on the first call."""
        if case.shape not in self._models:
            folder = self.folder / case.shape
            dtype = torch.float32 if case.precision == "float32" else torch.bfloat16
            problem = self._apart(build, case.shape, folder, dtype, self.device, limit=BUILD_LIMIT)
            self._models[case.shape] = problem or {"folder": folder}
        return self._models[case.shape]

    def _apart(self, work: Any, *args: object, limit: float = LIMIT) -> dict[str, Any]:
        left = self.ends - time.monotonic()
        if left <= 0:
            return {"error": "no time left"}
        return run_apart(work, *args, start=self.start, limit=min(limit, left), log=self.log)

    def _write(self, case: Case, figures: dict[str, Any]) -> dict[str, Any]:
        about = {"date": datetime.now(UTC).isoformat(timespec="seconds"), **self.about}
        line = asdict(case) | figures | about
        with self.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return line


def main(argv: list[str] | None = None) -> int:
    """Return 1 if a measurement failed for another reason than a missing bitsandbytes."""
    parser = argparse.ArgumentParser(
        prog="tests.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=sorted({name for name, _ in MEASUREMENTS}), help="one measurement")
    parser.add_argument("--out", type=Path, help="the file that gets the lines")
    args = parser.parse_args(argv)
    os.environ |= {"HF_HUB_OFFLINE": "1", "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}  # the check leaves the GPU untouched
    gpu = torch.cuda.is_available()
    if not gpu:
        print("no GPU: a tiny shape on the CPU, nothing is recorded", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="gpu-") as folder:
        out = args.out or (RESULTS if gpu else Path(tempfile.mkstemp(prefix="gpu-", suffix=".jsonl")[1]))
        program, failed = Program(Path(folder), out, "cuda" if gpu else "cpu", BUDGET), 0
        for case in cases(gpu, args.only):
            line = program.measure(case)
            failed += "error" in line and "bitsandbytes" not in line["error"]
            print(json.dumps(line), flush=True)
        if failed:
            print(
                program.log.read_text("utf-8", "replace")[-LOG_SHOWN:] if program.log.exists() else "", file=sys.stderr
            )
    print(f"written to {out}", file=sys.stderr)
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
