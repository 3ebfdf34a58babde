# SPDX-License-Identifier: Apache-2.0
"""Request bodies: their limits in bytes, and bodies read as files or as JSON. No body passes the gate uncounted."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import isfinite
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from data.errors import BadInput, StoreTrouble
from data.json_text import NotStrict, parse_json
from labeling.texts.pages import bad_input

FILE_LIMIT = 1024**3
"""Largest file in bytes that a request may carry. Larger files are copied into the `import` folder by hand."""
BODY_LIMIT = 256 * 1024
"""Bytes of a body, unless `BODY_LIMITS` allows its route more. The gate counts them."""
BODY_LIMITS = {
    "/label/write": 2 * BODY_LIMIT,  # 20,000 characters of at most 12 encoded bytes each
    "/label/review": 2 * BODY_LIMIT,
    "/train/gradio_api/run/predict": 4 * BODY_LIMIT,
    "/train/data/upload": FILE_LIMIT,
    "/api/v1/import": FILE_LIMIT,
}
"""The only routes of people that may carry more, by their path below the root."""
UPLOAD_LIMIT = 64 * 1024**3
"""Bytes of an archive that a worker sends: checkpoints, or whole weights."""
JOB_LIMITS = {"report": 4 * 1024**2, "manifest": 32 * 1024**2, "checkpoint": UPLOAD_LIMIT, "end": UPLOAD_LIMIT}
"""Bytes that a worker may send, by the last part of the path."""
JOB = re.compile(r"/api/v1/jobs/\d+/(\w+)")
DEPTH = 32
"""Lists and objects inside each other in a JSON body; the deepest of ours has 4."""
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""Characters that UTF-8 or an imported row cannot hold."""
JSON_TYPES = ("application/json", "text/json", "")
"""A body without a content type counts as JSON. Forms are refused, because other sites can post them."""


def limit_of(path: str) -> int:
    """Return the most bytes that the body of a request to `path` may have."""
    path = path.rstrip("/")
    job = JOB.fullmatch(path)
    return JOB_LIMITS.get(job[1], BODY_LIMIT) if job else BODY_LIMITS.get(path, BODY_LIMIT)


def too_long(limit: int) -> HTTPException:
    """Return the error for a body over `limit` bytes. It closes the connection, so the rest is never read."""
    return HTTPException(413, f"the body is longer than {limit:,} bytes", {"connection": "close"})


def count_body(receive: Receive, limit: int) -> Receive:
    """Return `receive` that raises HTTPException 413 as soon as the body is longer than `limit` bytes."""
    size = 0

    async def receive_counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise too_long(limit)
        return message

    return receive_counted


async def read_json_bytes(request: Request) -> bytes:
    """Return the raw JSON body, checked; an empty one is an empty object. Raises as `read_object`."""
    raw = await _read_json_text(request)
    parse_body(raw)
    return raw


async def read_object(request: Request) -> dict[str, Any]:
    """Return the body as a JSON object; an empty body is an empty one.

    Raises BadInput for a body or value that cannot be used, HTTPException 413 over the limit, 415 for another type.
    """
    body = parse_body(await _read_json_text(request))
    if not isinstance(body, dict):
        raise BadInput(f"the body is {type(body).__name__}, not an object", "Send one JSON object.")
    return body


async def _read_json_text(request: Request) -> bytes:
    raw = await read_bytes(request, BODY_LIMIT)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in JSON_TYPES:
        raise HTTPException(415, "the body must be JSON: send content-type: application/json")
    return raw


def parse_body(raw: bytes) -> Any:  # noqa: ANN401 (any JSON value)
    """Return the value of a JSON body. This is the one place where its values are checked.

    Raises BadInput for text that is not JSON, and for values that the store cannot hold (`check_values`).
    """
    try:
        body = parse_json(raw or b"{}")
    except NotStrict as problem:
        raise BadInput(f"the body is not usable: {problem}", "Correct it and send it again.") from problem
    except (ValueError, RecursionError) as error:
        raise not_json() from error
    if isinstance(body, dict):
        for name, value in body.items():
            check_values(name, ascii(name)[1:-1])
            check_values(value, ascii(name)[1:-1])
    else:
        check_values(body, None)
    return body


def check_values(value: object, field: str | None) -> None:
    """Raise BadInput that names `field` if a JSON value is nested too deeply or contains what the store refuses.

    Refused are lone surrogates, NUL characters, infinite numbers and integers of more than 64 bits.
    """
    values = [value]
    for _ in range(DEPTH):
        if not values:
            return
        values = [part for value in values for part in _parts(value, field)]
    if values:
        raise BadInput(f"the body is nested more than {DEPTH} deep", "Send it flatter.", field=field)


def _parts(value: object, field: str | None) -> list[Any]:
    """Return what a list or an object contains, names included; check any other value."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        bad = UNSTORABLE.search(value)
        if bad:
            kind = "a NUL character" if bad[0] == "\0" else f"the lone surrogate {ascii(bad[0])}"
            raise BadInput(f"the text contains {kind}", "Remove it.", field=field)
    elif isinstance(value, float) and not isfinite(value):
        raise BadInput("a number is too large", "Send a smaller number.", field=field)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise BadInput("a number has more than 64 bits", "Send a smaller number.", field=field)
    return []


def not_json() -> BadInput:
    """Return the error for a body that no JSON parser reads."""
    return BadInput("the body is not JSON", "Send one JSON object.")


async def read_bytes(request: Request, limit: int) -> bytes:
    """Return the whole body. Raises HTTPException 413 as soon as it is longer than `limit` bytes."""
    return b"".join([part async for part in read_parts(request, limit)])


@asynccontextmanager
async def receive_file(request: Request, folder: Path, limit: int | None = None) -> AsyncIterator[Path]:
    """Write the body to a hidden file in `folder` and delete it afterwards, unless the caller moved it.

    Raises HTTPException 413 for a body over `limit`, by default `FILE_LIMIT`, and StoreTrouble if it cannot be written.
    """
    file = folder / f".{secrets.token_hex(16)}"
    try:
        folder.mkdir(exist_ok=True)
        with file.open("wb") as out:
            async for part in read_parts(request, FILE_LIMIT if limit is None else limit):
                out.write(part)
        yield file
    except OSError as problem:
        raise bad_input("refused.file_not_saved", strerror=problem.strerror, kind=StoreTrouble) from problem
    finally:
        file.unlink(missing_ok=True)


async def read_parts(request: Request, limit: int) -> AsyncIterator[bytes]:
    """Yield the body as it arrives. Raises HTTPException 413 as soon as it is longer than `limit` bytes."""
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_long(limit)
        yield part
