# SPDX-License-Identifier: Apache-2.0
"""The manifest of a checkpoint: the path, size and hash of each file. A server asks for the files that it lacks."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rlhf.jobs.archive import UPLOAD_FILES, finished_files
from rlhf.jobs.base_files import hash_file

MANIFEST = "manifest.json"
FILES = "files"
"""Names in the archive of a checkpoint: its manifest, and the folder of the files that it sends, by their hashes."""


class ManifestFile(BaseModel):
    """A file of a checkpoint, by its path below the checkpoint's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(min_length=1, max_length=1000)
    size: int = Field(ge=0)
    hash: str = Field(pattern="^[0-9a-f]{64}$")

    @field_validator("path")
    @classmethod
    def _check_path(cls, path: str) -> str:
        place = PurePosixPath(path)
        if place.is_absolute() or ".." in place.parts or not place.parts or "\\" in path or "\0" in path:
            raise ValueError(f"{path[:80]!r} lies outside of the checkpoint")
        return path


class Manifest(BaseModel):
    """The files of a checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: list[ManifestFile] = Field(max_length=UPLOAD_FILES)


def describe_files(folder: Path) -> Manifest:
    """Return the manifest of the complete files of a folder. Each state of a file is read once.

    Raises FileNotFoundError if a file vanishes meanwhile.
    """
    files = []
    for path in finished_files(folder):
        state = path.stat()
        digest = hash_file(path, state.st_size, state.st_mtime_ns)
        files.append(ManifestFile(path=path.relative_to(folder).as_posix(), size=state.st_size, hash=digest))
    return Manifest(files=files)
