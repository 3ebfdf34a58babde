# SPDX-License-Identifier: Apache-2.0
"""Damaged stores: every command ends with one line and no traceback, and `store check` finds the damage."""

from __future__ import annotations

import contextlib
import io
import random
import shutil
import sqlite3
import traceback
from collections.abc import Callable
from pathlib import Path

import app
from data.store import FILE
from tests.attack import Report
from tests.attack.home import make_home

PAGE = 4096
COMMANDS = (
    ["store", "check"],
    ["account", "list"],
    ["labels", "agreement"],
    ["runs"],
    ["export", "OUT.jsonl", "--what", "events"],
    ["export", "OUT.jsonl", "--what", "instructions"],
    ["backup", "OUT.tar"],
)
Damage = Callable[[Path], None]


def overwrite(pages: int, seed: int, content: bytes = b"") -> Damage:
    """Return a damage: random pages but the first are overwritten with noise, or with `content`."""

    def damage(file: Path) -> None:
        generator, whole = random.Random(seed), bytearray(file.read_bytes())
        for page in generator.sample(range(1, len(whole) // PAGE), pages):
            whole[page * PAGE : (page + 1) * PAGE] = content or generator.randbytes(PAGE)
        file.write_bytes(whole)

    return damage


def patch(offset: int, content: bytes) -> Damage:
    """Return a damage: some bytes are overwritten."""

    def damage(file: Path) -> None:
        whole = bytearray(file.read_bytes())
        whole[offset : offset + len(content)] = content
        file.write_bytes(whole)

    return damage


def cut(share: float) -> Damage:
    """Return a damage: only the first share of the file is left."""

    def damage(file: Path) -> None:
        file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])

    return damage


def execute(*statements: str) -> Damage:
    """Return a damage: statements of another program."""

    def damage(file: Path) -> None:
        with contextlib.closing(sqlite3.connect(file)) as database:
            for statement in statements:
                database.execute(statement)
            database.commit()

    return damage


def replace_with_folder(file: Path) -> None:
    """Replace the database with a folder."""
    file.unlink()
    file.mkdir()


def replace_with_link(file: Path) -> None:
    """Replace the database with a link to itself."""
    file.unlink()
    file.symlink_to(file)


def other_log(file: Path) -> None:
    """Put the write-ahead log of another database beside a database whose first pages are overwritten."""
    overwrite(2, 5)(file)
    file.with_name(f"{FILE}-wal").write_bytes(random.Random(1).randbytes(40_000))


DAMAGES: dict[str, Damage] = {
    **{f"{pages} pages of noise, seed {seed}": overwrite(pages, seed) for pages in (2, 12) for seed in range(3)},
    **{
        f"{pages} zeroed pages, seed {seed}": overwrite(pages, seed, bytes(PAGE))
        for pages in (6, 20)
        for seed in range(2)
    },
    "empty": cut(0.0),
    "one byte": lambda file: file.write_bytes(b"S"),
    "a header alone": lambda file: file.write_bytes(file.read_bytes()[:100]),
    "a quarter": cut(0.25),
    "half": cut(0.5),
    "without its last pages": cut(0.97),
    "magic": patch(0, b"X" * 16),
    "page size 3": patch(16, b"\x00\x03"),
    "format version": patch(18, b"\xff\xff"),
    "first page after the header": patch(100, b"\xaa" * 3900),
    "text, no database": lambda file: file.write_text("no database\n" * 900),
    "missing": lambda file: file.unlink(),
    "a folder": replace_with_folder,
    "a link to itself": replace_with_link,
    "noise as write-ahead log": other_log,
    "another program's": lambda file: (file.unlink(), execute("CREATE TABLE songs (title)")(file))[0],
    "newer schema": execute("INSERT INTO _sqlite_migrations VALUES (9999, 'preference-loop', 'm999_later', '')"),
    "index dropped": execute("DROP INDEX comparisons_pair"),
    "table dropped": execute("DROP TABLE runs"),
    "derived rows lost": execute("DELETE FROM queue"),
    "trigger dropped": execute("DROP TRIGGER comparisons_refuse_update"),
}


def main(home: Path, count: int = len(DAMAGES)) -> Report:
    """Damage copies of a home in that many ways, and run the commands on each."""
    make_home(home).close()
    faults: list[str] = []
    lines = 0
    for name in list(DAMAGES)[:count]:
        copy = home.parent / "copy"
        shutil.copytree(home, copy, symlinks=True)
        DAMAGES[name](copy / FILE)
        for command in COMMANDS:
            status, out, err = run(copy, command)
            lines += 1
            faults += [f"{name}: {' '.join(command)}: {fault}" for fault in judge(command, status, out, err)]
        shutil.rmtree(copy)
    return Report(f"{count} damaged stores, {lines} commands: one line each, all found by `store check`", faults)


def judge(command: list[str], status: int, out: str, err: str) -> list[str]:
    """Return what is wrong with a command's end on a damaged store."""
    if "Traceback" in err:
        return [f"a traceback: {err.strip().splitlines()[-1]}"]
    if command == ["store", "check"]:
        return [] if status in (1, 2) else [f"finds nothing: {out.strip()[:200]!r}"]
    if status == 2 and len(err.splitlines()) != 1:
        return [f"{len(err.splitlines())} lines of error: {err[:200]!r}"]
    return [] if status in (0, 2) else [f"exit status {status}: {out[:100]!r} {err[:100]!r}"]


def run(home: Path, command: list[str]) -> tuple[int, str, str]:
    """Run a command in this process -> (exit status, stdout, stderr); an exception is a traceback in stderr."""
    folder = home.parent / "out"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    words = [str(folder / word) if word.startswith("OUT") else word for word in command]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = app.main([*words, "--home", str(home)])
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
            status = 1
    return status, out.getvalue(), err.getvalue()
