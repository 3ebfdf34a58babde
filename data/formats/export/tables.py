# SPDX-License-Identifier: Apache-2.0
"""Writers of row files, a few rows at a time: JSON Lines, a JSON array, CSV, Parquet; the name's ending decides.

All but Parquet are gzipped if the name ends in .gz. Texts are written byte for byte, also if a spreadsheet would read
one that begins with = + - or @ as a formula: an escaped text would be a different answer (docs/formats.md).
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from data.errors import BadInput
from data.formats.export.column_types import PLAIN, STRUCTURES, arrow_type

Columns = Mapping[str, str]
"""Name -> kind of value, as `data.formats.export.column_types` names it."""
Write = Callable[[dict], object]

KINDS = ("jsonl", "csv", "parquet")
BATCH = 4096  # rows of a Parquet row group


@contextmanager
def open_table(path: Path, name: str, columns: Columns) -> Iterator[Write]:
    """Return a function that writes one row to `path`; `name` decides the kind of file.

    CSV and Parquet have these columns, in this order. Raises BadInput for Parquet with .gz.
    """
    ending = name.removesuffix(".gz").rpartition(".")[2]
    if ending == "parquet":
        if name.endswith(".gz"):
            raise BadInput("Parquet is compressed already", "Leave out .gz.", file=name)
        with _parquet(path, columns) as write:
            yield write
        return
    opening = gzip.open if name.endswith(".gz") else open
    with (
        opening(path, "wt", encoding="utf-8", newline="") as stream,
        {"csv": _csv, "json": _array}.get(ending, _lines)(stream, columns) as write,
    ):
        yield write


@contextmanager
def _lines(stream: IO[str], columns: Columns) -> Iterator[Write]:
    yield lambda row: stream.write(format_json_line(row) + "\n")


@contextmanager
def _array(stream: IO[str], columns: Columns) -> Iterator[Write]:
    between = iter(("[\n",))

    def write(row: dict) -> None:
        stream.write(next(between, ",\n") + format_json_line(row))

    yield write
    stream.write(next(between, "") + "\n]\n")


@contextmanager
def _csv(stream: IO[str], columns: Columns) -> Iterator[Write]:
    # Every text is quoted, so that line ends of any kind inside it stay.
    writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(columns)
    plain = {name for name, kind in columns.items() if kind in PLAIN}

    def write(row: dict) -> None:
        writer.writerow(_cell(row.get(name), name in plain) for name in columns)

    yield write


def _cell(value: object, plain: bool) -> object:
    return value if plain or value is None else json.dumps(value, ensure_ascii=False)


@contextmanager
def _parquet(path: Path, columns: Columns) -> Iterator[Write]:
    import pyarrow as pa  # takes a second, so only Parquet exports load it
    import pyarrow.parquet as pq

    schema = pa.schema([(name, arrow_type(STRUCTURES[kind])) for name, kind in columns.items()])
    batch: list[dict] = []

    def flush(writer: pq.ParquetWriter) -> None:
        cells = {name: [_cell(row.get(name), kind != "json") for row in batch] for name, kind in columns.items()}
        arrays = [pa.array(cells[field.name], field.type) for field in schema]
        writer.write_batch(pa.record_batch(arrays, schema=schema))
        batch.clear()

    with pq.ParquetWriter(path, schema, compression="zstd") as writer:

        def write(row: dict) -> None:
            batch.append(row)
            if len(batch) == BATCH:
                flush(writer)

        yield write
        if batch:
            flush(writer)


def format_json_line(row: dict) -> str:
    """Return one line of JSON, escaped to ASCII if a rejected row holds text that UTF-8 cannot encode."""
    text = json.dumps(row, ensure_ascii=False)
    return text if text.isascii() or _encodes(text) else json.dumps(row)


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
