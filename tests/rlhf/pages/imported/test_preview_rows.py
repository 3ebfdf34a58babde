# SPDX-License-Identifier: Apache-2.0
"""The preview of an import shows rows as people write them, not as Python does."""

from __future__ import annotations

import json

import pytest

from data.transfer.checked_rows import ImportFile
from data.transfer.previewing import preview
from rlhf.pages.data_view import draw_preview

CHAT = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Bye"},
]
ROWS = {
    "preferences": {"prompt": "Hi", "chosen": "Hello", "rejected": "No"},
    "conversation": {"prompt": CHAT, "chosen": "Until tomorrow", "rejected": "No"},
    "prompts": {"messages": CHAT},
    "instructions": {"instruction": "Say hi", "input": "", "output": "Hi"},
}


@pytest.mark.parametrize("kind", ROWS)
def test_no_row_of_a_preview_is_shown_as_python_writes_it(tmp_path, kind):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(ROWS[kind]) + "\n")
    drawn = draw_preview(preview([ImportFile.at(file)]))
    assert "{&#x27;" not in drawn
    assert "None" not in drawn
    assert "(&#x27;" not in drawn


def test_answers_stand_alone_and_the_vote_names_the_better_one(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(ROWS["preferences"]) + "\n")
    drawn = draw_preview(preview([ImportFile.at(file)]))
    assert drawn.index("Answer A") < drawn.index("Hello", drawn.index("Answer A")) < drawn.index("Answer B")
    assert "A is better · margin 2" in drawn
