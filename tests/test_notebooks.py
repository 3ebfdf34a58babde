# SPDX-License-Identifier: Apache-2.0
"""The notebooks of docs/notebooks run as they stand, with smaller numbers, and hold no outputs of somebody's machine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from data.store import Store
from tests.support import ROOT
from tests.support.tiny_model import make_tiny_model

NOTEBOOKS = ROOT / "docs" / "notebooks"
PPO, STORE = NOTEBOOKS / "ppo_custom_reward.ipynb", NOTEBOOKS / "store_to_reward_model.ipynb"


def cells(notebook: Path, kind: str = "code") -> list[dict[str, Any]]:
    return [cell for cell in json.loads(notebook.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


def source(notebook: Path, smaller: dict[str, str]) -> str:
    """Return the code of all cells with smaller numbers. Each cell stands there once."""
    code = "\n".join("".join(cell["source"]) for cell in cells(notebook))
    for written, used in smaller.items():
        assert code.count(written) == 1, written
        code = code.replace(written, used)
    return code


@pytest.mark.parametrize("notebook", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_a_notebook_holds_no_output_and_is_linked(notebook):
    assert [cell for cell in cells(notebook) if cell["outputs"] or cell["execution_count"]] == []
    assert notebook.name in (ROOT / "docs" / "how-to" / "notebooks.md").read_text("utf-8")


def test_ppo_on_a_function_takes_about_twenty_lines_and_runs(tmp_path, monkeypatch, capsys):
    tiny = str(make_tiny_model("llama", tmp_path / "tiny"))
    smaller = {'"starter"': repr(tiny), "max_steps=12": "max_steps=2, use_cpu=True", "tokens=40": "tokens=8"}
    code = source(PPO, smaller)
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    monkeypatch.chdir(tmp_path)
    exec(compile(code, PPO.name, "exec"), {})  # noqa: S102 (the notebook is ours)
    assert re.search(r"^best policy: update \d+, reward -?\d+\.\d\d, KL ", capsys.readouterr().out, re.MULTILINE)
    assert (tmp_path / "near-eight" / "adapter_model.safetensors").is_file()


def test_a_home_s_rows_train_a_reward_model_that_scores(tmp_path, monkeypatch, capsys):
    smaller = {
        '"100", "--wait"': '"30", "--wait"',
        '"100", "--labelers"': '"30", "--labelers"',
        "max_steps=40": "max_steps=2",
    }
    monkeypatch.chdir(tmp_path)
    exec(compile(source(STORE, smaller), STORE.name, "exec"), {})  # noqa: S102 (the notebook is ours)
    assert re.search(
        r"^r1: a -?\d+\.\d\d, b -?\d+\.\d\d, the labeler preferred [ab]$", capsys.readouterr().out, re.MULTILINE
    )
    store = Store(tmp_path / "notebook-home")
    assert store.reward_models.get("r1").report["trained_on"] <= store.comparisons.count("simulated") <= 30
    store.close()
