# SPDX-License-Identifier: Apache-2.0
"""Every error line of docs/faq.md is one of the code or of the catalogues of texts."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator

from tests.support import ROOT

PAGE = (ROOT / "docs" / "faq.md").read_text("utf-8")
LAYERS = ("data", "labeling", "reward", "rlhf")


def templates() -> Iterator[str]:
    """Yield every text of the code and of the catalogues, with `...` for each value in it."""
    for layer in LAYERS:
        for path in (ROOT / layer).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value
                elif isinstance(node, ast.JoinedStr):
                    yield "".join(str(part.value) if isinstance(part, ast.Constant) else "..." for part in node.values)
    for layer in ("data", "labeling"):
        for text in json.loads((ROOT / layer / "texts" / "en.json").read_text("utf-8")).values():
            yield re.sub(r"\{[^}]*\}", "...", text)


def test_the_error_lines_are_those_of_the_application():
    lines = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
    assert len(lines) > 35
    known = set(templates())
    assert [line for line in lines if line not in known] == []
