# SPDX-License-Identifier: Apache-2.0
"""Completion of the command line: the printed script runs in bash and offers what the parsers know."""

from __future__ import annotations

import shutil
import subprocess

import pytest

import app
from data.settings import describe
from rlhf.kinds import KINDS
from rlhf.shell_completion import bash_script

BASH = shutil.which("bash") or ""
pytestmark = pytest.mark.skipif(not BASH, reason="needs bash")
ASK = """
compopt() { :; }  # bash knows it inside of a completion only
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _preference_loop
for word in "${COMPREPLY[@]}"; do echo "$word"; done
"""


@pytest.fixture(scope="module")
def script() -> str:
    return bash_script(app.every_command())


def complete(script: str, *typed: str) -> list[str]:
    """Return what bash offers for the last of the typed words."""
    run = [BASH, "--norc", "-c", script + ASK, "bash", "preference-loop", *typed]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_commands_and_verbs_are_offered_by_their_beginning(script):
    assert set(complete(script, "")) == set(app.COMMANDS)
    assert complete(script, "imp") == ["import"]
    assert "add" in complete(script, "account", "")
    assert complete(script, "account", "add", "x", "inv") == []


def test_options_of_the_command_are_offered_and_those_of_serve_without_one(script):
    assert complete(script, "import", "--dry") == ["--dry-run"]
    assert "--port" in complete(script, "--")
    assert "--port" not in complete(script, "import", "--")


def test_the_choices_of_an_option_are_offered_and_a_file_where_there_are_none(script):
    assert complete(script, "import", "rows.csv", "--as", "pre") == ["preferences"]
    assert complete(script, "import", "--json", "--as", "prompts", "--home", "") == []


def test_keys_of_settings_are_those_of_the_kind(script):
    keys = {f"{setting.key}=" for setting in describe(KINDS["ppo"].settings_class())}
    assert set(complete(script, "train", "ppo", "--wait", "--set", "")) == keys
    assert complete(script, "train", "pp") == ["ppo"]
    assert "per_prompt=" in complete(script, "sample", "--set", "per")


def test_the_command_prints_the_script_that_bash_reads(capsys):
    assert app.main(["completion", "bash"]) == 0
    printed = capsys.readouterr().out
    done = subprocess.run([BASH, "-c", f"{printed}\ncomplete -p preference-loop"], capture_output=True, text=True)
    assert "-F _preference_loop preference-loop" in done.stdout
