# SPDX-License-Identifier: Apache-2.0
"""Values of a request: account, language, time zone, paths, address, form."""

from __future__ import annotations

from datetime import UTC, tzinfo
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request

from data.records import Account
from labeling.http.bodies import read_bytes
from labeling.texts.translate import TEXTS, language_of

FORM_LIMIT = 16 * 1024
FORM = "application/x-www-form-urlencoded"
LANGUAGE = "language"
"""The cookie with the language that a person chose on the page."""
ZONE = "zone"
"""The cookie with the browser's time zone, such as Asia/Seoul. Every page sets it."""


def get_account(request: Request) -> Account | None:
    """Return the account that the gate admitted with this request."""
    return getattr(request.state, "user", None)


def require_account(request: Request) -> Account:
    """Return the signed-in account. Raises HTTPException 401 without one, which only happens outside the gate."""
    account = get_account(request)
    if account is None:
        raise HTTPException(401, "not signed in")
    return account


def is_cross_site(method: str, headers: Headers) -> bool:
    """Return True for a writing request from another site (Sec-Fetch-Site, else Origin against Host)."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def is_own_path(path: str) -> bool:
    """Return True if `path` leads to a page of this app and nowhere else."""
    return path.startswith(("/label", "/train")) and "\\" not in path and "//" not in path and path.isprintable()


def root_path(request: Request) -> str:
    """Return the prefix of every path: empty, or the root path below which a proxy serves the app."""
    return request.scope.get("root_path", "")


def path_below_root(request: Request) -> str:
    """Return the path without the root."""
    return request.scope["path"].removeprefix(root_path(request)) or "/"


def detect_language(request: Request) -> str:
    """Return the language of the answer: the one chosen on the page, else the browser's."""
    chosen = request.cookies.get(LANGUAGE)
    return chosen if chosen in TEXTS else language_of(request.headers.get("accept-language", ""))


def detect_zone(request: Request) -> tzinfo:
    """Return the time zone of the browser; UTC if the request names none that this machine knows."""
    try:
        return ZoneInfo(request.cookies.get(ZONE, "UTC"))
    except (KeyError, ValueError, OSError):  # an unknown name, one that is no name, a folder of the zones' files
        return UTC


def client_address(request: Request) -> str:
    """Return the address of the caller as the server or its proxy sees it."""
    return request.client.host if request.client else ""


async def read_form(request: Request, limit: int = FORM_LIMIT) -> dict[str, str]:
    """Return the fields of a posted form as text.

    Raises HTTPException 413 beyond `limit` bytes and 415 for another content type.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise HTTPException(415, f"the body is not a form: send content-type: {FORM}")
    raw = await read_bytes(request, limit)
    return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
