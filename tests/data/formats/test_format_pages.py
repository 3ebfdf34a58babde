# SPDX-License-Identifier: Apache-2.0
"""Each format of fine-tuning files has a page, and every row of the page's example is read as the page says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from data.formats.registry import FORMATS
from data.transfer.checked_rows import ImportFile
from data.transfer.previewing import preview
from tests.support import ROOT

PAGES = sorted((ROOT / "docs" / "formats").glob("*.md"))
CHATS = sorted(name for name, form in FORMATS.items() if ".chats." in form.module.__name__)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_row_of_an_example_is_read(tmp_path, path):
    page = path.read_text(encoding="utf-8")
    command = re.search(r"--as (\w+)(?: --format ([\w-]+))?", page)
    example = re.search(r"```jsonl?\n(.*?)\n```", page, re.DOTALL)
    assert command
    assert example
    assert len(example[1].splitlines()) <= 6
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, _objects(example[1]))), encoding="utf-8")
    found = preview([ImportFile.at(file)], command[1], command[2] or "auto")
    assert found.first_bad is None
    assert found.good


def _objects(text: str) -> Iterator[dict]:
    """Yield the JSON objects of a text, each of which may go over several lines."""
    decoder, place = json.JSONDecoder(), 0
    while place < len(text):
        value, place = decoder.raw_decode(text, place)
        yield value
        place += len(text[place:]) - len(text[place:].lstrip())


def test_every_format_of_fine_tuning_files_has_a_page_and_the_overview_links_to_it():
    overview = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert set(CHATS) <= {path.stem for path in PAGES}
    assert [path.stem for path in PAGES if f"formats/{path.name}" not in overview] == []
