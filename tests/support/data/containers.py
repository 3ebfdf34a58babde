# SPDX-License-Identifier: Apache-2.0
"""Rows as files of every kind: each writer takes rows of texts and a folder, and returns what to import."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from pyarrow import feather, parquet

Rows = list[dict]


def json_lines(rows: Rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def table(rows: Rows, *, delimiter: str = ",", end: str = "\n", index: bool = False) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow([*([""] if index else []), *rows[0]])
    writer.writerows([*([number] if index else []), *row.values()] for number, row in enumerate(rows))
    return out.getvalue().encode()


def zstandard(content: bytes) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(content)
    return out.getvalue().to_pybytes()


def arrow(rows: Rows, *, stream: bool = False, compression: str | None = None) -> bytes:
    items, out = pa.Table.from_pylist(rows), pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    opened = (pa.ipc.new_stream if stream else pa.ipc.new_file)(out, items.schema, options=options)
    with opened as writer:
        writer.write_table(items, max_chunksize=3)
    return out.getvalue().to_pybytes()


def parquet_file(rows: Rows) -> bytes:
    out = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue().to_pybytes()


def feather_file(rows: Rows) -> bytes:
    out = pa.BufferOutputStream()
    feather.write_feather(pa.Table.from_pylist(rows), out)
    return out.getvalue().to_pybytes()


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def halves(rows: Rows) -> tuple[Rows, Rows]:
    return rows[: len(rows) // 2 + 1], rows[len(rows) // 2 + 1 :]


def folder(rows: Rows, path: Path) -> Path:
    first, second = halves(rows)
    path.mkdir()
    (path / "part-9.parquet").write_bytes(parquet_file(first))
    if second:
        (path / "part-10.jsonl.gz").write_bytes(gzip.compress(json_lines(second)))
    (path / "README.md").write_text("# Rows\n")
    return path


def archive(rows: Rows) -> bytes:
    first, second = halves(rows)
    return zipped({"rows/9.csv": table(first), **({"rows/10.arrow": arrow(second)} if second else {})})


FILES: dict[str, Callable[[Rows], bytes]] = {
    "jsonl": json_lines,
    "json": lambda rows: json.dumps(rows).encode(),
    "jsonl.gz": lambda rows: gzip.compress(json_lines(rows)),
    "jsonl.zst": lambda rows: zstandard(json_lines(rows)),
    "jsonl.bz2": lambda rows: bz2.compress(json_lines(rows[:1])) + bz2.compress(json_lines(rows[1:])),
    "jsonl.xz": lambda rows: lzma.compress(json_lines(rows)),
    "utf-16": lambda rows: json_lines(rows).decode().encode("utf-16"),
    "csv": table,
    "csv.index": lambda rows: table(rows, index=True),
    "csv.cr": lambda rows: table(rows, end="\r"),
    "csv.bar": lambda rows: table(rows, delimiter="|"),
    "csv.sep": lambda rows: b"sep=;\r\n" + table(rows, delimiter=";", end="\r\n"),
    "csv.utf-16": lambda rows: table(rows, delimiter="\t").decode().encode("utf-16"),
    "parquet": parquet_file,
    "parquet.xz": lambda rows: lzma.compress(parquet_file(rows)),
    "feather": feather_file,
    "arrow": lambda rows: arrow(rows, compression="zstd"),
    "arrows": lambda rows: arrow(rows, stream=True),
    "arrows.zst": lambda rows: zstandard(arrow(rows, stream=True)),
    "zip": archive,
}
"""Kind -> the bytes of a file."""
