# SPDX-License-Identifier: Apache-2.0
"""Each format of fine-tuning files has a page, and every row of the page's example is read as the page says."""

from __future__ import annotations

import json
import re

import pytest

from data.formats import read_row
from data.formats.registry import FORMATS
from tests.support import ROOT

PAGES = sorted((ROOT / "docs" / "formats").glob("*.md"))
CHATS = sorted(name for name, form in FORMATS.items() if ".chats." in form.module.__name__)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_row_of_an_example_is_read(path):
    page = path.read_text(encoding="utf-8")
    command = re.search(r"--as (\w+)(?: --format ([\w-]+))?", page)
    example = re.search(r"```jsonl\n(.*?)\n```", page, re.DOTALL)
    assert command
    assert example
    rows = [json.loads(line) for line in example[1].splitlines()]
    assert len(rows) == 5
    for row in rows:
        assert read_row(row, command[1], command[2] or "auto")


def test_every_format_of_fine_tuning_files_has_a_page_and_the_overview_links_to_it():
    overview = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert set(CHATS) <= {path.stem for path in PAGES}
    assert [path.stem for path in PAGES if f"formats/{path.name}" not in overview] == []
