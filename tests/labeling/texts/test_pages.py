# SPDX-License-Identifier: Apache-2.0
"""Every text that a page shows comes from the catalogue; shares have one form on all pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from labeling.texts.pages import format_percent, format_share, setting_help
from tests.support import ROOT

SERVER = {"serve.py", "connections.py", "workers"}
"""Modules and packages beside the pages that write to the terminal, the log and programs."""
PAGES = (
    *sorted((ROOT / "labeling" / "page").glob("*.py")),
    *sorted(path for path in (ROOT / "rlhf" / "pages").rglob("*.py") if not SERVER & {path.name, path.parent.name}),
    *(ROOT / "labeling" / path for path in ("rating/page.py", "writing/page.py", "accounts/sign_in_pages.py")),
    *(ROOT / "labeling" / "http" / path for path in ("page_layout.py", "note_page.py")),
    *(ROOT / "reward" / path for path in ("page.py", "settings.py", "report/view.py", "report/plots.py")),
    *(ROOT / "rlhf" / path for path in ("settings.py", "ppo/settings.py", "clinic/settings.py")),
)
ENGLISH = (
    "BadInput",
    "HTTPException",
    "audit.add",
    "ValueError",
    "nh3.clean",
    "LOG.error",
    "LOG.exception",
    "LOG.warning",
)
"""Calls whose texts no page shows, or that pages share with the command line, the HTTP API, the log and the audit list."""
CODE = re.compile(r"<[^>]*>|\bSELECT\b.*|[{}].*|^\s*\(?\.\.\.given.*|preference-loop [a-z].*", re.DOTALL)
"""Parts of a literal that nobody reads: tags, SQL, CSS, JavaScript, commands."""
WORDS = re.compile(r"\b[A-Za-z]+,? (?:[a-z]+,? ){1,}[a-z]+\b|\b[A-Z][a-z]+ [a-z]+\b")


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of each literal of a module, except documentation and error messages."""
    unread: set[int] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            unread.add(id(node.value))
        elif isinstance(node, ast.Assert) or isinstance(node, ast.Call) and ast.unparse(node.func).endswith(ENGLISH):
            unread |= {id(part) for part in ast.walk(node)}
        elif isinstance(node, ast.JoinedStr) and id(node) not in unread:
            unread |= {id(part) for part in node.values}
            yield (
                node.lineno,
                "".join(str(part.value) if isinstance(part, ast.Constant) else "0" for part in node.values),
            )
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in unread:
            yield node.lineno, node.value


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_has_a_text_of_its_own(path):
    shown = [(line, found[0]) for line, text in literals(path) if (found := WORDS.search(CODE.sub(" ", text)))]
    assert shown == []


def test_a_share_has_its_interval_and_names_its_number_of_units():
    assert format_share(0.75, [0.6, 0.9], 1040) == "75 % (60–90) of 1,040"
    assert format_share(0.75, [0.2, 1.0], 9) == "too few to say (9)"
    assert (format_share(0.75), format_share(0.5, (None, None)), format_percent(0.504)) == ("75 %", "50 %", "50 %")
    assert (format_share(None, [0.1, 0.2], 40), format_percent(None)) == ("–", "–")


def test_a_setting_has_the_help_of_its_kind_of_run_else_the_shared_one():
    assert setting_help("reward", "rank") == setting_help("sft", "rank") == "rank of the LoRA adapter"
    assert setting_help("ppo", "rank") == "rank of the LoRA adapter, if the start policy has none"
    with pytest.raises(KeyError):
        setting_help("ppo", "nothing")
