# SPDX-License-Identifier: Apache-2.0
"""The home's `import` folder, and the route by which a browser uploads a file to it.

A page never opens a path that somebody typed: it offers the regular files of this one folder and follows no link.
The operator of the server may put files there that are too large to upload.
"""

from __future__ import annotations

import re
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from data.records import Account
from data.store import Store
from labeling.accounts.management import audit_name
from labeling.api.route import researcher_only
from labeling.http import bodies
from labeling.texts.pages import bad_input
from labeling.texts.translate import Refusal

FOLDER = "import"
NAME_LENGTH, NAME_BYTES = 100, 200
"""Longest name of a file. File systems allow 255 bytes, and names of rejected rows are longer by 15."""


def incoming(store: Store) -> list[Path]:
    """Return the regular files of the folder, newest first, without the rejected rows that imports wrote there."""
    folder = store.home / FOLDER
    files = [path for path in folder.iterdir() if _offered(path)] if folder.is_dir() else []
    return sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)


def chosen(store: Store, name: str) -> Path:
    """Return the file of that name in the folder. Raise Refusal if there is none."""
    for path in incoming(store):
        if path.name == name:
            return path
    raise Refusal("train.data.no_such_file", file=name[:80])


def clean(name: str) -> str:
    """Return a name without a path: letters of any language, digits, spaces, and . _ -, its end.

    At most 100 characters and 200 bytes. Raise BadInput if no letter or digit is left.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    cleaned = re.sub(r"[^\w .()-]", "_", last).strip(" .")[-NAME_LENGTH:]
    cleaned = cleaned.encode()[-NAME_BYTES:].decode("utf-8", "ignore").lstrip(" .")
    if not cleaned:
        raise bad_input("refused.upload_name", field="name", name=name[:80])
    return cleaned


def upload(store: Store) -> Route:
    """Return the route POST /train/data/upload?name=N: the body becomes a file of that name, whole or not at all."""

    async def take(request: Request, account: Account) -> Response:
        name = clean(request.query_params.get("name", ""))
        size = await _write(request, store.home / FOLDER, name)
        store.audit.add(audit_name(account), "upload", file=name, bytes=size)
        return JSONResponse({"name": name, "bytes": size})

    return Route("/train/data/upload", researcher_only(take), methods=["POST"])


async def _write(request: Request, folder: Path, name: str) -> int:
    """Write the body as a file of the folder; return its bytes. Raise BadInput if it is too long or empty."""
    try:
        async with bodies.receive_file(request, folder) as part:
            size = part.stat().st_size
            if not size:
                raise bad_input("refused.upload_empty", field="file")
            part.replace(folder / name)
            return size
    except HTTPException as problem:
        raise bad_input("refused.upload_long", field="file", limit=bodies.FILE_LIMIT, folder=str(folder)) from problem


def _offered(path: Path) -> bool:
    return (
        path.is_file()
        and not path.is_symlink()
        and not path.name.startswith(".")
        and not path.name.endswith(".rejected.jsonl")
    )
