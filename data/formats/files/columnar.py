# SPDX-License-Identifier: Apache-2.0
"""Parquet files, read a few rows at a time. Rows are numbered from 1, since such a file has no lines.

Texts stay dictionary-encoded until their row is known to be short enough: a file of 1 KB may name one text of
16 MB in every row. Memory therefore holds one dictionary and one row.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from data.errors import BadInput
from data.formats.files.opening import RATIO, UNPACKED, open_seekable
from data.formats.files.source import Source
from data.formats.values import LONGEST, TOO_LONG
from data.texts import Translatable

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"

MAGIC = b"PAR1"
ROWS = 64  # at once in memory
PAGE = 1 << 20
"""Bytes that are read of a column at once."""
VALUES, VALUES_PER_ROW = 1 << 24, 1000
"""A column of a row group may not hold more values than both the first, and the second times its rows."""
INDEX = re.compile(r"__index_level_\d+__")
"""Columns in which pandas saves an index that has no name."""
WIDEST = 1024
"""Largest number of bytes in a column of values with a fixed length, such as hashes."""


def read_parquet_rows(path: Path | Source) -> Iterator[tuple[int, dict, str]]:
    """Yield (number, row, problem) of every row. A row above `LONGEST` bytes is a problem and is never unpacked.

    Raises BadInput with the number of the row from which on the file cannot be read.
    """
    import pyarrow as pa  # takes a second, so only Parquet files load it
    from pyarrow import parquet

    source, number = Source.of(path), 0
    try:
        with open_seekable(source) as file:
            with parquet.ParquetFile(file) as head:
                texts = _text_columns(head.schema, source)
                _refuse_bomb(head.metadata, source)
            with parquet.ParquetFile(file, read_dictionary=texts, buffer_size=PAGE) as table:
                for batch in table.iter_batches(batch_size=ROWS, use_threads=False):
                    for row, problem in read_batch(batch, source):
                        number += 1
                        yield number, row, problem
    except (pa.ArrowException, OSError, ValueError) as error:
        what = str(error).partition("\n")[0].rstrip(".")[:160]
        raise BadInput.of("error.parquet_damaged", file=str(source), line=number + 1, what=what) from None


def read_batch(batch: pa.RecordBatch, source: Source) -> Iterator[tuple[dict, str]]:
    """Yield (row, problem) of each row of a batch. The index that pandas saved as a column is no part of it."""
    for name in filter(INDEX.fullmatch, batch.schema.names):
        source.note(Translatable.of("source.named_index", name=name))
        batch = batch.drop_columns([name])
    short = unpacked_size(batch) <= LONGEST
    for index in range(batch.num_rows):
        row = batch.slice(index, 1)
        yield _row(row) if short or unpacked_size(row) <= LONGEST else ({}, TOO_LONG)


def _text_columns(schema: parquet.ParquetSchema, source: Source) -> list[str]:
    """Return the paths of the columns of texts. Raises BadInput for a wide column of a fixed length."""
    columns = [schema.column(place) for place in range(len(schema))]
    wide = next((column.path for column in columns if (column.length or 0) > WIDEST), None)
    if wide:
        raise BadInput.of("error.parquet_wide", file=str(source), wide=wide, widest=WIDEST)
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


def _refuse_bomb(metadata: parquet.FileMetaData, source: Source) -> None:
    """Raise BadInput if a column unpacks to far more than it holds packed, or holds far more values than rows."""
    for group in (metadata.row_group(place) for place in range(metadata.num_row_groups)):
        for column in (group.column(place) for place in range(group.num_columns)):
            size, packed = column.total_uncompressed_size, column.total_compressed_size
            if size > max(UNPACKED, RATIO * packed):
                raise BadInput.of(
                    "error.parquet_unpacks",
                    file=str(source),
                    path_in_schema=column.path_in_schema,
                    packed=packed,
                    size=size,
                )
            if column.num_values > max(VALUES, VALUES_PER_ROW * group.num_rows):
                raise BadInput.of(
                    "error.parquet_values",
                    file=str(source),
                    path_in_schema=column.path_in_schema,
                    num_values=column.num_values,
                    num_rows=group.num_rows,
                )


def unpacked_size(rows: pa.RecordBatch | pa.Array) -> int:
    """Return the bytes of rows or of a column once every text stands on its own."""
    import pyarrow as pa
    from pyarrow import compute

    if isinstance(rows, pa.RecordBatch):
        return sum(unpacked_size(column) for column in rows.columns)
    if isinstance(rows, pa.DictionaryArray):
        if not _holds_texts(rows.dictionary.type):
            return rows.nbytes
        lengths = compute.binary_length(rows.dictionary).take(rows.indices)
        return len(rows) + (compute.sum(lengths.cast(pa.int64())).as_py() or 0)
    if isinstance(rows, pa.StructArray):
        return sum(unpacked_size(part) for part in rows.flatten())
    if isinstance(rows, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
        return 8 * len(rows) + unpacked_size(rows.flatten())
    return rows.nbytes


def _holds_texts(kind: pa.DataType) -> bool:
    from pyarrow import types

    checks = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(check(kind) for check in checks)


def _row(batch: pa.RecordBatch) -> tuple[dict, str]:
    """Return the only row of a batch, and its problem or an empty text."""
    try:
        row = to_json_value(batch.to_pylist()[0])
        return row if isinstance(row, dict) else {}, ""
    except (UnicodeDecodeError, ValueError, OverflowError) as error:
        return {}, Translatable.of("row.cell_unreadable", error=str(error)[:80])


def to_json_value(value: object) -> JsonValue:
    """Return the value as JSON would hold it: NaN and infinities as null, bytes, times and other types as text."""
    if isinstance(value, dict):
        return {str(key): to_json_value(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_value(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bytes):  # a byte that is no text stays a lone surrogate, which no reader accepts
        return value.decode("utf-8", "surrogateescape")
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
