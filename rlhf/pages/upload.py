"""Files on their way in: the home's `import` folder, and the route by which a browser puts one there.

A page never opens a path that somebody typed. It offers what lies in this one folder, where whoever runs the server may also put
files that are too large to send; a link in it that leads elsewhere is not followed.
"""

from __future__ import annotations

import re
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from data.errors import BadInput
from data.records import Account
from data.store import Store
from labeling.accounts.management import audit_name
from labeling.api.route import researcher_only
from labeling.http.bodies import receive_file

FOLDER = "import"
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
    raise BadInput(
        f"there is no file {name[:80]!r} in the import folder", "Upload it, or choose one from the list.", field="file"
    )


def clean(name: str) -> str:
    """A name that is only a name: letters of any language, digits, spaces, and . _ - are kept, the last 100 characters. Raises BadInput."""
    kept = (
        re.sub(r"[^\w .()-]", "_", name.replace("\\", "/").rpartition("/")[2]).strip(" .")[-NAME_LENGTH:].lstrip(" .")
    )
    if not kept:
        raise BadInput(f"{name[:80]!r} is no name of a file", "Give it a name of letters and digits.", field="name")
    return kept


def upload(store: Store) -> Route:
    """POST /train/data/upload?name=N with the file as body -> {name, bytes}; it replaces one of the same name when it is whole."""

    async def take(request: Request, account: Account) -> Response:
        name = clean(request.query_params.get("name", ""))
        size = await _write(request, store.home / FOLDER, name)
        store.audit.add(audit_name(account), "upload", file=name, bytes=size)
        return JSONResponse({"name": name, "bytes": size})

    return Route("/train/data/upload", researcher_only(take), methods=["POST"])


async def _write(request: Request, folder: Path, name: str) -> int:
    """The body as a file of the folder; how many bytes. Raises BadInput: too long, empty, or no room, and nothing is left."""
    try:
        async with receive_file(request, folder) as part:
            size = part.stat().st_size
            if not size:
                raise BadInput("the file is empty", "Choose one with at least one row.", field="file")
            part.replace(folder / name)
            return size
    except HTTPException as problem:
        raise BadInput(problem.detail, f"Put the file into {folder} on the server.", field="file") from problem


def _offered(path: Path) -> bool:
    return (
        path.is_file()
        and not path.is_symlink()
        and not path.name.startswith(".")
        and not path.name.endswith(".rejected.jsonl")
    )
