# SPDX-License-Identifier: Apache-2.0
"""Text for pre-training: the generated corpus, or files read on demand. Importable without torch.

Plain text has one document per line; JSON lines and Parquet have one per row, in a named column. No file is read
whole: documents are shuffled within a window.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from data.errors import BadInput
from data.splits import split_of
from data.starter import corpus
from labeling.texts.pages import bad_input

SHUFFLED = 20_000
"""Size of the shuffle window, in documents."""


@dataclass(frozen=True, slots=True)
class TextSource:
    """Endless training documents, and held-out documents; each is a function of a seed."""

    documents: Callable[[int], Iterator[str]]
    held_out: Callable[[int], Iterator[str]]


def read_text(text: str, column: str = "text") -> TextSource:
    """Open the generated corpus for "starter", else a file or folder.

    Of files, documents that hash to the test split are held out. Raises BadInput if a file is missing, unreadable or
    without text.
    """
    if text == "starter":
        return TextSource(corpus.documents, corpus.documents)
    files = _files(Path(text).expanduser())

    def trained() -> Iterator[str]:
        return (document for document in _read(files, column) if split_of(document) != "test")

    if next(trained(), None) is None:
        raise BadInput.of("train.refused.text_empty", file=text, field="text")

    def documents(seed: int) -> Iterator[str]:
        rng = random.Random(seed)
        while True:
            yield from _marked(shuffle_window(trained(), rng))

    return TextSource(
        documents, lambda seed: _marked(document for document in _read(files, column) if split_of(document) == "test")
    )


def shuffle_window(documents: Iterable[str], rng: random.Random) -> Iterator[str]:
    """Yield all documents once, each drawn from a window of SHUFFLED documents."""
    window: list[str] = []
    for document in documents:
        if len(window) < SHUFFLED:
            window.append(document)
            continue
        place = rng.randrange(SHUFFLED)
        yield window[place]
        window[place] = document
    rng.shuffle(window)
    yield from window


def _marked(documents: Iterable[str]) -> Iterator[str]:
    return (document + corpus.DOCUMENT for document in documents)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix in READERS)
        if files:
            return files
        raise BadInput.of("train.refused.text_folder", file=str(path), field="text")
    if not path.is_file():
        raise bad_input("refused.text_file", field="text", path=str(path))
    return [path]


def _read(files: Iterable[Path], column: str) -> Iterator[str]:
    for file in files:
        try:
            yield from (
                document for document in map(str.strip, READERS.get(file.suffix, _lines)(file, column)) if document
            )
        except (OSError, UnicodeDecodeError) as problem:
            raise BadInput.of(
                "train.refused.text_unreadable", file=str(file), field="text", problem=str(problem)
            ) from None


def _lines(file: Path, column: str) -> Iterator[str]:
    with file.open(encoding="utf-8-sig") as lines:
        yield from lines


def _rows(file: Path, column: str) -> Iterator[str]:
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _cell(file, number, column, line)


def _cell(file: Path, number: int, column: str, line: str) -> str:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict) or not isinstance(row.get(column), str):
        has = ", ".join(map(repr, list(row)[:6])) if isinstance(row, dict) else ""
        key = "train.refused.text_column" if isinstance(row, dict) else "train.refused.text_no_object"
        raise BadInput.of(key, file=str(file), line=number, field="column", column=column, has=has)
    return row[column]


def _parquet(file: Path, column: str) -> Iterator[str]:
    import pyarrow.parquet as parquet  # slow to import, and only Parquet files need it
    from pyarrow import ArrowException

    try:
        table = parquet.ParquetFile(file)
    except ArrowException as problem:
        raise BadInput.of("train.refused.text_unreadable", file=str(file), field="text", problem=str(problem)) from None
    names = table.schema_arrow.names
    if column not in names:
        raise BadInput.of(
            "train.refused.text_no_column", file=str(file), field="column", column=column, names=", ".join(names)
        )
    for batch in table.iter_batches(columns=[column]):
        yield from (str(value) for value in batch.column(0).to_pylist() if value is not None)


READERS: dict[str, Callable[[Path, str], Iterator[str]]] = {".txt": _lines, ".jsonl": _rows, ".parquet": _parquet}
