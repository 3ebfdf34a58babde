# SPDX-License-Identifier: Apache-2.0
"""Request bodies: their limits in bytes, and bodies read as files or as JSON. No body passes the gate uncounted."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from data.errors import BadInput

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
"""The only routes that may carry more, by their path below the root."""
JSON_TYPES = ("application/json", "text/json", "")
"""A body without a content type counts as JSON. Forms are refused, because other sites can post them."""


def limit_of(path: str) -> int:
    """Return the most bytes that the body of a request to `path` may have."""
    return BODY_LIMITS.get(path.rstrip("/"), BODY_LIMIT)


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
    """Return the raw JSON body. Raises HTTPException 413 over the limit, 415 for another content type."""
    raw = await read_bytes(request, BODY_LIMIT)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in JSON_TYPES:
        raise HTTPException(415, "the body must be JSON: send content-type: application/json")
    return raw


async def read_object(request: Request) -> dict[str, Any]:
    """Return the body as a JSON object; an empty body is an empty one. Raises BadInput, HTTPException 413 and 415."""
    raw = await read_json_bytes(request)
    try:
        body = json.loads(raw or b"{}")
    except (ValueError, RecursionError) as error:
        raise not_json() from error
    if not isinstance(body, dict):
        raise BadInput(f"the body is {type(body).__name__}, not an object", "Send one JSON object.")
    return body


def not_json() -> BadInput:
    """Return the error for a body that no JSON parser reads."""
    return BadInput("the body is not JSON", "Send one JSON object.")


async def read_bytes(request: Request, limit: int) -> bytes:
    """Return the whole body. Raises HTTPException 413 as soon as it is longer than `limit` bytes."""
    return b"".join([part async for part in read_parts(request, limit)])


@asynccontextmanager
async def receive_file(request: Request, folder: Path) -> AsyncIterator[Path]:
    """Write the body to a hidden file in `folder` and delete it afterwards, unless the caller moved it.

    Raises HTTPException 413 for a body over `FILE_LIMIT`, BadInput on a full disk.
    """
    file = folder / f".{secrets.token_hex(16)}"
    try:
        folder.mkdir(exist_ok=True)
        with file.open("wb") as out:
            async for part in read_parts(request, FILE_LIMIT):
                out.write(part)
        yield file
    except OSError as problem:
        raise BadInput(
            f"the file could not be saved: {problem.strerror}", "Free some space and send it again."
        ) from problem
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
