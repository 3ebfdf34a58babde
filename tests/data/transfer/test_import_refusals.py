# SPDX-License-Identifier: Apache-2.0
"""A bad row stops an import or is written to a file of rejected rows; the message names its line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import BadInput
from data.formats import FORMATS, KEYS
from data.formats.mapping import parse_mapping
from data.transfer.checked_rows import ImportFile, Reading
from data.transfer.importing import import_file, import_files
from tests.support.data.import_rows import CHAT, HH, TRL, counted, counts, write


def test_a_bad_row_stops_everything_and_names_its_line(store, file):
    before = counts(store)
    write(file, [TRL, "", {"promt": "a", "chosen": "b", "rejected": "c"}, HH, "{cut"])
    with pytest.raises(BadInput) as caught:
        import_file(store, file, "preferences")
    error = caught.value
    assert str(error) == (
        f"{file}:3: the row has no 'prompt', and no chat marks in 'chosen' and 'rejected' hold one; --format trl-implicit takes"
        " the beginning that both share (2 of 4 rows are good; 1 other reason, see --dry-run) (field 'prompt')."
        " Most bad rows can be read with --map prompt=promt. Correct it, or import the good rows with --skip-bad."
    )
    assert error.as_json()["line"] == 3
    assert counts(store) == before
    assert list(file.parent.glob("*rejected*")) == []


def test_skip_bad_keeps_the_good_rows_and_writes_down_the_others(store, file):
    write(file, [TRL, {"promt": "a"}, HH, "{cut"])
    result = import_file(store, file, "preferences", skip_bad=True)
    assert counted(result) == {"read": 4, "added": 2, "duplicate": 0, "rejected": 2}
    assert result["rejected_file"] == str(store.home / "rejected" / "given.jsonl.rejected.jsonl")
    assert [json.loads(line) for line in Path(result["rejected_file"]).read_text().splitlines()] == [
        {
            "file": "given.jsonl",
            "line": 2,
            "reason": "the row has no 'chosen'; it has 'promt'",
            "row": {"promt": "a"},
        },
        {
            "file": "given.jsonl",
            "line": 4,
            "reason": "not valid JSON (Expecting property name enclosed in double quotes, column 2)",
            "row": {},
        },
    ]
    assert list(file.parent.glob("*rejected*")) == []


def test_rejected_rows_go_where_the_user_says(store, file, tmp_path):
    write(file, [TRL, {"promt": "a"}])
    out = tmp_path / "bad.jsonl"
    result = import_files(store, [ImportFile.at(file)], "preferences", skip_bad=out)
    assert (result["rejected_file"], json.loads(out.read_text())["line"]) == (str(out), 2)


@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_file_without_one_good_row_is_refused(store, file, skip_bad):
    write(file, [{"colour": "a"}, {"colour": "b"}])
    with pytest.raises(
        BadInput, match=r"0 of 2 rows are good.*Each row needs 'prompt', 'messages', 'conversations' or 'instruction'"
    ):
        import_file(store, file, "prompts", skip_bad=skip_bad)
    file.write_text("[]")
    with pytest.raises(BadInput, match="there are no rows in the file"):
        import_file(store, file, "prompts", skip_bad=skip_bad)
    assert counts(store)["prompts"] == 0


@pytest.mark.parametrize(
    ("what", "rows", "hint"),
    [
        ("prompts", [{"promt": "a"}], "--map prompt=promt."),
        (
            "instructions",
            [{"query": "a", "answer": "b"}] * 2 + [{"x": 1}],
            "--map prompt=query,completion=answer.",
        ),
        (
            "instructions",
            [{"Conversation": CHAT["prompt"] + CHAT["chosen"], "conversation_id": "c"}],
            "conversations=Conv",
        ),
        ("completions", [{"prompt": "a", "respones": "b"}], "--map response=respones."),
    ],
)
def test_a_mapping_is_named_that_reads_most_bad_rows(store, file, what, rows, hint):
    with pytest.raises(BadInput) as caught:
        import_file(store, write(file, rows), what)
    assert hint in caught.value.remedy


@pytest.mark.parametrize(
    ("what", "row"),
    [
        ("prompts", {"system_prompt": "Be brief.", "response": "b"}),
        ("completions", {"prompt": "a", "my_response_0": "b", "my_response_1": "c"}),
        ("instructions", {"message_id": "m", "passages": "b"}),
        ("preferences", {"prompt": "a", "choice": 1, "rejected": "c"}),
        ("completions", {"prompt": "a", "num_responses": 2}),
    ],
)
def test_no_mapping_is_named_that_would_read_something_else(store, file, what, row):
    with pytest.raises(BadInput) as caught:
        import_file(store, write(file, [row]), what)
    assert "can be read with --map" not in str(caught.value)


@pytest.mark.parametrize("what", ["prompts", "preferences"])
def test_a_cut_gzip_file_leaves_nothing_behind_unless_its_good_rows_are_wanted(store, tmp_path, what):
    before = counts(store)
    rows = [{"prompt": f"Say {n * 7919}.", "chosen": f"{n}", "rejected": "no"} for n in range(5000)]
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())[:-100])
    with pytest.raises(BadInput, match="the gzip file ends in the middle"):
        import_file(store, path, what)
    assert counts(store) == before
    done = import_file(store, path, what, skip_bad=True)
    assert (done["added"], done["rejected"]) == (store.prompts.count(), 1)


def test_rejected_rows_that_cannot_be_written_leave_the_store_as_it_was(store, file):
    before = counts(store)
    write(file, [TRL, {"promt": "a"}])
    (store.home / "rejected" / "given.jsonl.rejected.jsonl").mkdir(parents=True)  # where the rejected rows would go
    with pytest.raises(BadInput, match="cannot be written"):
        import_file(store, file, "preferences", skip_bad=True)
    assert counts(store) == before


KNOWN = st.sampled_from(["a", "b", "\n\nHuman: a\n\nAssistant: b", "", "\ud800", "\x00", "simulated"])
TEXTS = st.one_of(KNOWN, st.text(max_size=5))
MESSAGE = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system", "tool"]), "content": TEXTS})
LISTS = st.one_of(st.lists(MESSAGE, max_size=3), st.lists(st.integers(), max_size=2))
VALUES = st.one_of(TEXTS, st.none(), st.integers(), st.floats(), LISTS)
FIELDS = (
    "prompt",
    "instruction",
    "input",
    "output",
    "chosen",
    "rejected",
    "completion",
    "messages",
    "response",
    "model",
    "facts",
    "family",
    "defects",
    "instances",
    "margin",
    "source",
    "labeler",
    "chosen_model",
)
ROWS = st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8), max_size=4)


@pytest.mark.parametrize("what", KEYS)
@given(rows=ROWS, form=st.sampled_from(["auto", *FORMATS]), skip_bad=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_rows_they_are_counted_or_refused(store, file, what, rows, form, skip_bad):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    try:
        result = import_file(store, file, what, form=form, skip_bad=skip_bad)
    except BadInput as error:
        assert error.file == str(file)  # noqa: PT017
    else:
        assert result["read"] == result["added"] + result["duplicate"] + result["rejected"]
        # a row may hold several, and rows of one group are one
        several = sum(len(value) for row in rows for value in row.values() if isinstance(value, list | dict))
        assert min(1, len(rows)) <= result["read"] <= len(rows) + several


def test_a_row_nested_to_the_limit_is_a_bad_row(store, file):
    for depth in range(900, 1000, 7):
        deep = "[" * depth + "]" * depth
        file.write_text(f'{{"prompt": "a"}}\n{{"prompt": "b", "facts": {{"deep": {deep}}}}}\n')
        assert import_file(store, file, "prompts", skip_bad=True)["read"] == 2


def test_a_file_whose_columns_have_other_names_is_told_of_the_mapping(store, tmp_path):
    rows = write(tmp_path / "a.jsonl", [{"id": 1, "review": "Good film.", "stars": 9}])
    with pytest.raises(BadInput, match=r"Name other columns with --map, as in --map prompt=COLUMN\.$"):
        import_file(store, rows, "prompts")
    questions = write(tmp_path / "b.jsonl", [{"Q": "Hi", "A": "Hello."}])
    with pytest.raises(BadInput, match=r"Most bad rows can be read with --map prompt=Q,completion=A\."):
        import_file(store, questions, "instructions")


def test_a_column_that_changes_the_meaning_can_be_left_out_as_its_refusal_says(store, tmp_path):
    rows = write(tmp_path / "rows.jsonl", [{"prompt": "Hi", "completion": "Hello.", "score": 3}])
    with pytest.raises(BadInput, match=r"\(--map score= leaves it out\)"):
        import_file(store, rows, "instructions")
    files = [ImportFile.at(rows)]
    assert import_files(store, files, Reading("instructions", mapping=parse_mapping("score=")))["added"] == 1
