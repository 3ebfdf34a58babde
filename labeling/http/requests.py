"""What the doors read from a request."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request

from data.records import Account
from labeling.http.bodies import read_bytes
from labeling.texts.translate import TEXTS, language_of

FORM_LIMIT = 16 * 1024
FORM = "application/x-www-form-urlencoded"
LANGUAGE = "language"
"""The cookie of the language that somebody chose on the page."""


def get_account(request: Request) -> Account | None:
    """The account that the gate let in with this request."""
    return getattr(request.state, "user", None)


def require_account(request: Request) -> Account:
    """Return the signed-in account. Raises HTTPException 401 without one, which only happens outside the gate."""
    account = get_account(request)
    if account is None:
        raise HTTPException(401, "not signed in")
    return account


def is_cross_site(method: str, headers: Headers) -> bool:
    """Whether a request that may change something comes from another site (Sec-Fetch-Site, else Origin against Host)."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def is_own_path(path: str) -> bool:
    """Whether `path` leads to one of this app's pages and nowhere else."""
    return path.startswith(("/label", "/train")) and "\\" not in path and "//" not in path and path.isprintable()


def root_path(request: Request) -> str:
    """What stands before every path of this app: empty, or the root path below which a proxy serves it."""
    return request.scope.get("root_path", "")


def path_below_root(request: Request) -> str:
    """The path below the root."""
    return request.scope["path"].removeprefix(root_path(request)) or "/"


def detect_language(request: Request) -> str:
    """The language to answer this request in: the one chosen on the page, else the browser's."""
    chosen = request.cookies.get(LANGUAGE)
    return chosen if chosen in TEXTS else language_of(request.headers.get("accept-language", ""))


def client_address(request: Request) -> str:
    """Where the request comes from, as the server saw it or its proxy says."""
    return request.client.host if request.client else ""


async def read_form(request: Request, limit: int = FORM_LIMIT) -> dict[str, str]:
    """The fields of a posted form, as text. Raises HTTPException 413 beyond `limit` bytes and 415 for another kind of body."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise HTTPException(415, f"the body is not a form: send content-type: {FORM}")
    raw = await read_bytes(request, limit)
    return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
