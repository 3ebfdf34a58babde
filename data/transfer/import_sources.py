# SPDX-License-Identifier: Apache-2.0
"""Files behind what a person names: a file, a folder, a pattern, a zip archive, or a data set in the hub's cache.

The files of one folder, archive or data set come in natural order. What is left out is noted with the reason.
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import NamedTuple

from data.errors import BadInput
from data.formats.files import archives
from data.formats.files.other_kinds import refuse_document
from data.formats.files.source import Source, unpacked_name
from data.formats.reading import detect_kind
from data.texts import Translatable, join_texts
from data.transfer.checked_rows import ImportFile
from data.transfer.hub import cached_dataset

NUMBERED = re.compile(
    r"(?:(?:part|shard|chunk|data|file|batch)[-_.]?)?\d+(?:-of-\d+.*)?|(?:(.+?)[-_.])?\d+-of-\d+.*", re.IGNORECASE
)
"""Names of shards without their ending; the group is the split."""
TEXT_ENDINGS = frozenset(("", ".jsonl", ".json", ".ndjson", ".jl", ".csv", ".tsv", ".tab", ".dat"))
"""Endings of files of a folder that may hold rows as text; other text, such as README.md, is left out."""
DESCRIPTIONS = frozenset(
    (
        "dataset_info.json",
        "dataset_infos.json",
        "dataset_dict.json",
        "state.json",
        "metadata.json",
        "config.json",
        "croissant.json",
    )
)
"""Files that describe a data set."""
REJECTED = ".rejected.jsonl"
MOST = 10_000
"""Files of one folder or archive."""
NAMED = 3
"""Files that a note names before it counts the others."""


class Expanded(NamedTuple):
    """The files to read, and lines on the files of each folder and on what was left out."""

    files: list[ImportFile]
    notes: list[str]


def expand(files: Sequence[ImportFile]) -> Expanded:
    """Return the files to read. Raises BadInput for a folder or archive without rows, and for what is not there."""
    notes: list[str] = []
    return Expanded([part for file in files for part in _expand(file, notes)], notes)


def notes_of(files: Sequence[ImportFile]) -> list[str]:
    """Return what readers noted, each note with its files if there are several files."""
    notes: dict[str, list[str]] = {}
    for file in files:
        for note in file.source.notes:
            notes.setdefault(note, []).append(PurePath(file.source.member or file.source.path).name)
    if len(files) == 1:
        return list(notes)
    return [Translatable.of("source.noted", note=note, names=_listed(names)) for note, names in notes.items()]


def _expand(file: ImportFile, notes: list[str]) -> list[ImportFile]:
    source = file.source
    path = source.path
    if path.is_dir():
        return _folder(path, file, notes)
    if path.exists():
        return _archive(file, notes) if path.is_file() and _is_archive(source) else [file]
    if glob.has_magic(str(path)):
        matches = sorted(glob.glob(str(path), recursive=True), key=_natural)
        if not matches:
            raise BadInput.of("error.no_match", file=str(path))
        return [part for each in matches for part in _expand(ImportFile.at(each, encoding=source.encoding), notes)]
    name, _, split = str(path).partition(":")
    folder = cached_dataset(name)
    return [file] if folder is None else _folder(folder, file._replace(name=name, local=False), notes, split)


def _folder(folder: Path, whole: ImportFile, notes: list[str], split: str = "") -> list[ImportFile]:
    """Return the files of a folder that hold rows, or those of one split."""
    inside = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    inside = sorted((path for path in inside if not _is_hidden(path) and _is_of(path, split)), key=_natural)
    if len(inside) > MOST:
        raise BadInput.of("error.many_in_folder", file=str(folder), count=len(inside))
    parts, left = [], dict[str, list[str]]()
    saved = _saved_files(folder)
    for relative in inside:
        source = Source(folder / relative, encoding=whole.source.encoding)
        part = ImportFile(source, _label(whole.name, relative), whole.local)
        if reason := _reason_to_leave(source, saved):
            left.setdefault(reason, []).append(str(relative))
        elif _is_archive(source):
            parts += _archive(part, notes)
        else:
            parts.append(part)
    notes += _described(parts, left, folder if whole.local else PurePath(whole.name), split)
    return parts


def _archive(file: ImportFile, notes: list[str]) -> list[ImportFile]:
    """Return the members of an archive that hold rows."""
    path = file.source.path
    refuse_document(file.source)
    members = [info for info in archives.list_members(path) if not _is_hidden(PurePath(info.filename))]
    if len(members) > MOST:
        raise BadInput.of("error.many_in_archive", file=str(path), count=len(members))
    parts, left = [], dict[str, list[str]]()
    for info in sorted(members, key=lambda info: _natural(info.filename)):
        source, member = Source(path, info, file.source.encoding), info.filename
        name = unpacked_name(member) if len(members) == 1 else _label(file.name.removesuffix(".zip"), PurePath(member))
        if reason := _reason_to_leave(source, alone=len(members) == 1):
            left.setdefault(reason, []).append(member)
        else:
            parts.append(ImportFile(source, name, file.local))
    notes += _described(parts, left, path)
    return parts


def _described(
    parts: Sequence[ImportFile], left: dict[str, list[str]], place: PurePath, split: str = ""
) -> Iterator[str]:
    """Yield the number of files with their names, and what was left out. Raises BadInput if there are none."""
    told = [Translatable.of("source.left", reason=reason, names=_listed(names)) for reason, names in left.items()]
    if not parts:
        which = Translatable.of("source.of_split", split=split) if split else ""
        seen = Translatable.of("source.seen", left=join_texts("source.list", told)) if told else ""
        raise BadInput.of("error.no_rows_inside", file=str(place), which=which, seen=seen)
    names = list(dict.fromkeys(part.name for part in parts))
    name = place.name if isinstance(place, Path) else str(place)
    yield Translatable.of("source.files", place=name, n=len(parts), names=_listed(names))
    yield from told


def _saved_files(folder: Path) -> dict[Path, frozenset[str]]:
    """Return the names of the files that belong to each folder of `datasets.save_to_disk`.

    Raises BadInput for rows that an index of an old version selects.
    """
    saved = {}
    for path in folder.rglob("state.json"):
        try:
            state = json.loads(path.read_bytes())
            files = [each["filename"] for each in state["_data_files"]]
        except (ValueError, KeyError, TypeError, OSError, RecursionError):
            continue  # of another program
        if state.get("_indices_files") or state.get("_indices_data_files"):
            raise BadInput.of("error.index_rows", file=str(path))
        saved[path.parent] = frozenset(files)
    return saved


def _reason_to_leave(
    source: Source, saved: Mapping[Path, frozenset[str]] = MappingProxyType({}), *, alone: bool = False
) -> str:
    """Return why a file of a folder or archive holds no rows; empty if it may."""
    full = PurePath(source.member or source.path).name
    name = source.name
    if name in DESCRIPTIONS:
        return Translatable.of("source.describes")
    if name.endswith(REJECTED):
        return Translatable.of("source.rejected")
    if full.startswith(("cache-", "tmp")) and full.endswith(".arrow"):
        return Translatable.of("source.cached")
    if not source.member and full not in saved.get(source.path.parent, (full,)):
        return Translatable.of("source.unlisted")
    try:
        if not source.member and _is_archive(source):
            refuse_document(source)
            return ""
        kind = detect_kind(source)
    except BadInput as problem:
        return problem.error
    if kind in ("parquet", "arrow") or (alone and name.endswith(".txt")):
        return ""
    without_rows = kind == "text" or PurePath(name).suffix.lower() not in TEXT_ENDINGS
    return Translatable.of("source.text") if without_rows else ""


def _is_archive(source: Source) -> bool:
    try:
        with source.path.open("rb") as file:
            return not source.member and file.read(4) == archives.MAGIC
    except OSError:
        return False  # reading it says why


def _is_hidden(path: PurePath) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _is_of(path: PurePath, split: str) -> bool:
    """Return whether a file's path names the split or configuration."""
    return not split or split in path.parts or split in re.split(r"[^A-Za-z0-9_]+", str(path))


def _label(root: str, relative: PurePath) -> str:
    """Return the name of a file for its rows: shards of one split share a name."""
    name = unpacked_name(relative.name)
    stem = name.partition(".")[0] if "-of-" in name else PurePath(name).stem
    shard = NUMBERED.fullmatch(stem)
    last = (shard[1] or "") if shard else name
    return "/".join(filter(None, (root, *relative.parts[:-1], last)))


def _natural(path: PurePath | str) -> list[tuple[int, int, str]]:
    """Return the key of natural order: numbers by their size."""
    pieces = re.split(r"(\d+)", str(path))
    return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece.casefold()) for piece in pieces]


def _listed(names: Sequence[str]) -> str:
    first = ", ".join(names[:NAMED])
    return Translatable.of("source.more", names=first, n=len(names) - NAMED) if len(names) > NAMED else first
