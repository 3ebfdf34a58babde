# SPDX-License-Identifier: Apache-2.0
"""docs/ppo-checks.md lists every check and every report once, and the tests it names exist and carry the number."""

from __future__ import annotations

import ast
import re

import pytest

from tests.support import ROOT

ROWS = re.findall(r"^\| (\d+) \|(.*)\|$", (ROOT / "docs" / "ppo-checks.md").read_text(encoding="utf-8"), re.M)
CHECKS, BUGS = ROWS[:37], ROWS[37:]


def functions() -> dict[str, str]:
    """Every test function's name, and its name and docstring together."""
    found = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found[node.name] = f"{node.name} {ast.get_docstring(node) or ''}"
    return found


def test_every_number_has_one_row():
    assert [int(number) for number, _ in CHECKS] == list(range(1, 38))
    assert [int(number) for number, _ in BUGS] == list(range(1, 37))


@pytest.mark.parametrize(("kind", "rows"), [("check", CHECKS), ("bug", BUGS)])
def test_every_row_names_tests_that_exist_one_of_which_carries_the_number(kind, rows):
    known = functions()
    for number, text in rows:
        named = re.findall(r"`(test_\w+)`", text)
        assert set(named) <= set(known), f"{kind} {number}"
        carried = [
            name
            for name in named
            if re.search(rf"{kind}s? [\d ,and]*\b0?{number}\b", known[name].replace("_", " "), re.IGNORECASE)
        ]
        assert carried or "cannot happen" in text, f"no test of {kind} {number} carries the number"
