# SPDX-License-Identifier: Apache-2.0
"""Every container yields the rows that went in, in their order, with the line of each; damaged ones are refused."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import BadInput
from data.transfer.checked_rows import ImportFile, Reading, check_rows
from data.transfer.import_sources import expand, notes_of
from data.transfer.importing import import_file
from tests.support.data import containers
from tests.support.data.containers import FILES

ROWS = [{"prompt": f"질문 {n}: “왜?”\n둘째 줄 é", "completion": f"답 {n}"} for n in range(5)]
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
LINES = st.text(st.sampled_from("ab \n가é\u2028,;\"'|{}=\t"), min_size=1, max_size=12)
ANY = TEXT | LINES


def read(path) -> list[dict]:
    files, _ = expand([ImportFile.at(path)])
    checked = [row for file in files for row in check_rows(file, Reading("prompts"))]
    return [row.row for row in checked]


@pytest.mark.parametrize("kind", FILES)
def test_a_file_of_every_kind_is_imported_whole(store, tmp_path, kind):
    path = tmp_path / f"given.{kind}"
    path.write_bytes(FILES[kind](ROWS))
    assert import_file(store, path, "instructions")["added"] == len(ROWS)
    assert [(row.instruction, row.output) for row in store.instructions.all()] == [tuple(row.values()) for row in ROWS]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60, deadline=None
)
@given(
    rows=st.lists(
        st.builds(lambda *texts: dict(zip(("prompt", "completion"), texts, strict=True)), ANY, ANY),
        min_size=1,
        max_size=7,
    )
)
def test_the_same_rows_come_out_of_every_container(tmp_path, rows):
    for kind, write in FILES.items():
        path = tmp_path / f"given.{kind}"
        path.write_bytes(write(rows))
        assert (kind, read(path)) == (kind, rows)
    path = containers.folder(rows, tmp_path / "shards")
    assert read(path) == rows
    shutil.rmtree(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(kind=st.sampled_from(sorted(FILES)), cut=st.floats(0, 1), flip=st.integers(0, 255), data=st.data())
def test_a_damaged_file_of_any_kind_is_bad_input(tmp_path, kind, cut, flip, data):
    content = bytearray(FILES[kind](ROWS))[: max(1, int(cut * 4000))]
    content[data.draw(st.integers(0, len(content) - 1))] ^= flip
    path = tmp_path / "given"
    path.write_bytes(content)
    problem = problem_of(path)
    assert problem is None or (str(path) in problem and "\n" not in problem)


def problem_of(path) -> str | None:
    """The line that refuses a file; None if each of its rows is good or has a reason."""
    try:
        files, _ = expand([ImportFile.at(path)])
        checked = [row for file in files for row in check_rows(file, Reading("instructions"))]
    except BadInput as problem:
        return str(problem)
    return None if all(row.good or row.reason for row in checked) else "a row without a reason"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("jsonl.zst", "the Zstandard file ends in the middle"),
        ("jsonl.bz2", "the bzip2 file ends in the middle"),
        ("jsonl.xz", "the xz file ends in the middle"),
        ("arrow", "the Arrow file is damaged or cut off"),
        ("arrows", "the Arrow file is damaged or cut off"),
        ("zip", "the zip archive is damaged"),
    ],
)
def test_a_cut_file_is_refused_and_leaves_nothing(store, tmp_path, kind, error):
    path = tmp_path / "given"
    path.write_bytes(FILES[kind](ROWS)[:-12])
    with pytest.raises(BadInput, match=error):
        import_file(store, path, "instructions")
    assert store.value("SELECT count(*) FROM instructions") == 0


def test_line_numbers_count_from_the_top_in_every_text(tmp_path):
    bad = [ROWS[0], {"prompt": "only this\nand that"}, ROWS[1]]
    for kind in ("jsonl", "jsonl.zst", "utf-16"):
        path = tmp_path / kind
        path.write_bytes(FILES[kind](bad))
        reasons = {row.line: row.reason for row in check_rows(ImportFile.at(path), Reading("instructions"))}
        assert [bool(reasons[line]) for line in (1, 2, 3)] == [False, True, False]


def test_notes_name_the_files_that_they_are_about(tmp_path):
    text = containers.table(ROWS).decode()
    for name, content in (("a.csv", text.encode("utf-16-le")), ("b.csv", text.encode())):
        (tmp_path / name).write_bytes(content)
    files, notes = expand([ImportFile.at(tmp_path)])
    assert [row.reason for file in files for row in check_rows(file, Reading("instructions")) if row.reason] == []
    assert notes == [f"{tmp_path.name}: 2 files ({tmp_path.name}/a.csv, {tmp_path.name}/b.csv)"]
    assert notes_of(files) == ["encoding detected: utf-16-le: a.csv"]
