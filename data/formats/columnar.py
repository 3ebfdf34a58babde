# SPDX-License-Identifier: Apache-2.0
"""Parquet files, read a few rows at a time. Rows are numbered from 1, since such a file has no lines."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from data.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"

MAGIC = b"PAR1"
ROWS = 64  # at once in memory


def read_parquet_rows(path: Path) -> Iterator[tuple[int, dict, str]]:
    """Yield (number, row, problem) of every row.

    Raises BadInput with the number of the row from which on the file cannot be read.
    """
    import pyarrow as pa  # takes a second, so only Parquet files load it
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS):
                for index in range(batch.num_rows):
                    number += 1
                    yield number, *_row(batch.slice(index, 1))
    except (pa.ArrowException, OSError, ValueError) as error:
        what = str(error).partition("\n")[0].rstrip(".")[:160]
        raise BadInput(
            f"the Parquet file is damaged or cut off ({what})", "Fetch it again.", file=str(path), line=number + 1
        ) from None


def _row(batch: pa.RecordBatch) -> tuple[dict, str]:
    """Return the only row of a batch, and its problem or an empty text."""
    try:
        row = to_json_value(batch.to_pylist()[0])
        return row if isinstance(row, dict) else {}, ""
    except (UnicodeDecodeError, ValueError, OverflowError) as error:
        return {}, f"a cell cannot be read ({str(error)[:80]})"


def to_json_value(value: object) -> JsonValue:
    """Return the value as JSON would hold it: NaN and infinities as null, times and other types as text."""
    if isinstance(value, dict):
        return {str(key): to_json_value(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_value(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
