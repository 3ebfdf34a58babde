# SPDX-License-Identifier: Apache-2.0
"""The help of every command: all settings of its runs, examples that work, and no heavy module for it."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys

import pytest

import app
from data.command_help.examples import EXAMPLES
from data.settings import describe, parse_settings
from docs import cli, http_api, metrics, python_api, settings
from labeling.accounts import accounts
from labeling.accounts import commands as account_commands
from rlhf.kinds import KINDS, OWN_OPTIONS, TRAININGS, start_command
from rlhf.settings_help import find_described, list_settings
from tests.printed_commands import parse_line
from tests.support import ROOT

HEAVY = ("pandas", "numpy", "sqlite_utils", "torch", "transformers", "gradio")
OWN = {"sample": ["sample"], "compare": ["compare"], "endpoint": ["sample", "--endpoint", "http://127.0.0.1:8000/v1"]}
VERBS = {"embed": "embed", "curate": "recipe", "quantity": "quantity", "ab": "ab"}
RUN_HERE = (
    "import", "account", "projects", "labels", "runs", "audit", "backup", "restore", "store", "completion"
)  # fmt: skip
"""Commands whose examples are run below; the others serve, need a trained model or queue a run of minutes."""

NEED_MORE = ("account revoke ada 1a2b3c4d", "labels weigh --of simulated")
"""Examples that need a token of the home, and simulated labels."""


def help_of(argv: list[str], capsys) -> str:
    """Return what `preference-loop ... --help` prints."""
    with pytest.raises(SystemExit) as ended:
        app.main([*argv, "--help"])
    assert not ended.value.code
    return capsys.readouterr().out


def command_of(kind: str) -> list[str]:
    if kind in TRAININGS:
        return ["train", kind]
    return OWN.get(kind) or ["curate", VERBS[kind]]


@pytest.mark.parametrize("kind", [*(kind for kind in KINDS if kind not in OWN_OPTIONS), "endpoint"])
def test_the_help_lists_every_setting_with_meaning_unit_default_and_range(kind, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    lines = help_of(command_of(kind), capsys).splitlines()
    rows = list_settings(find_described(kind))
    assert {row.key for row in rows} == {each.key for each in describe(find_described(kind).settings_class())}
    for row in rows:
        wanted = [row.meaning, f"default {row.default}", row.range, row.unit]
        (line,) = (line for line in joined(lines) if line.split()[:1] == [row.key] and row.meaning in line)
        assert all(part in line for part in wanted)


def joined(lines: list[str]) -> list[str]:
    """Join a name that stands alone on its line with its text on the next."""
    pairs = zip(lines, [*lines[1:], ""], strict=True)
    return [f"{line} {after}" if len(line.split()) == 1 else line for line, after in pairs]


def test_the_command_that_simulates_has_an_option_for_each_setting(capsys):
    text = help_of(["simulate"], capsys)
    assert all(f"--{each.key} " in text for each in describe(find_described("simulate").settings_class()))


@pytest.mark.parametrize("kind", OWN_OPTIONS)
def test_a_kind_with_a_command_of_its_own_names_one_that_the_app_knows(kind):
    parse_line(f"preference-loop {start_command(kind)}")


@pytest.mark.parametrize("kind", [*KINDS, "endpoint"])
def test_the_default_in_the_help_is_one_that_the_setting_takes(kind):
    settings_class = find_described(kind).settings_class()
    given = {row.key: "" if row.default == "empty" else row.default for row in list_settings(find_described(kind))}
    assert parse_settings(settings_class, [f"{key}={value}" for key, value in given.items()]) == settings_class()


def test_a_narrow_terminal_gets_lines_that_fit(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = help_of(["train", "ppo"], capsys).split("settings of ppo")[1].split("examples:")[0]
    assert max(map(len, text.splitlines())) <= 80


def test_train_help_names_every_kind_with_its_line(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    lines = help_of(["train"], capsys).splitlines()
    for kind in TRAININGS:
        assert any(line.split() == [kind, *KINDS[kind].explains.split()] for line in lines)


def test_the_help_of_an_unknown_kind_is_one_line(capsys):
    assert app.main(["train", "ppoo", "--help"]) == 2
    assert capsys.readouterr().err == "there is no kind of training called 'ppoo' (field 'kind'). Did you mean 'ppo'?\n"


@pytest.mark.parametrize(
    "argv",
    [["train"], *(["train", kind] for kind in TRAININGS), ["sample"], ["compare", "p1"], ["curate", "ab"]],
    ids=" ".join,
)
def test_the_help_of_runs_loads_no_heavy_module(argv):
    code = f"import sys, app\ntry:\n    app.main({[*argv, '--help']!r})\nfinally:\n    print(sorted({set(HEAVY)!r} & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "examples:" in done.stdout


def test_every_command_and_verb_has_examples_at_the_end_of_its_help():
    parsers = [parser for parser, _ in cli.every_parser()]
    assert len(parsers) > 40
    for parser in parsers:
        examples = parser.examples()
        assert examples, parser.prog
        assert parser.format_help().rstrip().endswith("\n  ".join(["examples:", *examples]))
        assert any(line.startswith(parser.prog) for line in examples)
    top = app.parser("").format_help()
    assert top.rstrip().endswith("preference-loop tour --quick")


def test_no_example_belongs_to_a_command_that_is_gone():
    names = {parser.prog.removeprefix("preference-loop ") for parser, _ in cli.every_parser()}
    groups = {name.split()[0] for name in names}
    assert set(EXAMPLES) == {"", *names, *groups, *(f"train {kind}" for kind in TRAININGS)}


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines if line])
def test_an_example_parses_and_its_settings_exist(line):
    parse_line(f"preference-loop {line}")


def test_examples_without_a_model_run_as_printed_in_one_home(unsupervised, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(account_commands, "ask_password", lambda: "correct horse")
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "Name a colour."}\n')
    (tmp_path / "answers.csv").write_text("prompt,good,bad\nName a cat.,Tom,no\n")
    accounts.create(unsupervised, "rae", "researcher", "correct horse")  # the last researcher cannot be erased
    unsupervised.runs.enqueue("sample", {}, "tester")
    printed = (line for examples in EXAMPLES.values() for line in examples)
    lines = [line for line in dict.fromkeys(printed) if line.partition(" ")[0] in RUN_HERE]
    assert len(lines) > 30
    monkeypatch.setenv("PREFERENCE_LOOP_HOME", str(unsupervised.home))
    monkeypatch.setattr(app, "HOME", unsupervised.home)
    failed = {line: capsys.readouterr().err for line in lines if app.main(shlex.split(line))}
    assert sorted(failed) == sorted(NEED_MORE)


def test_the_reference_names_both_forms_of_an_option_that_can_be_taken_back():
    parser = argparse.ArgumentParser()
    action = parser.add_argument("--archive", action=argparse.BooleanOptionalAction, help="hide it")
    assert cli.row(parser, action) == "| `--archive, --no-archive` | hide it |"


@pytest.mark.parametrize("module", [settings, cli, http_api, metrics, python_api], ids=lambda module: module.PAGE.name)
def test_the_reference_page_is_that_of_the_code(module):
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run: make reference"
