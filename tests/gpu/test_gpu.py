# SPDX-License-Identifier: Apache-2.0
"""`make gpu` on a CPU: the same program on a tiny shape, and what it does with measurements that fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.gpu import __main__ as program
from tests.gpu.measure import MEASUREMENTS, SAMPLINGS
from tests.gpu.processes import run_apart
from tests.gpu.scales import SHAPES, TINY, Case, build_tokenizer
from tests.support import ROOT


def test_every_measurement_runs_on_a_cpu_and_records_nothing_in_the_project(tmp_path):
    out, recorded = tmp_path / "gpu.jsonl", program.RESULTS.exists() and program.RESULTS.read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "tests.gpu", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(line["measurement"], line["side"]) for line in lines] == list(MEASUREMENTS)
    for line in lines:
        assert line["shape"] == "tiny"
        assert line["tokens_per_second"] == pytest.approx(line["tokens"] / line["seconds"], rel=0.05)
        assert line["peak_mb"] > 0
        assert line["gpu"] is None
        assert line["torch"]
    assert recorded == (program.RESULTS.exists() and program.RESULTS.read_bytes())


def test_both_sides_are_measured_on_as_many_tokens():
    assert {name for name, _ in SAMPLINGS} == {"sampling"}
    sides = {name: {side for other, side in MEASUREMENTS if other == name} for name, _ in MEASUREMENTS}
    assert sides["sft"] == sides["reward"] == sides["dpo"] == {"ours", "trl"}
    assert TINY.rollout % TINY.batch == TINY.batch % TINY.generations == 0


def test_a_gpu_gets_both_shapes_in_both_precisions_and_bf16_first():
    planned = list(program.cases(gpu=True, only=None))
    assert len(planned) == 4 * len(MEASUREMENTS)
    assert [case.precision for case in planned] == ["bf16"] * (len(planned) // 2) + ["4bit"] * (len(planned) // 2)
    assert {case.shape for case in planned} == {"qwen3-0.6b", "qwen3-8b"}
    for case in planned:
        assert case.scale.rollout % case.scale.batch == case.scale.batch % case.scale.generations == 0
        assert case.scale.prompt + case.scale.answer < SHAPES[case.shape]["max_position_embeddings"]


def test_the_tokenizer_has_a_text_for_every_row_of_the_embedding():
    tokenizer = build_tokenizer(1000)
    assert len(tokenizer) == 1000
    assert tokenizer.decode([999]) == " w999"


@pytest.mark.parametrize(
    ("work", "argument", "error"),
    [
        (int, "x", "ValueError: invalid literal for int() with base 10: 'x'"),
        (os._exit, 7, "the process ended with exit status 7"),
        (time.sleep, 60, "not done within 4 seconds"),
    ],
)
def test_a_failure_is_a_line(work, argument, error, tmp_path):
    assert run_apart(work, argument, start="spawn", limit=4 if work is time.sleep else 60, log=tmp_path / "log") == {
        "error": error
    }


def parts(folder: Path, budget: float, monkeypatch) -> program.Program:
    monkeypatch.setattr(program, "run_apart", lambda work, *args, **options: {"gpu": "test"})
    return program.Program(folder, folder / "out.jsonl", "cuda", budget)


def test_a_missing_bitsandbytes_and_a_spent_budget_are_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(program, "find_spec", lambda name: None)
    line = parts(tmp_path, 60, monkeypatch).measure(Case("qwen3-8b", "4bit", "sft", "ours"))
    assert line["error"] == "bitsandbytes is not installed"
    line = parts(tmp_path, 0, monkeypatch).measure(Case("qwen3-8b", "bf16", "sft", "ours"))
    assert line["error"] == "no time left"
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2
