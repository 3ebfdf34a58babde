# SPDX-License-Identifier: Apache-2.0
"""Files and functions stay short enough to read: 250 lines and 60."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.support import ROOT

FOLDERS = ("data", "labeling", "reward", "rlhf", "tests", "docs")
HASHED = {ROOT / "data" / "starter" / f"{name}.py" for name in ("words", "families", "rubric", "manners", "corpus")}
"""Files whose bytes are part of the starter's hash: they never change."""


def python_files() -> list[Path]:
    """Return every Python file of the project, tests and docs included, except the hashed ones."""
    paths = [ROOT / "app.py", *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))]
    return [path for path in paths if "__pycache__" not in path.parts and path not in HASHED]


def test_no_python_file_has_more_than_250_lines():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in python_files()}
    assert {name: length for name, length in lengths.items() if length > 250} == {}


def test_no_function_has_more_than_60_lines():
    lengths = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for path in python_files()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: length for name, length in lengths.items() if length > 60} == {}
