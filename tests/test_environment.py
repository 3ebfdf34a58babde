# SPDX-License-Identifier: Apache-2.0
"""docs/serving.md lists every environment variable of the code; the service of docs/how-to/team.md starts a command that parses."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import app
from tests.support import ROOT

DOCUMENT = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
TEAM = (ROOT / "docs" / "how-to" / "team.md").read_text(encoding="utf-8")
SOURCES = [
    ROOT / "app.py",
    *(path for layer in ("data", "labeling", "reward", "rlhf") for path in (ROOT / layer).rglob("*.py")),
]


def constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Return the values of a module's constants."""
    return {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def is_environment(node: ast.AST) -> bool:
    """Return whether a node is `os.environ`."""
    return isinstance(node, ast.Attribute) and node.attr == "environ"


def named(node: ast.expr | None, known: dict[str, ast.expr]) -> Iterator[str]:
    """Yield the variables that an expression names: a text, a constant, or the keys of a dictionary."""
    node = known.get(node.id, node) if isinstance(node, ast.Name) else node
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):  # the document writes NAME for what the code fills in
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "NAME" for part in node.values)
    elif isinstance(node, ast.Dict):
        for key in node.keys:
            yield from named(key, known) if key else ()
    else:
        raise AssertionError(f"this test cannot read {ast.unparse(node) if node else node}")


def variables(path: Path) -> Iterator[str]:
    """Yield every environment variable that a source file reads or sets."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known = constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and is_environment(node.value):
            yield from named(node.slice, known)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and is_environment(node.func.value)
            or isinstance(node, ast.Call)
            and ast.unparse(node.func) == "os.getenv"
        ):
            yield from named(node.args[0], known)
        elif isinstance(node, ast.Compare) and any(map(is_environment, node.comparators)):
            yield from named(node.left, known)
        elif isinstance(node, ast.Dict) and any(map(is_environment, node.values)):
            yield from named(node, known)


def test_the_table_lists_the_variables_of_the_code():
    table = DOCUMENT.partition("| variable |")[2].partition("\n\n")[0]
    listed = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(listed) == sorted({name for path in SOURCES for name in variables(path)})


def test_the_service_starts_a_command_that_parses():
    text = "\n".join(
        line.removeprefix("    ")
        for line in TEAM.partition("    [Unit]\n")[2].partition("`KillMode=process`")[0].splitlines()
    )
    unit = ConfigParser(strict=True, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string("[Unit]\n" + text)
    program, *argv = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/.venv/bin/preference-loop")
    arguments = app.parser("serve").parse_args(argv)
    assert (arguments.behind_proxy, arguments.metrics, arguments.log_json) == (True, True, True)
    assert str(arguments.backup_to) in unit["Service"]["ReadWritePaths"]
