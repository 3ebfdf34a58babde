# SPDX-License-Identifier: Apache-2.0
"""Whatever file a person hands over: its good rows come in or none do, every bad one is named with line and reason, nothing is half-written."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import BadInput
from data.formats.files.packing import PACKINGS
from data.transfer.exporting import ExportRequest, export_rows
from data.transfer.importing import import_file
from tests.support.data.import_rows import counted

ROWS = [{"instruction": f"Say {n}.", "input": "", "output": str(n)} for n in range(4)]
LINES = [json.dumps(row).encode() for row in ROWS]
TABLES = ("prompts", "instructions", "audit")


def counts(store) -> dict[str, int]:
    return {table: store.value(f"SELECT count(*) FROM {table}") for table in TABLES}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "given.jsonl"


CASES = {
    "no output": (
        LINES[0] + b'\n{"instruction": "a"}\n' + LINES[1],
        2,
        "the row has no 'output'; it has 'instruction'",
        2,
    ),
    "an empty output": (LINES[0] + b'\n{"instruction": "a", "output": " "}', 2, "'output' is empty", 1),
    "an output that is null": (LINES[0] + b'\n{"instruction": "a", "output": null}', 2, "'output' is empty", 1),
    "a quote that is not escaped": (
        LINES[0] + b'\n{"instruction": "a", "output": "say "hi""}',
        2,
        "not valid JSON (Expecting ',' delimiter",
        1,
    ),
    "another encoding in one line": (
        LINES[0] + '\n{"instruction": "안녕", "output": "b"}'.encode("cp949"),
        2,
        "not UTF-8 text (byte 0x",
        1,
    ),
    "a misspelt key": (
        LINES[0] + b'\n{"instruction": "a", "ouptut": "b"}',
        2,
        "the row has no 'output'; it has 'instruction', 'ouptut'",
        1,
    ),
    "lines cut off": (b"\n".join(LINES)[:-9], 4, "not valid JSON (Unterminated string", 3),
    "an array cut off": (
        json.dumps(ROWS, indent=0).encode()[:-15],
        17,
        "the JSON ends in the middle; nothing after it can be read",
        3,
    ),
    "an array under the name of lines, with a bad row": (
        b"[" + LINES[0] + b',\n{"instruction": "a"}]',
        2,
        "the row has no 'output'",
        1,
    ),
    "a gzip file cut off": (
        gzip.compress(b"\n".join(LINES * 50), 0)[:-2000],
        None,
        "the gzip file ends in the middle; nothing after",
        None,
    ),
    "a table cut off in a cell": (
        b'instruction,output\na,b\nc,"d\n',
        3,
        "a quoted cell begins here and does not end",
        1,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_rows_stop_the_import_or_are_written_apart(store, file, name):
    content, line, reason, good = CASES[name]
    file.write_bytes(content)
    before = counts(store)
    with pytest.raises(BadInput) as caught:
        import_file(store, file, "instructions")
    assert caught.value.error.startswith(reason)
    assert caught.value.line == line or line is None
    assert "--skip-bad" in caught.value.remedy
    assert counts(store) == before
    result = import_file(store, file, "instructions", skip_bad=True)
    assert result["rejected"] == 1
    assert good is None or f"({good} of {good + 1} rows are good)" in caught.value.error
    assert store.instructions.count() == len({*range(4)} if good is None else range(good))
    (rejected,) = [json.loads(line) for line in Path(result["rejected_file"]).read_text(encoding="utf-8").splitlines()]
    assert rejected["reason"].startswith(reason)


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("content", [b"[" + b",".join(LINES) + b"]", b"\r\n".join(LINES)])
def test_an_array_is_read_under_any_name_with_or_without_a_byte_order_mark(store, file, mark, content):
    file.write_bytes(mark + content)
    assert counted(import_file(store, file, "instructions")) == {"read": 4, "added": 4, "duplicate": 0, "rejected": 0}


def test_a_row_of_two_megabytes_and_quotes_in_quotes_come_in_and_go_out_as_they_were(store, file, tmp_path):
    long = {"instruction": 'Say "\\"hi\\"" \'twice\'.', "input": "", "output": "가나다 " * 300_000}
    file.write_text(json.dumps(long, ensure_ascii=False), encoding="utf-8")
    assert file.stat().st_size > 2_000_000
    import_file(store, file, "instructions")
    export_rows(store, tmp_path / "out.jsonl", ExportRequest("instructions", form="alpaca"))
    row = json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))
    assert {name: row[name] for name in long} == long


KOREAN = "  \ufeff한글은 그대로: \u1112\u1161\u11ab 한 \u200b👩‍👧 \t끝 "


@pytest.mark.parametrize("form", ["alpaca", "trl", "trl-conversational"])
def test_korean_goes_round_byte_for_byte_through_every_format(store, file, tmp_path, form):
    file.write_text(json.dumps({"prompt": KOREAN, "completion": KOREAN}, ensure_ascii=False), encoding="utf-8")
    import_file(store, file, "instructions")
    out = tmp_path / "out.jsonl"
    export_rows(store, out, ExportRequest("instructions", form=form))
    assert out.read_bytes().count(json.dumps(KOREAN, ensure_ascii=False).encode()) == 2
    assert counted(import_file(store, out, "instructions")) == {"read": 1, "added": 0, "duplicate": 1, "rejected": 0}


# What the fuzzer puts together: pieces of real files, pieces of bad ones, and any bytes.
PIECES = [
    *LINES,
    b"\n",
    b"[",
    b"]",
    b",",
    b"{",
    b"}",
    b'"',
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\x00",
    b"\r",
    b"PAR1",
    b"\x1f\x8b",
    gzip.compress(LINES[0]),
    b"instruction,output\n",
    b"a\tb\n",
    b'"a, ""b"""',
    b'{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}',
    b'{"messages": 3}',
    b'{"instruction": ["a"], "output": {}}',
    b'{"prompt": "\\ud800", "completion": "b"}',
    b"1e999",
    b"-",
    "가".encode(),
    b"\xea\xb0",
]
WHOLE = (
    "the file is empty",
    "this is ",
    "this looks like ",
    "two columns ",
    "the zip archive ",
    *(f"the {name} file " for name, _ in PACKINGS.values()),
)  # what is no file of rows from its beginning


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=12)), max_size=9), skip=st.booleans())
def test_any_bytes_import_or_are_bad_input_with_a_line_and_leave_nothing_behind(store, file, parts, skip):
    file.write_bytes(b"".join(parts))
    before, prompts = store.instructions.count(), store.prompts.count()
    try:
        result = import_file(store, file, "instructions", skip_bad=skip)
    except BadInput as caught:
        problem = caught
    else:
        assert store.instructions.count() == before + result["added"]
        assert result["read"] == result["added"] + result["duplicate"] + result["rejected"]
        assert skip or not result["rejected"]
        return
    assert problem.line or problem.error.startswith(WHOLE) or "no rows in the file" in problem.error
    assert problem.remedy
    assert "\n" not in str(problem)
    assert (store.instructions.count(), store.prompts.count()) == (before, prompts)
