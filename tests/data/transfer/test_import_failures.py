# SPDX-License-Identifier: Apache-2.0
"""Several files come in together; an import that fails in the middle leaves no row."""

from __future__ import annotations

import pytest
from sqlite_utils.utils import sqlite3

from data.errors import BadInput
from data.transfer.checked_rows import ImportFile
from data.transfer.importing import import_file, import_files
from tests.support.data.import_rows import counted, preference, write


def breaking(store, table, condition):
    """From now on the store refuses such a row, as it would on a full disk."""
    store.execute(
        f"CREATE TRIGGER full BEFORE INSERT ON {table} WHEN {condition} BEGIN SELECT RAISE(ABORT, 'no more room'); END"
    )


def test_several_files_come_in_together_or_not_at_all(store, tmp_path):
    files = [
        write(tmp_path / f"{model}.jsonl", [{"prompt": f"Note {n}", "response": f"{model} {n}"} for n in range(3)])
        for model in ("big", "small")
    ]
    with files[1].open("a") as stream:
        stream.write('{"prompt": "Note 3"}\n')
    with pytest.raises(BadInput, match=r"small.jsonl:4: the row has no 'response'.*\(6 of 7 rows are good\)"):
        import_files(store, [ImportFile.at(path) for path in files], "completions")
    assert store.completions.count() == 0
    done = import_files(store, [ImportFile.at(path) for path in files], "completions", skip_bad=True)
    assert (done["added"], done["rejected"], done["rejected_file"]) == (
        6,
        1,
        str(store.home / "rejected" / f"{files[1].name}.rejected.jsonl"),
    )
    pairs = [
        {store.completions.get(id).model_name for id in (pair.first_id, pair.second_id)} for pair in store.pairs.all()
    ]
    assert pairs == [{"big", "small"}] * 3  # the answers of both to each prompt
    assert store.imports.all()[-1]["files"] == ["big.jsonl", "small.jsonl"]


@pytest.mark.parametrize(
    ("table", "condition"),
    [
        ("comparisons", "NEW.winner_id IN (SELECT id FROM completions WHERE text = 'Dear 700')"),
        ("completions", "NEW.text = 'no 700'"),
    ],
)
def test_a_failure_in_the_middle_leaves_no_comparison_and_nothing_to_judge(store, tmp_path, table, condition):
    file = write(tmp_path / "some.jsonl", (preference(number) for number in range(800)))
    breaking(store, table, condition)
    with pytest.raises(sqlite3.IntegrityError, match="no more room"):
        import_file(store, file, "preferences")
    assert store.comparisons.events() == []
    assert store.pairs.waiting_count() == 0
    assert store.audit.all() == []
    store.execute("DROP TRIGGER full")
    assert counted(import_file(store, file, "preferences")) == {
        "read": 800,
        "added": 800,
        "duplicate": 0,
        "rejected": 0,
    }
    assert (store.prompts.count(), store.completions.count(), store.pairs.count()) == (800, 1600, 800)


@pytest.mark.parametrize("what", ["prompts", "instructions"])
def test_prompts_and_instructions_come_together_or_not_at_all(store, tmp_path, what):
    rows = (
        {"prompt": f"Note {n}"} if what == "prompts" else {"instruction": f"Note {n}", "output": "Sure."}
        for n in range(800)
    )
    file = write(tmp_path / "some.jsonl", rows)
    breaking(store, "prompts", "NEW.text = 'Note 700'")
    with pytest.raises(sqlite3.IntegrityError, match="no more room"):
        import_file(store, file, what)
    assert (store.prompts.count(), store.instructions.count()) == (0, 0)
    store.execute("DROP TRIGGER full")
    assert import_file(store, file, what)["added"] == 800


def test_every_imported_answer_is_in_a_pair_with_an_earlier_one(store, tmp_path):
    answers = [
        {"prompt": f"Note {n}", "completion": f"{model} {n}", "model": model}
        for n in range(200)
        for model in ("one", "two", "three")
    ]
    file = write(tmp_path / "some.jsonl", answers)
    breaking(store, "completions", "NEW.text = 'two 150'")
    with pytest.raises(sqlite3.IntegrityError, match="no more room"):
        import_file(store, file, "completions")
    assert (store.completions.count(), store.pairs.count()) == (0, 0)
    store.execute("DROP TRIGGER full")
    import_file(store, file, "completions")
    models = [
        {store.completions.get(id).model_name for id in (pair.first_id, pair.second_id)} for pair in store.pairs.all()
    ]
    assert models.count({"one", "two"}) == 200  # the second answer has one choice, the third two
    assert models.count({"one", "three"}) + models.count({"two", "three"}) == 200
    assert 60 < models.count({"one", "three"}) < 140  # a fair coin 200 times: 100, standard deviation 7
    assert counted(import_file(store, file, "completions")) == {
        "read": 600,
        "added": 0,
        "duplicate": 600,
        "rejected": 0,
    }
    assert store.pairs.count() == 400
