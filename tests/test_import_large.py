"""A large import holds nobody up, and one that breaks off in the middle leaves nothing that counts."""

from __future__ import annotations

import json
import threading
import time

import pytest
from sqlite_utils.utils import sqlite3

from data.importing import import_file
from labeling.session import Answer, Session

ROWS = 20_000


def preference(number):
    return {"prompt": f"Note {number}", "chosen": f"Dear {number}", "rejected": f"no {number}"}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def breaking(store, table, condition):
    """From now on the store refuses such a row, as it would on a full disk."""
    store.execute(f"CREATE TRIGGER full BEFORE INSERT ON {table} WHEN {condition} BEGIN SELECT RAISE(ABORT, 'no more room'); END")


def test_answers_are_recorded_while_a_large_file_is_imported(store, add_pairs, tmp_path):
    add_pairs(ROWS // 50)
    session = Session(store, store.accounts.add("mina", "labeler"))
    file = write(tmp_path / "large.jsonl", (preference(number) for number in range(ROWS)))
    importing = threading.Thread(target=import_file, args=(store, file, "preferences"))
    mine = store.prompts.count()
    importing.start()
    answered = 0
    try:
        while importing.is_alive() and store.prompts.count() == mine:
            time.sleep(0.001)
        while importing.is_alive() and (item := session.next()):
            # waiting longer than the lock's timeout would raise here
            session.submit(Answer(f"answer-{answered:04}", item.assignment, "left"))
            answered += 1
            time.sleep(0.005)
    finally:
        importing.join()
    sources = [event.source for event in store.comparisons.events()]  # in the order of their commits
    assert sources.count("import") == ROWS
    assert sources.index("import") > 10
    assert sources.count("person") == answered


@pytest.mark.parametrize(
    ("table", "condition"),
    [("comparisons", "NEW.winner_id IN (SELECT id FROM completions WHERE text = 'Dear 1700')"), ("completions", "NEW.text = 'no 1700'")],
)
def test_a_failure_in_the_middle_leaves_no_comparison_and_nothing_to_judge(store, tmp_path, table, condition):
    file = write(tmp_path / "some.jsonl", (preference(number) for number in range(2500)))
    breaking(store, table, condition)
    with pytest.raises(sqlite3.IntegrityError, match="no more room"):
        import_file(store, file, "preferences")
    assert store.comparisons.events() == []
    assert store.pairs.waiting_count() == 0
    assert store.audit.list() == []
    store.execute("DROP TRIGGER full")
    assert import_file(store, file, "preferences") == {"read": 2500, "added": 2500, "duplicate": 0, "rejected": 0}
    assert (store.prompts.count(), store.completions.count(), store.pairs.count()) == (2500, 5000, 2500)


@pytest.mark.parametrize("what", ["prompts", "instructions"])
def test_prompts_and_instructions_come_together_or_not_at_all(store, tmp_path, what):
    rows = ({"prompt": f"Note {n}"} if what == "prompts" else {"instruction": f"Note {n}", "output": "Sure."} for n in range(2500))
    file = write(tmp_path / "some.jsonl", rows)
    breaking(store, "prompts", "NEW.text = 'Note 1700'")
    with pytest.raises(sqlite3.IntegrityError, match="no more room"):
        import_file(store, file, what)
    assert (store.prompts.count(), store.instructions.count()) == (0, 0)
    store.execute("DROP TRIGGER full")
    assert import_file(store, file, what)["added"] == 2500


def test_completions_are_shown_in_pairs_once_all_are_there(store, tmp_path):
    answers = [{"prompt": f"Note {n}", "completion": f"{model} {n}", "model": model} for n in range(700) for model in ("one", "two", "three")]
    file = write(tmp_path / "some.jsonl", answers)
    breaking(store, "completions", "NEW.text = 'two 650'")
    with pytest.raises(sqlite3.IntegrityError, match="no more room"):
        import_file(store, file, "completions")
    assert (store.completions.count(), store.pairs.count()) == (1000, 0)  # a chunk
    store.execute("DROP TRIGGER full")
    import_file(store, file, "completions")
    texts = [[store.completions.get(id).text for id in (pair.first_id, pair.second_id)] for pair in store.pairs.list()]
    assert {tuple(sorted(each)) for each in texts} == {
        tuple(sorted(each)) for n in range(700) for each in ((f"one {n}", f"two {n}"), (f"two {n}", f"three {n}"))
    }
    assert import_file(store, file, "completions") == {"read": 2100, "added": 0, "duplicate": 2100, "rejected": 0}
    assert store.pairs.count() == 1400
