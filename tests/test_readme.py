# SPDX-License-Identifier: Apache-2.0
"""The rounds of the README and the tutorial run as printed, in a fresh home of the starter, with settings that make them short."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

import app
from data import starter
from data.run_context import RunContext
from data.settings import parse_settings
from data.store import Store
from rlhf.common import locks
from rlhf.kinds import KINDS
from tests.printed_commands import code_lines, find_commands, kind_of
from tests.support import ROOT

FEW_TOKENS = "max_new_tokens=8"
SHORT = {
    "sample": [FEW_TOKENS, "prompts=40"],
    "reward": ["rank=2", "max_steps=2"],
    "ppo": [FEW_TOKENS, "max_steps=1", "batch_size=4", "minibatch=4", "epochs=1", "validation_prompts=2"],
    "dpo": ["max_steps=1", "rank=2"],
    "compare": [FEW_TOKENS, "prompts=4", "draws=1", "best_of=0"],
}


def work_here(store: Store, run):
    """Do the queued run in this process; return its row. It stands for the supervisor and its worker."""
    context = RunContext(store, store.runs.claim())
    assert context.run.id == run.id
    settings = parse_settings(KINDS[run.kind].settings_class(), run.settings)
    result = KINDS[run.kind].runner()(context, settings)
    return store.runs.finish(run.id, "done", produced=result.produced, report=result.report)


def commands_of(page: Path, heading: str) -> list[str]:
    """Return the commands of a section, in order, without those that serve."""
    text = page.read_text("utf-8")
    before, _, section = text.partition(f"## {heading}")
    first = before.count("\n")
    last = first + section.partition("\n## ")[0].count("\n") + 1
    lines = [line for number, line in code_lines(page) if first < number <= last]
    return [command for line in lines for command in find_commands(line) if " serve " not in command]


@pytest.mark.parametrize(
    ("page", "heading", "policies"),
    [("README.md", "One round by hand", 4), ("docs/tutorial.md", "By the command line", 3)],
)
def test_the_commands_run_as_printed(page, heading, policies, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(app, "HOME", tmp_path / "home")
    monkeypatch.setattr("rlhf.runs.commands.wait_for", work_here)
    store = Store(tmp_path / "home")
    starter.register(store)
    commands = commands_of(ROOT / page, heading)
    assert len(commands) > 8
    with locks.acquire_lock(store.home / locks.SUPERVISOR):
        for command in commands:
            argv = shlex.split(command)[1:]
            kind = kind_of(argv, app.parser(argv[0]).parse_args(argv))
            status = app.main([*argv, *(word for given in SHORT.get(kind, []) for word in ("--set", given))])
            assert (command, status, capsys.readouterr().err) == (command, 0, "")
    assert {policy.public for policy in store.policies.all()} == {f"p{number + 1}" for number in range(policies)}
    assert [model.public for model in store.reward_models.all()] == ["r1"]
    assert (tmp_path / "preferences.jsonl").stat().st_size
    (exported,) = {"p3", "my-policy"} & {path.name for path in tmp_path.iterdir()}
    assert (tmp_path / exported / "adapter_model.safetensors").is_file()
    store.close()
