"""The text a base is pre-trained on: the generated corpus, or a file with one document per line. Importable without torch."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from data.errors import BadInput
from data.splits import split_of
from data.starter import corpus

FORMAT = "Give a file in UTF-8 with one document per line."


@dataclass(frozen=True, slots=True)
class Text:
    """Endless training documents by seed, and by another seed documents that are never trained on (of a file: all there are)."""

    documents: Callable[[int], Iterator[str]]
    held_out: Callable[[int], Iterator[str]]


def read_text(text: str) -> Text:
    """The generated corpus for "starter", anything else is a file; of that the lines that hash to the test split are held out.

    Raises BadInput for a file that is missing, cannot be read, or holds nothing to train on.
    """
    if text == "starter":
        return Text(corpus.documents, corpus.documents)
    lines = _lines(Path(text).expanduser())
    trained = [line for line in lines if split_of(line) != "test"]
    held_out = [line for line in lines if split_of(line) == "test"]
    if not trained:
        raise BadInput("the file holds no text to train on", FORMAT, file=text, field="text")

    def documents(seed: int) -> Iterator[str]:
        rng = random.Random(seed)
        while True:
            yield from _documents(rng.sample(trained, len(trained)))

    return Text(documents, lambda seed: _documents(held_out))


def _documents(lines: list[str]) -> Iterator[str]:
    return (line + corpus.DOCUMENT for line in lines)


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise BadInput(f"there is no text file {str(path)!r}", "Give text=starter or a file with one document per line.", field="text")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise BadInput(f"the file cannot be read: {problem}", FORMAT, file=str(path), field="text") from None
    return [line.strip() for line in text.splitlines() if line.strip()]
