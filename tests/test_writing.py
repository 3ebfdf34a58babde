# SPDX-License-Identifier: Apache-2.0
"""Prose and documents follow the house style: no banned paraphrase, short sentences, files and modules that exist."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

LAYERS = ("data", "labeling", "reward", "rlhf")
MOST_WORDS = 20
MOST_KOREAN_WORDS = 15
"""A Korean word holds its particle or auxiliary verb, so a sentence of the same length has fewer words."""
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(
            path
            for part in ("decisions", "formats", "how-to", "reference")
            for path in (ROOT / "docs" / part).glob("*.md")
        ),
    ],
    key=str,
)
HASHED = {ROOT / "data" / "starter" / f"{name}.py" for name in ("corpus", "families", "manners", "rubric", "words")}
SOURCES = [ROOT / "app.py", *(path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py")))]
BANNED = re.compile(
    r"""\b(?:is|are|was|were|be|been)\ (?:told|said|kept|met|looked\ at)\b
    | \bfound\ out\b | \bof\ which\b | \bas\ which\b | \bby\ looking\b | \bin\ a\ word\b | \bset\ aside\b
    | \bgoes\ on\b | \bwithout\ a\ word\b | \bgo\ by\b | \bgoes\ by\b | \bthe\ form\ of\ a\ run\b
    | \bwhat\ can\ be\ said\b | \bleaning\ to\b | \bquestions\ on\ their\ way\b""",
    re.IGNORECASE | re.VERBOSE,
)
READERS_FILES = ("FILE.py", "near_eight.py", "rules.py", "train.py")
"""Files that a reader writes, and placeholders."""
RELATIVE = re.compile(r"\s*(?:What|How|Whether|Which|Where|Who)\b(?!.*\?)")


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield every docstring, text and comment of a source file with its line."""
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, " ".join(node.value.split())
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield every docstring of a source file with its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text


def paragraphs(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the paragraphs and list items of a document, without code, tables and headings."""
    block, start, fenced = [], 0, False
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), ""], 1):
        fenced ^= line.lstrip().startswith("```")
        text = not fenced and line.strip() and not line.startswith(("    ", "|", "#", "```", "!["))
        if block and (not text or re.match(r"\s*(?:[-*]|\d+\.) ", line)):
            yield start, " ".join(block)
            block = []
        if text:
            start = start if block else number
            block.append(re.sub(r"^\s*(?:[-*]|\d+\.) ", "", line).strip())


def sentences(text: str) -> list[str]:
    """Split a paragraph into sentences; code spans and links count as one word."""
    text = re.sub(r"`[^`]*`", "CODE", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.split(r"(?<=[.!?;:])[\"')*]*\s+", text)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_use_no_banned_paraphrase(path):
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    assert [(number, match[0]) for number, line in lines for match in BANNED.finditer(line)] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_sentences_of_documents_are_short(path):
    most = MOST_KOREAN_WORDS if path.name.endswith(".ko.md") else MOST_WORDS
    long = [
        (number, sentence)
        for number, paragraph in paragraphs(path)
        for sentence in sentences(paragraph)
        if len(re.findall(r"[\w'’%.,/-]*\w[\w'’%.,/-]*", sentence)) > most
    ]
    assert long == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_and_messages_use_no_banned_paraphrase(path):
    if path in HASHED:
        return
    assert [(line, match[0]) for line, text in prose(path) for match in BANNED.finditer(text)] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_do_not_open_with_a_relative_clause(path):
    if path in HASHED:
        return
    assert [(line, text.splitlines()[0]) for line, text in docstrings(path) if RELATIVE.match(text)] == []


def python_paths() -> Iterator[tuple[str, str, str]]:
    """Yield (place, path, name) of every Python file, and of everything below tests/, that a document names."""
    pattern = re.compile(r"(?<![\w/.-])((?:[\w-]+/)*[\w-]+\.py|tests/[\w/.-]*\w)(?:::(\w+))?")
    for path in DOCUMENTS:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for match in pattern.finditer(line):
                if not match[1].endswith(("/X.py", *READERS_FILES)):
                    yield f"{path.relative_to(ROOT)}:{number}", match[1], match[2] or ""


def test_documents_name_only_files_and_tests_that_exist():
    files = {str(path.relative_to(ROOT)) for path in [ROOT / "app.py", *SOURCES, *(ROOT / "tests").rglob("*.py")]}
    names = {
        name for path in (ROOT / "tests").rglob("*.py") for name in re.findall(r"def (\w+)", path.read_text("utf-8"))
    }
    paths = list(python_paths())
    assert len(paths) > 20
    lost = [
        f"{place} names {path}"
        for place, path, _ in paths
        if not (ROOT / path).exists() and not any(file.endswith(f"/{path}") for file in files)
    ]
    assert lost == []
    assert [f"{place} names {name}" for place, _, name in paths if name and name not in names] == []


def is_importable(name: str) -> bool:
    """Return whether a dotted name is a module or package, or a name that one of them holds."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:length])
        source = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
        if path.is_dir() or source.is_file():
            text = source.read_text("utf-8") if source.is_file() else ""
            return length == len(parts) or re.search(rf"\b{parts[length]}\b", text) is not None
    return False


def test_documents_name_only_modules_that_exist():
    pattern = re.compile(r"(?<![\w./-])(?:data|labeling|reward|rlhf|tests)(?:\.\w+)+")
    names = {(path.name, name) for path in DOCUMENTS for name in pattern.findall(path.read_text("utf-8"))}
    assert len(names) > 10
    lost = {(place, name) for place, name in names if not name.endswith((".json", ".md")) and not is_importable(name)}
    assert lost == set()
