# SPDX-License-Identifier: Apache-2.0
"""A fuzzer of imports: rows in the published shape of a reader, mutated, and imported into a real store.

Nothing but `BadInput` may be raised. Every row counts as read, duplicate or rejected. Every text of a good row is in
what was read from it, or in the list of what was not read; so is every planted column.
"""

from __future__ import annotations

import copy
import csv
import json
import random
import re
import traceback
from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import parquet

from data.errors import BadInput
from data.formats import read_row
from data.formats.grouping import ROWS, group_rows
from data.formats.reading import read_rows
from data.formats.registry import AUTO, FORMATS, READERS
from data.formats.rows.fields import BadRow
from data.formats.tracked_row import TrackedRow
from data.store import Store
from data.transfer.checked_rows import CheckedRow, ImportFile, Reading, check_rows
from data.transfer.importing import import_file
from tests.support.data.published_rows import published_rows
from tests.support.data.row_mutations import PLANTED, follow, mutate, places, plant

CLEAN, PLAIN = 0.3, 0.3
"""Shares of rows without a mutation, and of those with one."""
FILES = {".jsonl": 0.6, ".csv": 0.2, ".parquet": 0.2}
"""Kinds of files and their shares of the rows."""
MARK = re.compile(r"[a-z]{1,8}[.!] \(\d+\)|planted \d+")
"""The number in a text, with letters of the word before it."""

LEFT_OUT = ("left out", "no comparison")
"""Words of remarks that say themselves that something of the row was not taken."""


class Fuzzed(NamedTuple):
    """The number of rows that were imported and of good ones among them, and the faults."""

    rows: int
    good: int
    faults: list[str]


def fuzz_reader(form: str, count: int, store: Store, folder: Path, seed: int = 101) -> Fuzzed:
    """Import at least `count` mutated rows of a format as every kind that it holds."""
    kinds = {what: bases for what in READERS if (bases := _bases(form, what))}
    rows, good, faults = 0, 0, list[str]()
    for what, bases in kinds.items():
        chance = random.Random(f"{seed} {form} {what}")
        for ending, share in FILES.items():
            made = list(_make_rows(bases, ceil(count * share / len(kinds)), chance))
            named = form if form == "trl-implicit" or chance.random() < 0.5 else AUTO
            file, reading = folder / f"{form}-{what}{ending}", Reading(what, named)
            _write(file, made)
            try:
                checked = list(check_rows(ImportFile.at(file), reading))
                found = [*_account(checked, len(made)), *_import(file, reading, checked, store)]
            except BadInput:  # of the whole file, such as a table whose only column has an odd name
                continue
            except Exception:  # noqa: BLE001 (anything but BadInput is what the fuzzer looks for)
                found = [f"{traceback.format_exc(limit=-3)} {_crashing(file, reading)}"]
                checked = []
            rows, good = rows + len(made), good + sum(bool(row.good) for row in checked)
            faults += [f"{file.name}: {fault}" for fault in found]
            file.unlink()
    return Fuzzed(rows, good, faults)


def _bases(form: str, what: str) -> list[list[dict]]:
    """Return the published rows of a format that hold such rows; those that belong together as one group."""
    groups = []
    for _, row, _ in group_rows(((number, row, "") for number, row in enumerate(published_rows()[form])), what, form):
        try:
            read_row(row, what, form)
        except BadRow:
            continue
        groups.append(row.get(ROWS, [row]))
    return groups


def _make_rows(bases: Sequence[list[dict]], count: int, chance: random.Random) -> Iterator[dict]:
    """Yield rows: each text with a mark of its own, some mutated, some with a planted column, some repeated."""
    made = 0
    while made < count:
        for base in copy.deepcopy(chance.choice(bases)):
            row = _mark(base, made)
            if chance.random() > CLEAN:
                for _ in range(1 if chance.random() < PLAIN else chance.randint(1, 3)):
                    if chance.random() < 0.4:
                        plant(row, f"planted {made}", chance)
                    else:
                        mutate(row, chance)
            if not any(map(_cell, row.values())):
                continue  # a blank line of a table
            for _ in range(2 if chance.random() < 0.05 else 1):
                yield row
                made += 1


def _mark(row: dict, number: int) -> dict:
    """Return the row with a number in its sentences: texts that end with a mark of a sentence. Equal ones stay equal."""
    for path in places(row):
        text = follow(row, path)
        if isinstance(text, str) and text.endswith((".", "!")):
            follow(row, path[:-1])[path[-1]] = f"{text} ({number})"
    return row


def _crashing(file: Path, reading: Reading) -> str:
    """Return the beginning of the row that cannot be read."""
    for _, row, _ in group_rows(read_rows(file), reading.what, reading.form):
        try:
            read_row(TrackedRow(row), reading.what, reading.form)
        except BadRow:
            continue
        except Exception:  # noqa: BLE001 (the row that is looked for)
            return str(row)[:700]
    return "no row by itself"


def _account(checked: Sequence[CheckedRow], count: int) -> Iterator[str]:
    """Yield what is missing from the account of rows, and texts of good rows that were lost."""
    cut = any("nothing after it can be read" in row.reason for row in checked)
    if (rows := sum(map(_rows_of, checked))) != count and not cut:
        yield f"{rows} of {count} rows are accounted for"
    for row in checked:
        if row.good:
            yield from _losses(row)


def _import(file: Path, reading: Reading, checked: Sequence[CheckedRow], store: Store) -> Iterator[str]:
    """Import a file; yield what is wrong with the report. A small file is imported twice."""
    good = [row for row in checked if row.good]
    bad, shapes = len(checked) - len(good), sum(len(row.good) for row in good)
    try:
        result = import_file(store, file, reading.what, form=reading.form, skip_bad=True)
    except BadInput as refused:
        if good:
            yield f"refused with {len(good)} good rows: {refused}"
        return
    if (result["read"], result["rejected"]) != (shapes + bad, bad):
        yield f"{result['read']} read, {result['rejected']} rejected for {shapes} and {bad} rows"
    if result["read"] != result["added"] + result["duplicate"] + result["rejected"]:
        yield f"the counts do not add up: {result}"
    if bad != (reported := sum(problem["rows"] for problem in result["problems"])):
        yield f"{bad} bad rows, {reported} of them with a reason"
    listed = {column["column"].rpartition(".")[2] for column in result["columns"] if column["read_as"] is None}
    if missing := {name for row in good for name in PLANTED if row.row.get(name)} - listed:
        yield f"the planted columns {missing} are not in the report"
    if file.suffix == ".parquet":
        again = import_file(store, file, reading.what, form=reading.form, skip_bad=True)
        if (again["added"], again["read"]) != (0, result["read"]):
            yield f"imported again: {again['added']} added, {again['read']} read"


def _rows_of(checked: CheckedRow) -> int:
    """Return the number of the file's rows in one that was checked."""
    return len(checked.row[ROWS]) if set(checked.row) - {"prompt", "message_tree_id"} == {ROWS} else 1


def _losses(checked: CheckedRow) -> Iterator[str]:
    """Yield each text of a good row that is neither in what was read nor in what was not."""
    assert checked.tracked is not None
    if any(words in note for note in checked.tracked.notes for words in LEFT_OUT):
        return
    form = FORMATS[checked.tracked.form]
    unused = [value for name, value in checked.tracked.read() if form.role(name).endswith("not stored")]
    seen = repr([[good.shape for good in checked.good], list(checked.tracked.unread()), unused])
    for text in _texts(checked.row):
        for mark in MARK.findall(text):
            if mark not in seen:
                yield f"line {checked.line}: {mark!r} is lost: {str(checked.row)[:700]}"
                return


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(item)


def _write(file: Path, rows: Sequence[dict]) -> None:
    """Write rows; in a table lists and objects are JSON, and in Parquet every value is bytes."""
    if file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    if file.suffix == ".parquet":
        columns = [
            pa.array([None if cell is None else cell.encode("utf-8", "surrogatepass") for cell in column], pa.binary())
            for column in zip(*cells, strict=True)
        ]
        parquet.write_table(pa.Table.from_arrays(columns, names), file)
        return
    with file.open("w", newline="", encoding="utf-8", errors="surrogatepass") as stream:
        csv.writer(stream).writerows([names, *cells])


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, list | dict | bool) else str(value)
