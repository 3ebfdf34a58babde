# SPDX-License-Identifier: Apache-2.0
"""Every command that a document, a help text or a message prints is one that the app and the Makefile know."""

from __future__ import annotations

import json
import re

import pytest

import app
from data.command_help.examples import EXAMPLES
from data.errors import BadInput
from rlhf.kinds import KINDS, start_command
from rlhf.settings_help import ENDPOINT
from tests.printed_commands import code_lines, code_spans, find_commands, parse_line
from tests.support import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], key=str)
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
GRAMMAR = re.compile(r"\[|\.\.\.|\w\|\w")
"""Marks of a line that shows what may be written, and is no command itself."""
LINES = [
    (f"{path.relative_to(ROOT)}:{number}", command)
    for path in DOCUMENTS
    for number, line in code_lines(path)
    for command in find_commands(line)
]
SPANS = [
    (f"{path.relative_to(ROOT)}:{number}", command)
    for path in DOCUMENTS
    for number, span in code_spans(path)
    for command in find_commands(span)
]


def problem_of(command: str) -> str:
    """Return the reason why the app refuses a command line, or ""."""
    try:
        parse_line(command)
    except BadInput as problem:
        return str(problem)
    return ""


def test_the_documents_print_many_commands():
    assert len(LINES) > 60
    assert len(SPANS) > 30


@pytest.mark.parametrize(("place", "command"), LINES, ids=lambda text: text[:60])
def test_a_command_in_a_code_block_parses_and_its_settings_exist(place, command):
    assert problem_of(command) == "", place


def test_commands_inside_sentences_parse_or_name_a_command_alone():
    problems = {
        f"{place} {command}": problem
        for place, command in SPANS
        if not GRAMMAR.search(command) and (problem := problem_of(command))
    }
    assert {place: text for place, text in problems.items() if "arguments are required" not in text} == {}


def messages() -> list[tuple[str, str]]:
    """Return (file, text) of every text of the code and of the catalogues that holds the program's name."""
    sources = [
        ROOT / "app.py",
        *(path for layer in ("data", "labeling", "reward", "rlhf") for path in (ROOT / layer).rglob("*.py")),
    ]
    catalogues = [
        (path.name, text)
        for path in (ROOT / "labeling" / "texts").glob("*.json")
        for text in json.loads(path.read_text("utf-8")).values()
    ]
    return catalogues + [(str(path.relative_to(ROOT)), path.read_text("utf-8")) for path in sources]


def test_messages_name_only_commands_and_verbs_that_exist():
    verbs = {key.split(" ")[0] for key in EXAMPLES if " " in key} - {"train"}
    named = [
        (file, match)
        for file, text in messages()
        for match in re.finditer(r"preference-loop ([a-z][\w-]*)(?: ([a-z][\w-]*))?", text)
    ]
    assert len(named) > 20
    wrong = {
        f"{file}: {match[0]}"
        for file, match in named
        if match[1] not in app.COMMANDS or (match[1] in verbs and match[2] and f"{match[1]} {match[2]}" not in EXAMPLES)
    }
    assert wrong == set()


@pytest.mark.parametrize("kind", [*KINDS, ENDPOINT])
def test_the_command_that_starts_a_kind_of_run_exists(kind):
    names = {"compare": " p2", "ab": " s1"}.get(kind, "")  # what is compared stands behind the command
    assert problem_of(f"preference-loop {start_command(kind)}{names}") == ""


def make_lines() -> list[tuple[str, str]]:
    """Return (place, line) of every call of make in a document."""
    return [
        (f"{path.relative_to(ROOT)}:{number}", match[0])
        for path in DOCUMENTS
        for number, line in [*code_lines(path), *code_spans(path)]
        if (match := re.match(r"make (?:[\w-]+|[A-Z_]+=\S+)(?: [A-Z_]+=\S*)*", line))
    ]


def test_every_target_and_variable_of_make_exists():
    lines = make_lines()
    assert len(lines) > 20
    targets = set(re.findall(r"^([a-z][\w-]*):", MAKEFILE, re.MULTILINE))
    variables = set(re.findall(r"\$\(([A-Z_]+)\)", MAKEFILE))
    for place, line in lines:
        for word in line.split()[1:]:
            name, assigns, _ = word.partition("=")
            assert name in (variables if assigns else targets), f"{place}: {line}"


@pytest.mark.parametrize("name", ["README", "docs/tutorial"])
def test_the_korean_documents_print_the_commands_of_the_english_ones(name):
    english, korean = (
        [command for _, line in code_lines(ROOT / f"{name}{language}.md") for command in find_commands(line)]
        for language in ("", ".ko")
    )
    assert english == korean
