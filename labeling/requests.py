"""What the gate reads from a request, and the short answers that turn one away."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from labeling.doors import note_page
from labeling.texts import language_of, say

BODY_LIMIT = 16 * 1024


def is_foreign(method: str, headers: Headers) -> bool:
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
    return path.startswith(("/label", "/train")) and "\\" not in path and "//" not in path


def spoken(request: Request) -> str:
    """The language to answer this request in."""
    return language_of(request.headers.get("accept-language", ""))


def note(request: Request, status: int, key: str, **values: object) -> Response:
    """A short page for people, a JSON error for programs."""
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(note_page(spoken(request), key, **values), status)
    return JSONResponse({"error": say("en", key, **values), "file": None, "line": None, "field": None, "remedy": ""}, status)


def address(request: Request) -> str:
    """Where the request comes from, as the server saw it."""
    return request.client.host if request.client else ""


async def small_form(request: Request) -> dict[str, str]:
    """The fields of a posted form, as text; a body beyond 16 KB is not read."""
    if int(request.headers.get("content-length") or BODY_LIMIT + 1) > BODY_LIMIT:
        return {}
    form = await request.form(max_files=0)
    return {key: value for key, value in form.items() if isinstance(value, str)}
