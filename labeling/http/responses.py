# SPDX-License-Identifier: Apache-2.0
"""Responses to a request that fails: a status, and one JSON line with its remedy or a short page."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from data.errors import BadInput, Busy, Occupied, Refused, StoreTrouble
from data.sqlite.disk_full import is_disk_full
from labeling.http.note_page import note_page
from labeling.http.requests import detect_language
from labeling.texts.pages import bad_input
from labeling.texts.translate import Refusal, error_detail, error_text, say

RETRY_SECONDS = 2
IMPORT_RETRY_SECONDS = 10
REMEDIES = {
    "forbidden": "Sign in with another account.",
    "foreign": "Open the app itself and try again there.",
    "not_found": "Start at the app's first page.",
    "unknown_host": "Use the address that the app printed, or start it with --behind-proxy.",
    "too_large": "Send less at once.",
}


def status_of(problem: BadInput) -> int:
    """Return 409 for a refusal, 503 if a retry helps, 507 if the store cannot be written, else 400."""
    if isinstance(problem, Refused):
        return 409
    if isinstance(problem, Busy):
        return 503
    return 507 if isinstance(problem, StoreTrouble) else 400


def error_response(request: Request, problem: BadInput) -> Response:
    """Return the contract's error shape in the reader's language, if it has a key. Retry-After: when to try again."""
    document = problem.in_language(detect_language(request)).as_json()
    status = status_of(problem)
    wait = IMPORT_RETRY_SECONDS if isinstance(problem, Occupied) else RETRY_SECONDS if status == 503 else None
    return JSONResponse(document, status, {"retry-after": str(wait)} if wait else None)


def disk_full_response(request: Request, problem: Exception) -> Response:
    """Return 507 for an error that a full disk caused. Raises any other one again."""
    if not is_disk_full(problem):
        raise problem
    return problem_response(request, bad_input("refused.disk_full", kind=StoreTrouble))


def http_error_response(problem: HTTPException, request: Request | None = None) -> Response:
    """Return an HTTP error in the contract's shape. A person who sent too long a form gets a short page."""
    if problem.status_code == 413 and request and "text/html" in request.headers.get("accept", ""):
        notice = notice_response(request, 413, "too_large")
        notice.headers.update(problem.headers or {})
        return notice
    return JSONResponse(
        BadInput(problem.detail, REMEDIES["too_large"] if problem.status_code == 413 else "").as_json(),
        problem.status_code,
        problem.headers,
    )


def notice_response(request: Request, status: int, key: str, **values: object) -> Response:
    """Return a short page in the reader's language, or a JSON error for programs.

    A value that is an error is shown in the same language.
    """
    page = "text/html" in request.headers.get("accept", "")
    language = detect_language(request) if page else "en"
    values = {
        name: error_text(value, language) if isinstance(value, BadInput) else value for name, value in values.items()
    }
    if page:
        return HTMLResponse(note_page(language, key, request.scope.get("root_path", "") + "/login", **values), status)
    return JSONResponse(BadInput(say("en", key, **values), REMEDIES.get(key, "")).as_json(), status)


def problem_response(request: Request, problem: BadInput) -> Response:
    """Return the answer of the gate's own pages if the store is busy or cannot be written."""
    if "text/html" not in request.headers.get("accept", ""):
        return error_response(request, problem)
    if isinstance(problem, Refusal):
        return notice_response(request, status_of(problem), problem.key, **problem.values)
    answer = notice_response(
        request, status_of(problem), "not_kept", why=error_detail(problem, detect_language(request))
    )
    if answer.status_code == 503:
        answer.headers["retry-after"] = str(RETRY_SECONDS)
    return answer
