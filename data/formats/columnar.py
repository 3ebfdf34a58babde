"""Parquet: rows of a columnar file, a few at a time. Rows are numbered from 1, since such a file has no lines."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.errors import BadInput

MAGIC = b"PAR1"
ROWS = 64  # at once in memory


def read_parquet_rows(path: Path) -> Iterator[tuple[int, dict, str]]:
    """(number, row, problem) of every row. Raises BadInput, with the number of the row, where the file cannot be read on."""
    import pyarrow as pa  # takes a second, for which only those who have such a file wait
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS):
                for each in range(batch.num_rows):
                    number += 1
                    yield number, *_row(batch.slice(each, 1))
    except (pa.ArrowException, OSError, ValueError) as error:
        what = str(error).partition("\n")[0].rstrip(".")[:160]
        raise BadInput(
            f"the Parquet file is damaged or cut off ({what})", "Fetch it again.", file=str(path), line=number + 1
        ) from None


def _row(one: Any) -> tuple[dict, str]:
    try:
        return to_json_value(one.to_pylist()[0]), ""
    except (UnicodeDecodeError, ValueError, OverflowError) as error:
        return {}, f"a cell cannot be read ({str(error)[:80]})"


def to_json_value(value: Any) -> Any:
    """The value as JSON would hold it: numbers that are none become null, times and other kinds their text."""
    if isinstance(value, dict):
        return {str(key): to_json_value(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_value(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
