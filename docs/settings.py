# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference/settings.md from the settings of every kind of run: `python -m docs.settings`."""

from __future__ import annotations

from data.command_help.examples import EXAMPLES
from data.command_help.parser import PROGRAM
from rlhf.kinds import KINDS, OWN_OPTIONS, Kind, start_command
from rlhf.settings_help import ENDPOINT, Setting, find_described, list_settings
from tests.support import ROOT

PAGE = ROOT / "docs" / "reference" / "settings.md"
INTRODUCTION = f"""# Settings of runs

`make reference` writes this page from the code. Give a setting as `--set KEY=VALUE`, once for each:

    {PROGRAM} train ppo --set reward=r1 --set max_steps=20

`--help` prints the same list, for example `{PROGRAM} train ppo --help`. `--dry-run` prints the value of every setting
and queues nothing. Main settings come first; forms show them unfolded.
"""
HEADER = "| setting | meaning | unit | default | values |\n| --- | --- | --- | --- | --- |"


def cell(text: str) -> str:
    """Return a text as the cell of a table."""
    return text.replace("|", "\\|")


def row(setting: Setting) -> str:
    """Return the line of a setting; the key of a main setting is bold."""
    key = f"**`{setting.key}`**" if setting.main else f"`{setting.key}`"
    return "| " + " | ".join([key, *map(cell, (setting.meaning, setting.unit, setting.default, setting.range))]) + " |"


def section(kind: Kind) -> str:
    """Return the heading, the command, the examples and the table of a kind of run."""
    command = start_command(kind.name)
    explains = "Sample completions of a model behind an OpenAI-compatible endpoint, and make pairs of them."
    lines = [f"    {PROGRAM} {line}" for line in EXAMPLES.get(command, ()) if "--help" not in line]
    lines = lines or [f"    {PROGRAM} {command}"]
    about = explains if kind.name == ENDPOINT else kind.explains
    return "\n".join([f"## {kind.name}", "", about, "", *lines, "", HEADER, *map(row, list_settings(kind)), ""])


def page() -> str:
    """Return the page."""
    kinds = [kind for kind in KINDS.values() if kind.name not in OWN_OPTIONS]
    return "\n".join([INTRODUCTION, *(section(kind) for kind in [*kinds, find_described(ENDPOINT)])])


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
