"""Bodies of requests: read up to a limit, as files or as JSON objects whose values can be stored."""

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
"""Bytes of one file that is sent; larger ones are put into the `import` folder by hand."""
TYPES = ("application/json", "text/json", "")
"""Without a content type the body is taken for JSON; forms and multipart bodies are refused, which other sites could post."""

OF_TEXTS, NUMBERS = ("aspects",), ("active_seconds",)

Body = dict[str, str | float | dict[str, str] | None]


async def read_json(request: Request) -> Body:
    """The body as an object whose values can be stored (`check_value`). Raises as `read_object` does."""
    body = await read_object(request)
    for name, value in body.items():
        check_value(require_utf8(name), value)
    return body


async def read_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object; an empty body is an empty object. Raises BadInput, HTTPException 413 and 415."""
    raw = await read_bytes(request, JSON_LIMIT)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in TYPES:
        raise HTTPException(415, "the body must be JSON: send content-type: application/json")
    try:
        body = json.loads(raw or b"{}")
    except (ValueError, RecursionError) as error:
        raise BadInput("the body is not JSON", "Send one JSON object.") from error
    if not isinstance(body, dict):
        raise BadInput(f"the body is {type(body).__name__}, not an object", "Send one JSON object.")
    return body


def check_value(name: str, value: object) -> None:
    """A text or null; for the fields in `OF_TEXTS` an object of texts, in `NUMBERS` a number, or null. Raises BadInput."""
    if name in OF_TEXTS and value is not None:
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise BadInput(
                f"{value!r:.80} is not an object of texts", "Send a JSON object whose values are strings.", field=name
            )
        for text in (*value, *value.values()):
            require_utf8(text, name)
    elif name in NUMBERS and value is not None:
        if type(value) not in (int, float):
            raise BadInput(f"{value!r:.80} is not a number", "Send a JSON number.", field=name)
    elif not isinstance(value, str | None):
        raise BadInput(f"{value!r} is not a text", "Send a JSON string.", field=name)
    else:
        require_utf8(value or "", name)


async def read_bytes(request: Request, limit: int) -> bytes:
    """The whole body. Raises HTTPException 413 as soon as it is longer than `limit` bytes."""
    return b"".join([part async for part in read_parts(request, limit)])


@asynccontextmanager
async def receive_file(request: Request, folder: Path) -> AsyncIterator[Path]:
    """The body as a hidden file of the folder, gone after the work on it unless moved. Raises HTTPException 413, BadInput on a full disk."""
    file = folder / f".{secrets.token_hex(16)}"
    try:
        folder.mkdir(exist_ok=True)
        with file.open("wb") as out:
            async for part in read_parts(request, FILE_LIMIT):
                out.write(part)
        yield file
    except OSError as problem:
        raise BadInput(
            f"the file could not be kept: {problem.strerror}", "Free some space and send it again."
        ) from problem
    finally:
        file.unlink(missing_ok=True)


async def read_parts(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises HTTPException 413 as soon as it is longer than `limit` bytes."""
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise HTTPException(413, f"the body is longer than {limit:,} bytes")
        yield part


def require_utf8(text: str, field: str | None = None) -> str:
    """The text, if it can be written as UTF-8; a lone surrogate cannot. Raises BadInput."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        shown = ascii(text[error.start])
        raise BadInput(
            f"the text holds {shown}, half of a character",
            "Send whole characters.",
            field=field and ascii(field).strip("'"),
        ) from None
    return text


def check_fields(body: Body, *, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()) -> Body:
    """The body, with every required field a text and no field unknown. Raises BadInput that names the field."""
    for name in required:
        if body.get(name) is None:
            raise BadInput(f"the field {name!r} is missing", f"Send: {', '.join(required)}.", field=name)
    for name in body:
        if name not in required + optional:
            raise BadInput(
                f"there is no field {name!r}", f"Send: {', '.join(required + optional) or 'nothing'}.", field=name
            )
    return body
