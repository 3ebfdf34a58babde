# SPDX-License-Identifier: Apache-2.0
"""A large import blocks nobody, and one that breaks off in the middle leaves nothing that counts."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
import threading
import time
import tracemalloc

import pytest
from sqlite_utils.utils import sqlite3

from data import Store
from data.errors import BadInput
from data.sqlite.schema.imports import TABLES
from data.tables.imports import CHUNK, FEWEST, LONG, Pace
from data.transfer.checked_rows import ImportFile
from data.transfer.importing import import_file, import_files
from labeling.session import Answer, Session
from tests.support import ROOT
from tests.support.data.import_rows import counted, preference, write

ROWS = 2_000


def counts(store):
    return {table: store.value(f"SELECT count(*) FROM {table}") for table in TABLES}


def seen(store):
    """What anyone who asks the store finds."""
    return {
        "prompts": len(store.prompts.all()),
        "prompt count": store.prompts.count(),
        "instructions": len(store.instructions.all()),
        "instruction count": store.instructions.count(),
        "events": len(store.comparisons.events()),
        "current": store.comparisons.count(),
        "waiting": store.pairs.waiting_count(),
    }


def test_answers_are_recorded_while_a_large_file_is_imported(store, add_pairs, tmp_path):
    add_pairs(ROWS // 10)
    session = Session(store, store.accounts.add("mina", "labeler"))
    file = write(tmp_path / "large.jsonl", (preference(number) for number in range(ROWS)))
    importing = threading.Thread(target=import_file, args=(store, file, "preferences"))
    importing.start()
    answered = 0
    try:
        while importing.is_alive() and (item := session.next()):
            # waiting longer than the lock's timeout would raise here
            session.submit(Answer(secrets.token_hex(8), item.assignment, "left"))
            answered += bool(store.value("SELECT 1 FROM imports WHERE done_at IS NULL"))
            time.sleep(0.005)
    finally:
        importing.join()
    assert answered > 10  # while rows were written
    assert store.comparisons.count("import") == ROWS


KINDS = {
    "prompts": lambda n: {"prompt": f"Note {n}"},
    "instructions": lambda n: {"instruction": f"Note {n}", "output": "Sure."},
    "preferences": preference,
    "pairs": preference,
    "completions": lambda n: {"prompt": f"Note {n // 2}", "response": f"Dear {n}", "model": "m"},
}


@pytest.mark.parametrize("what", KINDS)
def test_nothing_is_seen_of_an_import_before_it_is_done_and_then_all(store, add_pairs, tmp_path, what):
    add_pairs(3)
    before, during = seen(store), []
    mina = Session(store, store.accounts.add("mina", "labeler"))
    handed = {pair for pair, *_ in mina.queue.waiting_pairs()}
    file = write(tmp_path / "some.jsonl", map(KINDS[what], range(600)))

    def look(stage, done, total):
        if stage == "written":
            during.append(seen(store))
            assert {pair for pair, *_ in mina.queue.waiting_pairs()} == handed

    import_files(store, [ImportFile.at(file)], what, progress=look)
    assert len(during) >= 3  # chunks
    assert all(result == before for result in during)
    changed = {name for name, value in seen(store).items() if value != before[name]}
    assert (
        changed
        == {"prompts", "prompt count"}
        | {
            "prompts": set(),
            "instructions": {"instructions", "instruction count"},
            "preferences": {"events", "current"},
            "pairs": {"waiting"},
            "completions": {"waiting"},
        }[what]
    )


KILLED = """
import os, signal, sys
from data import Store
from data.transfer.importing import import_files
from data.transfer.checked_rows import ImportFile
def die(stage, done, total):
    if stage == "written" and done >= 500:
        os.kill(os.getpid(), signal.SIGKILL)
import_files(Store(sys.argv[1]), [ImportFile.at(sys.argv[2])], sys.argv[3], progress=die)
"""


@pytest.mark.parametrize("what", KINDS)
def test_an_import_that_is_killed_counts_nowhere_and_the_next_one_takes_it_out(store, home, tmp_path, what):
    file = write(tmp_path / "some.jsonl", map(KINDS[what], range(600)))
    before, empty = seen(store), counts(store)
    died = subprocess.run([sys.executable, "-c", KILLED, str(home), str(file), what], cwd=ROOT)
    assert died.returncode == -signal.SIGKILL
    assert seen(store) == before
    assert counts(store) != empty  # it was in the middle
    import_file(store, write(tmp_path / "other.jsonl", [{"prompt": "One"}]), "prompts")
    assert counts(store) == empty | {"prompts": empty["prompts"] + 1}
    assert counted(import_file(store, file, what)) == {"read": 600, "added": 600, "duplicate": 0, "rejected": 0}


def test_what_was_used_meanwhile_survives_the_import_that_broke_off(store, tmp_path):
    def use(stage, done, total):
        if stage == "written":
            store.instructions.add("Note 7", "By hand.", source="mina")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_files(
            store,
            [ImportFile.at(write(tmp_path / "some.jsonl", map(preference, range(20))))],
            "preferences",
            progress=use,
        )
    assert [prompt.text for prompt in store.prompts.all()] == ["Note 7"]
    assert [row.output for row in store.instructions.all()] == ["By hand."]


def test_commits_get_smaller_where_they_take_long_and_grow_again():
    pace = Pace()
    for _ in range(9):
        pace.took(1.0)
    assert pace.size == FEWEST
    pace.took(0.75 * LONG)  # neither long nor short
    assert pace.size == FEWEST
    for _ in range(40):
        pace.took(0.001)
    assert pace.size == CHUNK


def test_a_second_import_at_the_same_time_is_refused(store, tmp_path):
    file = ImportFile.at(write(tmp_path / "some.jsonl", [preference(1)]))

    def again(stage, done, total):
        import_files(store, [file], "preferences")

    with pytest.raises(BadInput, match="another import is running"):
        import_files(store, [file], "preferences", progress=again)


def test_a_comparison_of_an_import_that_is_done_cannot_be_deleted(store, tmp_path):
    import_file(store, write(tmp_path / "some.jsonl", [preference(1)]), "preferences")
    with pytest.raises(sqlite3.IntegrityError, match="written once"):
        store.execute("DELETE FROM comparisons")


@pytest.mark.parametrize("what", ["preferences", "completions"])
def test_memory_does_not_grow_with_the_file(tmp_path, what):
    peaks = []
    for rows in (500, 1_500):
        given = ({**KINDS[what](number), "padding": "x" * 2000} for number in range(rows))
        file = write(tmp_path / f"{rows}.jsonl", given)
        store = Store(tmp_path / f"home {rows}")
        tracemalloc.start()
        import_file(store, file, what)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        store.close()
    assert peaks[1] < peaks[0] + 500_000  # the file has grown by 2,000,000
