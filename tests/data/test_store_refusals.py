# SPDX-License-Identifier: Apache-2.0
"""A home or file that the store cannot use is bad input, and the message names the remedy."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from sqlite_utils.utils import sqlite3

from data import Store
from data.errors import BadInput, StoreTrouble
from data.sqlite.connection import TranslatingConnection, require_sqlite
from tests.support import unmeasured_environment
from tests.support.data.python_process import child


def test_an_old_sqlite_is_refused_with_the_remedy():
    with pytest.raises(BadInput, match="SQLite 3.51.2 is older than 3.51.3.*pip install pysqlite3"):
        require_sqlite("3.51.2")
    require_sqlite("3.51.3")
    require_sqlite("3.100.0")


def test_a_home_below_a_file_is_bad_input_that_names_it(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="Not a directory.*--home") as refused:
        Store(tmp_path / "file" / "home")
    assert refused.value.file == str(tmp_path / "file" / "home")


def test_a_file_that_is_no_database_is_bad_input_and_stays_as_it_was(home):
    home.mkdir()
    (home / "feedback.db").write_text("dear diary, " * 1000)
    with pytest.raises(BadInput, match="file is not a database"):
        Store(home)
    assert (home / "feedback.db").read_text() == "dear diary, " * 1000


def test_a_store_of_a_newer_version_is_refused(home):
    store = Store(home)
    row = {"migration_set": "preference-loop", "name": "m999_from_the_future", "applied_at": "2099"}
    store.db["_sqlite_migrations"].insert(row)
    store.close()
    with pytest.raises(BadInput, match="m999_from_the_future.*newer version"):
        Store(home)


READER = """
import os, sys
from sqlite_utils.utils import sqlite3

from data import Store
from data.errors import BadInput, StoreTrouble
from data.sqlite.connection import TranslatingConnection
if os.geteuid() == 0:
    os.setuid(65534)  # root may write anywhere
try:
    Store(sys.argv[1])
except BadInput as error:
    print(error)
"""


@pytest.mark.parametrize("there", [False, True], ids=["empty", "with a store"])
def test_a_read_only_home_is_bad_input(there):
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        if there:
            Store(home).close()
        for path in (*home.iterdir(), home):
            path.chmod(0o555 if path.is_dir() else 0o444)
        out, err = child(READER, home, env=unmeasured_environment()).communicate()
        home.chmod(0o755)
    assert err == ""
    assert out.startswith(f"{home}/feedback.db: Permission denied")
    assert "--home" in out
    assert out.count("\n") == 1


def test_a_full_disk_is_bad_input_and_nothing_is_half_written(store):
    pages = store.value("PRAGMA page_count")
    store.value(f"PRAGMA max_page_count = {pages + 5}")
    rows = [{"text": f"{number} " + "long " * 500, "source": "test"} for number in range(100)]
    with pytest.raises(BadInput, match="disk is full.*Free some space"):
        store.prompts.add_many(rows)
    assert store.prompts.count() == 0
    store.prompts.add("short", source="test")
    assert store.prompts.count() == 1


def test_every_way_to_read_explains_an_error(tmp_path):
    connection = sqlite3.connect(tmp_path / "some.db", factory=TranslatingConnection, isolation_level=None)
    connection.path = tmp_path / "some.db"
    connection.execute("CREATE TABLE t (a)")
    connection.executemany("INSERT INTO t VALUES (?)", [[str(n) * 3000] for n in range(40)])
    connection.close()
    content = (tmp_path / "some.db").read_bytes()
    (tmp_path / "some.db").write_bytes(content[: 8 * 4096] + b"\xaa" * (len(content) - 8 * 4096))
    for read in (list, lambda rows: rows.fetchall(), lambda rows: [rows.fetchone() for _ in range(40)]):
        connection = sqlite3.connect(tmp_path / "some.db", factory=TranslatingConnection)
        connection.path = tmp_path / "some.db"
        with pytest.raises(StoreTrouble, match="malformed.* Run: preference-loop store check"):
            read(connection.execute("SELECT a FROM t"))
        connection.close()
