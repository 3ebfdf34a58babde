# SPDX-License-Identifier: Apache-2.0
"""Thirty kinds of hostile files: bombs, cut and damaged ones, wrong kinds, rows that no format knows."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

Maker = Callable[[Path], object]
MEGABYTE = 1_000_000
GOOD = b'{"prompt": "p", "chosen": "yes", "rejected": "no"}\n'


def write(content: bytes) -> Maker:
    """Return a maker of a file with this content."""
    return lambda file: file.write_bytes(content)


def pack(parts: Iterable[bytes]) -> bytes:
    """Return parts as one gzip file."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as stream:
        for part in parts:
            stream.write(part)
    return packed.getvalue()


def row(**fields: object) -> bytes:
    """Return one JSON line."""
    return json.dumps({"prompt": "p", "chosen": "yes", "rejected": "no"} | fields).encode() + b"\n"


def parquet(columns: Callable[[], pa.Table], **options: object) -> Maker:
    """Return a maker of a Parquet file."""
    return lambda file: pq.write_table(columns(), file, **options)


def same_long_text() -> pa.Table:
    """Return 64 rows of the same 16 MB text, which a dictionary holds once."""
    long = pa.array(["a" * (16 << 20)])
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 64, pa.int32()), long)
    return pa.table({"prompt": texts, "chosen": texts, "rejected": pa.array(["no"] * 64)})


def many_columns() -> pa.Table:
    """Return a table of 3,000 columns and one row."""
    return pa.table({f"column {number}": [number] for number in range(3000)})


def nested() -> pa.Table:
    """Return a table whose values are lists of lists."""
    return pa.table({"prompt": [[["a"]] * 2], "chosen": [{"a": 1}], "rejected": [[1]]})


def cut_parquet(file: Path) -> None:
    """Write a Parquet file without its last bytes."""
    pq.write_table(pa.table({"prompt": ["a"] * 900}), file)
    file.write_bytes(file.read_bytes()[:-40])


def spoiled_parquet(file: Path) -> None:
    """Write a Parquet file with noise in its pages."""
    pq.write_table(
        pa.table({"prompt": [str(n) for n in range(9000)], "chosen": ["a"] * 9000, "rejected": ["b"] * 9000}), file
    )
    content = bytearray(file.read_bytes())
    content[100:4000] = random.Random(0).randbytes(3900)
    file.write_bytes(content)


def database(file: Path) -> None:
    """Write a database of SQLite."""
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE a (b)")
    connection.commit()
    connection.close()


def archive(file: Path) -> None:
    """Write an archive with a member outside its folder."""
    with tarfile.open(file, "w") as tar:
        member = tarfile.TarInfo("../../escaped.jsonl")
        member.size = len(GOOD)
        tar.addfile(member, io.BytesIO(GOOD))


def zip_bomb(file: Path) -> None:
    """Write a zip file of 400 MB of zeros."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as folder, folder.open("a.jsonl", "w") as member:
        for _ in range(400):
            member.write(bytes(MEGABYTE))


FILES: dict[str, tuple[str, Maker, str]] = {
    "1 GB of zeros in gzip": ("a.jsonl.gz", write(pack(bytes(MEGABYTE) for _ in range(1000))), "preferences"),
    "dictionary of 64 long texts": ("a.parquet", parquet(same_long_text, compression="zstd"), "preferences"),
    "nested 100,000 deep": ("a.jsonl", write(b"[" * 100_000), "preferences"),
    "noise": ("a.jsonl", write(random.Random(0).randbytes(200_000)), "preferences"),
    "empty": ("a.jsonl", write(b""), "preferences"),
    "gzip in gzip": ("a.jsonl.gz", write(gzip.compress(gzip.compress(GOOD))), "preferences"),
    "gzip cut": ("a.jsonl.gz", write(gzip.compress(GOOD * 9000)[:-20]), "preferences"),
    "gzip with a tail": ("a.jsonl.gz", write(gzip.compress(GOOD) + b"tail"), "preferences"),
    "100 MB of blank lines in gzip": ("a.jsonl.gz", write(pack(b"\n" * MEGABYTE for _ in range(100))), "preferences"),
    "one row of 300 MB in gzip": (
        "a.jsonl.gz",
        write(pack([b'{"prompt":"', *[b"a" * MEGABYTE] * 300, b'"}'])),
        "prompts",
    ),
    "spaces without an end": ("a.jsonl.gz", write(pack(b" " * MEGABYTE for _ in range(300))), "preferences"),
    "JSON array of 200,000 arrays": ("a.json", write(b"[" + b"[]," * 200_000 + b"[]]"), "preferences"),
    "huge numbers": (
        "a.jsonl",
        write(row(margin=1) + b'{"prompt":"p","chosen":"a","rejected":"b","margin":1e400}\n'),
        "preferences",
    ),
    "lone surrogates": ("a.jsonl", write(row(prompt="\ud800", chosen="\udc00")), "preferences"),
    "not UTF-8": ("a.jsonl", write(b'{"prompt":"\xff\xfe"}\n' * 50), "preferences"),
    "UTF-16": ("a.jsonl", write(GOOD.decode().encode("utf-16")), "preferences"),
    "NUL bytes": ("a.jsonl", write(GOOD.replace(b"p", b"\x00")), "preferences"),
    "doubled keys": ("a.jsonl", write(b'{"prompt":"p","prompt":"q","chosen":"a","rejected":"b"}\n'), "preferences"),
    "wrong types": ("a.jsonl", write(row(prompt={"a": [1]}, chosen=[None], rejected=True) * 50), "preferences"),
    "200,000 bad rows": ("a.jsonl", write(b'{"a":1}\n' * 200_000), "instructions"),
    "CSV with an open quote": ("a.csv", write(b'prompt,chosen,rejected\n"a' + b"\nb" * 900_000), "preferences"),
    "CSV record of many lines": (
        "a.csv.gz",
        write(pack([b'prompt,chosen\n"', *[b"a\n" * 500_000] * 40, b'",b'])),
        "preferences",
    ),
    "CSV of 20,000 columns": (
        "a.csv",
        write(b",".join(b"c%d" % n for n in range(20_000)) + b"\n" + b"," * 19_999),
        "preferences",
    ),
    "Parquet of 3,000 columns": ("a.parquet", parquet(many_columns), "preferences"),
    "Parquet of lists": ("a.parquet", parquet(nested), "preferences"),
    "Parquet cut": ("a.parquet", cut_parquet, "preferences"),
    "Parquet with noise": ("a.parquet", spoiled_parquet, "preferences"),
    "a database": ("a.jsonl", database, "preferences"),
    "an archive": ("a.tar", archive, "preferences"),
    "a zip bomb": ("a.zip", zip_bomb, "preferences"),
    "a pipe": ("a.jsonl", lambda file: os.mkfifo(file), "preferences"),
    "an endless device": ("a.jsonl", lambda file: file.symlink_to("/dev/zero"), "preferences"),
    "a link to itself": ("a.jsonl", lambda file: file.symlink_to(file), "preferences"),
    "a folder": ("a.jsonl", lambda file: file.mkdir(), "preferences"),
    "a name with escape codes": ("a\x1b[31m\n.jsonl", write(b"x"), "preferences"),
}
"""Name -> (file name, maker, what to import it as)."""
