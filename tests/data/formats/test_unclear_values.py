# SPDX-License-Identifier: Apache-2.0
"""Rows whose values are unclear are refused with the reason: doubled keys, NaN, and margins that are no number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.errors import BadInput
from data.transfer.importing import import_file

PAIR = ', "chosen": "b", "rejected": "c"}'
GOOD = '{"prompt": "good"' + PAIR


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"prompt": "a", "prompt": "b"', "the key 'prompt' is there twice"),
        ('{"prompt": "a", "facts": {"x": 1, "x": 2}', "the key 'x' is there twice"),
        ('{"prompt": "a", "margin": NaN', "NaN is not a JSON number"),
        ('{"prompt": "a", "margin": -Infinity', "-Infinity is not a JSON number"),
        ('{"prompt": "a", "margin": 1e400', "'margin' is inf, not a finite number"),
        ('{"prompt": "a", "margin": -1' + "0" * 400, "'margin' has more than 64 bits"),
        ('{"prompt": "a", "margin": "nan"', "'margin' is nan, not a finite number"),
    ],
)
@pytest.mark.parametrize("array", [False, True])
def test_an_unclear_row_is_refused_and_the_others_are_taken_with_skip_bad(store, tmp_path, row, reason, array):
    row += PAIR
    file = tmp_path / "rows.jsonl"
    file.write_text(f"[{row},\n{GOOD}]" if array else f"{row}\n{GOOD}\n")
    with pytest.raises(BadInput, match="1 of 2 rows are good") as refused:
        import_file(store, file, "preferences")
    assert reason in refused.value.error
    report = import_file(store, file, "preferences", skip_bad=True)
    assert (report["added"], report["rejected"]) == (1, 1)
    assert reason in json.loads(Path(report["rejected_file"]).read_text())["reason"]


def test_a_margin_of_a_table_that_is_no_number_is_refused(store, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("prompt,chosen,rejected,margin\na,b,c,1e999\nd,e,f,2\n")
    with pytest.raises(BadInput, match="'margin' is inf"):
        import_file(store, file, "preferences")
