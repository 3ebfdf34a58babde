# SPDX-License-Identifier: Apache-2.0
"""Archives between a server and its workers: plain tar files of regular files below named folders.

Weights do not compress, so nothing is compressed. What arrives is checked member by member before it is written: no
absolute name, no `..`, no link, no device, and no more files and bytes than allowed.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from labeling.http.bodies import UPLOAD_LIMIT
from labeling.texts.pages import bad_input

UPLOAD_FILES = 100_000
"""Most members of an archive."""
UNFINISHED = frozenset({"draft", "deleted", "part"})
"""Names of files and folders that a training has not completed, or is deleting."""


def pack(out: Path, texts: Iterable[tuple[str, str]], places: Iterable[tuple[Path, str]]) -> None:
    """Write an archive of texts, and of files and folders, each under its name. A missing one is left out.

    Raises FileNotFoundError if a file vanishes meanwhile.
    """
    with tarfile.open(out, "w") as archive:
        for name, text in texts:
            content = text.encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for place, name in places:
            if place.is_file():
                archive.add(place, name)
            for path in finished_files(place):
                archive.add(path, f"{name}/{path.relative_to(place).as_posix()}", recursive=False)


def finished_files(folder: Path) -> list[Path]:
    """Return the regular files below a folder in order, without those that a training has not completed."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in files if not _is_unfinished(path.relative_to(folder)))


def _is_unfinished(path: Path) -> bool:
    return any(part in UNFINISHED or part.endswith(".part") for part in path.parts)


def unpack(file: Path, folder: Path, allowed: Iterable[str]) -> None:
    """Write the members of an archive below `folder`. Each lies at or below one of the `allowed` names.

    Raises BadInput, perhaps after some were written, for any other member and for an archive that cannot be read, and
    OSError if the disk is full.
    """
    places = tuple(PurePosixPath(name) for name in allowed)
    try:
        with tarfile.open(file, "r:") as archive:
            for member in _counted(archive):
                _refuse(member, places)
                archive.extract(member, folder, filter="data")
    except (tarfile.TarError, EOFError) as problem:
        raise bad_input("refused.job_archive", problem=str(problem)) from None


def _counted(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    size = 0
    for number, member in enumerate(archive):
        size += member.size
        if number >= UPLOAD_FILES or size > UPLOAD_LIMIT:
            raise bad_input("refused.job_archive_size", files=UPLOAD_FILES, size=UPLOAD_LIMIT)
        yield member


def _refuse(member: tarfile.TarInfo, allowed: tuple[PurePosixPath, ...]) -> None:
    """Raise BadInput for a member that no worker and no server of this program writes."""
    place = PurePosixPath(member.name)
    inside = not place.is_absolute() and ".." not in place.parts and "\\" not in member.name
    if not inside or not member.isreg() or not any(place.is_relative_to(name) for name in allowed):
        raise bad_input("refused.job_archive_member", name=member.name[:80])
