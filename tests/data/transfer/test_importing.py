# SPDX-License-Identifier: Apache-2.0
"""Imports are all or nothing, add nothing twice, and name the line that is wrong."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import BadInput
from data.formats import FORMATS, KEYS
from data.transfer.importing import import_file
from data.views.preferences import preference_rows

ALPACA = {"instruction": "Name a colour.", "input": "", "output": "Blue.", "chosen": "Blue.", "rejected": "Go away."}
TRL = {"prompt": "Name a tree.", "chosen": "An oak.", "rejected": "No.", "margin": 3}
HH = {
    "chosen": "\n\nHuman: Name a day.\n\nAssistant: Monday.",
    "rejected": "\n\nHuman: Name a day.\n\nAssistant: Never.",
}
CHAT = {
    "prompt": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Bye"},
    ],
    "chosen": [{"role": "assistant", "content": "Goodbye."}],
    "rejected": [{"role": "assistant", "content": "So?"}],
}
ALL_FOUR = [ALPACA, TRL, HH, CHAT]
TABLES = ("prompts", "instructions", "completions", "pairs", "comparisons", "accounts", "audit")


def write(path: Path, rows: list) -> Path:
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def counts(store) -> dict[str, int]:
    return {table: store.value(f"SELECT count(*) FROM {table}") for table in TABLES}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "given.jsonl"


def test_preferences_become_comparisons_by_the_file(store, file):
    result = import_file(store, write(file, ALL_FOUR), "preferences")
    assert result == {"read": 4, "added": 4, "duplicate": 0, "rejected": 0}
    rows = preference_rows(store)
    assert [(row.prompt, row.chosen, row.rejected, row.margin) for row in sorted(rows, key=lambda row: row.chosen)] == [
        ("Name a tree.", "An oak.", "No.", 3),
        ("Name a colour.", "Blue.", "Go away.", 2),
        ("user: Hi\n\nassistant: Hello.\n\nuser: Bye", "Goodbye.", "So?", 2),
        ("Name a day.", "Monday.", "Never.", 2),
    ]
    assert {(row.source, row.labeler) for row in rows} == {("import", "file:given.jsonl")}
    assert next(row for row in rows if row.messages).messages == CHAT["prompt"]


def test_the_author_cannot_log_in_and_the_pairs_are_not_shown(store, file):
    import_file(store, write(file, ALL_FOUR), "preferences")
    account = store.accounts.by_name("file:given.jsonl")
    assert (account.role, account.password_hash, account.simulated) == ("labeler", None, False)
    assert store.pairs.waiting_count() == 0
    assert {pair.purpose for pair in store.pairs.all()} == {"import"}
    assert store.completions.get(store.pairs.all()[0].first_id).model_name == "given"


def test_importing_twice_adds_nothing_whatever_the_name_and_packing(store, file, tmp_path):
    import_file(store, write(file, ALL_FOUR), "preferences")
    before = counts(store)
    again = tmp_path / "other.json.gz"
    again.write_bytes(gzip.compress(json.dumps(ALL_FOUR, indent=2).encode()))
    for path in (file, again):
        assert import_file(store, path, "preferences") == {"read": 4, "added": 0, "duplicate": 4, "rejected": 0}
    assert counts(store) | {"audit": 1} == before


def test_the_side_says_nothing_about_which_is_better_and_is_the_same_every_time(store, file, tmp_path):
    many = [{"prompt": f"Say {n}.", "chosen": f"{n}", "rejected": "no"} for n in range(200)]
    import_file(store, write(file, many), "preferences")
    sides = {row.prompt: row.label for row in preference_rows(store)}
    assert 70 < sum(sides.values()) < 130  # 200 fair coins: 100, standard deviation 7
    from data import Store

    other = Store(tmp_path / "other home")
    import_file(other, file, "preferences")
    assert {row.prompt: row.label for row in preference_rows(other)} == sides
    other.close()


def test_simulated_labels_of_a_file_stay_simulated(store, file):
    import_file(store, write(file, [TRL | {"source": "simulated"}]), "preferences")
    [row] = preference_rows(store, source="simulated")
    assert store.accounts.get(row.labeler_id).simulated
    with pytest.raises(BadInput, match="no comparisons by people"):
        preference_rows(store)


def test_simulated_labelers_of_a_file_stay_apart_and_come_in_once(store, file):
    rows = [TRL | {"source": "simulated", "labeler": number} for number in (7, 8)]
    assert import_file(store, write(file, rows), "preferences")["added"] == 2
    assert import_file(store, file, "preferences")["duplicate"] == 2
    assert {row.labeler for row in preference_rows(store, source="all")} == {
        "file:given.jsonl (simulated 7)",
        "file:given.jsonl (simulated 8)",
    }


def test_two_rows_about_one_pair_are_two_comparisons(store, file):
    turned = ALPACA | {"chosen": ALPACA["rejected"], "rejected": ALPACA["chosen"]}
    assert import_file(store, write(file, [ALPACA, turned]), "preferences")["added"] == 2
    assert store.pairs.count() == 1


def test_prompts_from_json_and_from_plain_lines(store, file, tmp_path):
    rows = [
        {"prompt": "One", "family": "numbers", "facts": {"n": 1}},
        {"prompt": CHAT["prompt"]},
        {"instruction": "Two"},
    ]
    assert import_file(store, write(file, rows), "prompts")["added"] == 3
    plain = write(tmp_path / "more.txt", ["Three", "", "two", "{Four}"])
    assert import_file(store, plain, "prompts") == {
        "read": 3,
        "added": 2,
        "duplicate": 1,
        "rejected": 0,
    }  # Two is there
    found = {prompt.text: prompt for prompt in store.prompts.all()}
    assert (found["One"].family, found["One"].facts, found["One"].source) == ("numbers", {"n": 1}, "given.jsonl")
    assert found["Three"].source == "more.txt"
    assert "{Four}" in found


def test_json_in_a_file_named_txt_is_read_as_json(store, tmp_path):
    import_file(store, write(tmp_path / "prompts.txt", [{"prompt": "One"}]), "prompts")
    assert [prompt.text for prompt in store.prompts.all()] == ["One"]


def test_instructions_bring_their_prompts(store, file):
    rows = [
        {
            "instruction": "Add.",
            "input": "1 2",
            "output": "3",
            "text": "ignored",
            "defects": ["curt"],
            "family": "sums",
        },
        {"prompt": "Name a tree.", "completion": "Oak."},
        {"messages": CHAT["prompt"] + CHAT["chosen"]},
    ]
    assert import_file(store, write(file, rows), "instructions")["added"] == 3
    first, *_ = store.instructions.all()
    assert (first.instruction, first.input, first.output, first.defects) == ("Add.", "1 2", "3", ["curt"])
    prompts = {prompt.text: prompt for prompt in store.prompts.all()}
    assert prompts["Add.\n\n1 2"].family == "sums"
    assert prompts["user: Hi\n\nassistant: Hello.\n\nuser: Bye"].messages == CHAT["prompt"]
    assert import_file(store, file, "instructions")["duplicate"] == 3


def test_completions_of_other_models_wait_in_pairs(store, file):
    rows = [
        {"prompt": "Say hi.", "response": text, "model": model}
        for text, model in (("Hi.", "a"), ("Hi.", "b"), ("Yo.", "c"))
    ]
    assert import_file(store, write(file, rows), "completions")["added"] == 3
    assert store.pairs.count() == 2
    assert store.pairs.waiting_count() == 1  # equal texts are not shown
    assert import_file(store, file, "completions")["duplicate"] == 3
    assert store.pairs.count() == 2


def test_a_bad_row_stops_everything_and_names_its_line(store, file):
    before = counts(store)
    write(file, [TRL, "", {"promt": "a", "chosen": "b", "rejected": "c"}, HH, "{cut"])
    with pytest.raises(BadInput) as caught:
        import_file(store, file, "preferences")
    error = caught.value
    assert str(error) == (
        f"{file}:3: 'chosen' and 'rejected' share no prompt: give it under 'prompt' (2 of 4 rows are good) (field 'prompt')."
        " Correct it, or import the good rows with --skip-bad."
    )
    assert error.as_json()["line"] == 3
    assert counts(store) == before
    assert list(file.parent.glob("*rejected*")) == []


def test_skip_bad_keeps_the_good_rows_and_writes_down_the_others(store, file):
    write(file, [TRL, {"promt": "a"}, HH, "{cut"])
    result = import_file(store, file, "preferences", skip_bad=True)
    rejected = Path(result.pop("rejected_file"))
    assert result == {"read": 4, "added": 2, "duplicate": 0, "rejected": 2}
    assert rejected == file.with_name("given.jsonl.rejected.jsonl")
    assert [json.loads(line) for line in rejected.read_text().splitlines()] == [
        {"line": 2, "reason": "the row has no 'prompt': rename 'promt' to 'prompt'", "row": {"promt": "a"}},
        {
            "line": 4,
            "reason": "not valid JSON (Expecting property name enclosed in double quotes, column 2)",
            "row": {},
        },
    ]


def test_rejected_rows_go_to_the_home_where_the_folder_is_read_only(store, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    file = write(folder / "given.jsonl", [TRL, {"promt": "a"}])
    folder.chmod(0o555)
    result = import_file(store, file, "preferences", skip_bad=True)
    folder.chmod(0o755)
    assert result["rejected_file"] == str(store.home / "given.jsonl.rejected.jsonl")


@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_file_without_one_good_row_is_refused(store, file, skip_bad):
    write(file, [{"question": "a"}, {"question": "b"}])
    with pytest.raises(
        BadInput, match=r"0 of 2 rows are good.*Each row needs 'prompt', 'messages', 'conversations' or 'instruction'"
    ):
        import_file(store, file, "prompts", skip_bad=skip_bad)
    file.write_text("[]")
    with pytest.raises(BadInput, match="there are no rows in the file"):
        import_file(store, file, "prompts", skip_bad=skip_bad)
    assert counts(store)["prompts"] == 0


def test_the_nearest_key_is_named(store, file):
    with pytest.raises(BadInput, match="the row has no 'prompt': rename 'promt' to 'prompt'"):
        import_file(store, write(file, [{"promt": "a"}]), "prompts")


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


def test_what_cannot_be_written_beside_it_leaves_the_store_as_it_was(store, file):
    before = counts(store)
    write(file, [TRL, {"promt": "a"}])
    file.with_name("given.jsonl.rejected.jsonl").mkdir()  # a folder stands where the rejected rows would go
    with pytest.raises(BadInput, match="cannot be written"):
        import_file(store, file, "preferences", skip_bad=True)
    assert counts(store) == before


def test_the_import_is_in_the_audit_list(store, file):
    import_file(store, write(file, ALL_FOUR), "preferences", by="anna", name="upload.jsonl")
    [act] = store.audit.all()
    assert (act["actor"], act["action"], act["detail"]["file"], act["detail"]["added"]) == (
        "anna",
        "import",
        "upload.jsonl",
        4,
    )


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
        assert result["read"] == len(rows) == result["added"] + result["duplicate"] + result["rejected"]


def test_a_row_nested_to_the_limit_is_a_bad_row(store, file):
    for depth in range(900, 1000, 7):
        deep = "[" * depth + "]" * depth
        file.write_text(f'{{"prompt": "a"}}\n{{"prompt": "b", "facts": {{"deep": {deep}}}}}\n')
        assert import_file(store, file, "prompts", skip_bad=True)["read"] == 2


def test_a_file_name_that_is_no_text_is_spelled_as_well_as_can_be(store, tmp_path):
    path = Path(os.fsdecode(bytes(tmp_path) + b"/na\xffme.jsonl"))
    import_file(store, write(path, ALL_FOUR), "preferences")
    assert store.accounts.by_name("file:na?me.jsonl")
