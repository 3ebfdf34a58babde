# SPDX-License-Identifier: Apache-2.0
"""The how-to guides work as printed: their commands run on their files, and print what the guides say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import app
from data.store import Store
from tests.printed_commands import code_lines, find_commands
from tests.support import ROOT
from tests.support.tiny_model import make_tiny_model

GUIDES = ROOT / "docs" / "how-to"


def example(page: Path, language: str) -> str:
    """Return the first fenced block of a language."""
    found = re.search(rf"```{language}\n(.*?)\n```", page.read_text("utf-8"), re.DOTALL)
    assert found, f"{page} has no example in {language}"
    return found[1] + "\n"


def test_the_imports_of_five_tools_run_as_printed(tmp_path, monkeypatch, capsys):
    page = GUIDES / "import.md"
    for name in ("label-studio", "argilla", "prodigy", "llama-factory"):
        (tmp_path / f"{name}.jsonl").write_text(example(ROOT / "docs" / "formats" / f"{name}.md", "jsonl"))
    (tmp_path / "answers.csv").write_text(example(page, "csv"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(app, "HOME", tmp_path / "home")
    lines = [line for _, line in code_lines(page)]
    commands = [command for line in lines for command in find_commands(line)]
    imports = [command for command in commands if " import " in command]
    assert len(imports) == 6
    for command in imports:
        assert (command, app.main(shlex.split(command)[1:])) == (command, 0)
    printed = capsys.readouterr().out
    assert printed.rstrip().splitlines()[-4:] == lines[-4:]
    store = Store(tmp_path / "home")
    # strengths of answers.csv: 3 significantly, 1 slightly better
    margins = store.rows("SELECT verdict FROM comparisons ORDER BY rowid DESC LIMIT 2")
    assert {row["verdict"].removeprefix("left").removeprefix("right") for row in margins} == {"_much", "_slightly"}
    store.close()


def test_ppo_on_a_reward_of_ones_own_takes_twenty_lines_and_runs(tmp_path, monkeypatch, capsys):
    source = example(GUIDES / "custom-reward.md", "python")
    assert len([line for line in source.splitlines() if line.strip()]) <= 20
    tiny = str(make_tiny_model("llama", tmp_path / "tiny"))
    smaller = {
        '"data/starter/base"': repr(tiny),
        "max_steps=24": "max_steps=2, use_cpu=True",
        "max_new_tokens=40": "max_new_tokens=8",
    }
    for printed, used in smaller.items():
        assert source.count(printed) == 1
        source = source.replace(printed, used)
    monkeypatch.chdir(tmp_path)
    exec(compile(source, "custom-reward.md", "exec"), {})  # noqa: S102 (the example is ours)
    assert re.search(
        r"^best policy: update \d+, reward -?\d+\.\d\d, KL -?\d+\.\d\d nats$", capsys.readouterr().out, re.MULTILINE
    )
    assert (tmp_path / "near-eight" / "adapter_model.safetensors").is_file()
