# SPDX-License-Identifier: Apache-2.0
"""Request bodies: read up to a limit in bytes, as files or as JSON."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from data.errors import BadInput

JSON_LIMIT = 256 * 1024
FILE_LIMIT = 1024**3
"""Largest file in bytes that a request may carry. Larger files are copied into the `import` folder by hand."""
JSON_TYPES = ("application/json", "text/json", "")
"""A body without a content type counts as JSON. Forms are refused, because other sites can post them."""


async def read_json_bytes(request: Request) -> bytes:
    """Return the raw JSON body. Raises HTTPException 413 over the limit, 415 for another content type."""
    raw = await read_bytes(request, JSON_LIMIT)
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
            raise HTTPException(413, f"the body is longer than {limit:,} bytes")
        yield part
