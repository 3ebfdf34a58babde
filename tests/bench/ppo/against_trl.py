# SPDX-License-Identifier: Apache-2.0
"""PPO against TRL 1.12's PPOTrainer: episodes per second, memory and operations, each side in a process of its own, update by update in turn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from tests.bench.figures import ROOT
from tests.bench.ppo.world import EPISODES, Case, save_base

TRL = Path(os.environ.get("TRL_1_12") or Path.home() / ".cache" / "preference-loop" / "trl-1.12")
CASES = [
    Case(who, bf16, layers, setting)
    for bf16 in (False, True)
    for who, layers, setting in (
        ("theirs", "all", "default"),
        ("theirs", "all", "tuned"),
        ("ours", "all", "tuned"),
        ("ours", "top", "tuned"),
    )
] + [Case("ours", critic="reward")]  # the app's own choice, which trains a critic of full size as theirs does
ROUNDS = 2
IMPORTS = "import torch, transformers, peft, trl; from tests.bench.ppo.world import resident_mb; print(resident_mb())"


def trl_folder() -> Path:
    """TRL 1.12 in a folder of its own, on the libraries that are here; made on the first call."""
    if not (TRL / "trl").is_dir():
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(TRL), "trl==1.12.0"]
        subprocess.run(install, check=True, stdout=sys.stderr)
    return TRL


class Side:
    """A process that trains one case and makes an update when told to."""

    def __init__(self, base: Path, case: Case) -> None:
        self.case, self.updates = case, []
        paths = [str(trl_folder())] if case.who == "theirs" else []
        quiet = {
            "PYTHONWARNINGS": "ignore",
            "TRL_EXPERIMENTAL_SILENCE": "1",
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": os.pathsep.join(paths),
        }
        command = [sys.executable, "-m", f"tests.bench.ppo.{case.who}", str(base), json.dumps(asdict(case))]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | quiet,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert json.loads(self.process.stdout.readline())["ready"]

    def update(self, order: str = "go") -> dict:
        """One update: seconds, answer tokens, peak memory; floating-point operations where `order` is count."""
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def imports_mb() -> float:
    """What a process holds after `import torch, transformers, peft, trl`."""
    done = subprocess.run([sys.executable, "-c", IMPORTS], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def measure(folder: Path, cases: list[Case], rounds: int = ROUNDS) -> list[dict]:
    """A row per case: rate of its fastest update, peak memory above the imports, operations per answer token.

    Theirs at its defaults, which does the same work as the tuned one more slowly, makes one update only and is not counted.
    """
    base, sides = save_base(folder / "base"), []
    try:
        sides = [Side(base, case) for case in cases]
        for number in range(rounds):
            for side in sides:
                if number == 0 or side.case.setting != "default":
                    side.updates.append(side.update())
        imports = imports_mb()
        return [_row(side, imports, side.update("count") if _counted(side.case) else None) for side in sides]
    finally:
        for side in sides:
            side.close()


def _counted(case: Case) -> bool:
    return not case.bf16 and case.setting != "default"


def _row(side: Side, imports: float, counted: dict | None) -> dict:
    seconds, processor = ([update[clock] for update in side.updates] for clock in ("seconds", "cpu_seconds"))
    row = {
        **asdict(side.case),
        "episodes_per_second": round(EPISODES / min(seconds), 2),
        "seconds": [round(each, 1) for each in seconds],
        "episodes_per_processor_second": round(EPISODES / min(processor), 2),
        "peak_mb_above_imports": round(side.updates[-1]["peak_mb"] - imports),
        "tokens_per_answer": round(statistics.mean(update["tokens"] for update in side.updates) / EPISODES, 1),
    }
    if counted:
        row["mflop_per_answer_token"] = round(counted["flops"] / counted["tokens"] / 1e6, 1)
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def ppo_against_trl(folder: Path) -> dict:
    """All rows, and ours over theirs tuned in the same precision."""
    rows = measure(folder, CASES)
    return {"cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0], "rows": rows, "ratios": ratios(rows)}


def ratios(rows: list[dict]) -> list[dict]:
    """Each row of ours over theirs, tuned, in the same precision: below 1 is less, above 1 more."""
    figures = (
        "episodes_per_second",
        "episodes_per_processor_second",
        "peak_mb_above_imports",
        "mflop_per_answer_token",
    )
    theirs = {row["bf16"]: row for row in rows if row["who"] == "theirs" and row["setting"] == "tuned"}
    same = ("layers", "critic", "bf16")
    return [
        {name: row[name] for name in same}
        | {name: round(row[name] / theirs[row["bf16"]][name], 2) for name in figures if name in row}
        for row in rows
        if row["who"] == "ours"
    ]
