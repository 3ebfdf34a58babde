"""Files on their way in: the home's `import` folder, and the route by which a browser puts one there.

A page never opens a path that somebody typed. It offers what lies in this one folder, where whoever runs the server may also put
files that are too large to send; a link in it that leads elsewhere is not followed.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from data.errors import BadInput
from data.records import Account
from data.store import Store
from labeling.people import actor
from labeling.transfer import explained

FOLDER = "import"
FILE_LIMIT = 1024**3
"""Bytes of one file that is sent; larger ones are put into the folder by hand."""
NAME_LENGTH = 100


def incoming(store: Store) -> list[Path]:
    """The regular files of the folder, newest first; what `--skip-bad` wrote there is none of them."""
    folder = store.home / FOLDER
    found = [path for path in folder.iterdir() if _offered(path)] if folder.is_dir() else []
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def chosen(store: Store, name: str) -> Path:
    """The file of that name in the folder. Raises BadInput where the folder offers none."""
    for path in incoming(store):
        if path.name == name:
            return path
    raise BadInput(f"there is no file {name[:80]!r} in the import folder", "Upload it, or choose one from the list.", field="file")


def clean(name: str) -> str:
    """A name that is only a name: letters of any language, digits, spaces, and . _ - are kept, the last 100 characters. Raises BadInput."""
    kept = re.sub(r"[^\w .()-]", "_", name.replace("\\", "/").rpartition("/")[2]).strip(" .")[-NAME_LENGTH:].lstrip(" .")
    if not kept:
        raise BadInput(f"{name[:80]!r} is no name of a file", "Give it a name of letters and digits.", field="name")
    return kept


def upload(store: Store) -> Route:
    """POST /train/data/upload?name=N with the file as body -> {name, bytes}; it replaces one of the same name when it is whole."""

    async def take(request: Request, account: Account) -> Response:
        name = clean(request.query_params.get("name", ""))
        size = await _write(request, store.home / FOLDER, name)
        store.audit.add(actor(account), "upload", file=name, bytes=size)
        return JSONResponse({"name": name, "bytes": size})

    return Route("/train/data/upload", explained(take), methods=["POST"])


async def _write(request: Request, folder: Path, name: str) -> int:
    """The body as a file of the folder; how many bytes. Raises BadInput: too long, empty, or no room, and nothing is left."""
    part, size = folder / f".{secrets.token_hex(16)}", 0
    try:
        folder.mkdir(exist_ok=True)
        with part.open("wb") as out:
            async for piece in request.stream():
                size += len(piece)
                if size > FILE_LIMIT:
                    raise BadInput(f"the file is larger than {FILE_LIMIT >> 20:,} MiB", f"Put it into {folder} on the server.", field="file")
                out.write(piece)
        if not size:
            raise BadInput("the file is empty", "Choose one with at least one row.", field="file")
        part.replace(folder / name)
        return size
    except OSError as problem:
        raise BadInput(f"the file could not be kept: {problem.strerror}", "Free some space and send it again.") from problem
    finally:
        part.unlink(missing_ok=True)


def _offered(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and not path.name.startswith(".") and not path.name.endswith(".rejected.jsonl")
