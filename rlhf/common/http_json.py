"""JSON sent to a server by POST, and the JSON it answers. Only the standard library.

A key goes to the address it is given for and to no other: redirects are refused, and it stands in no message.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same question may be asked again."""


class RequestFailed(Exception):
    """A server that refuses or cannot be reached, in one line that follows its name: "answered 401: no such key"."""


class NotJson(RequestFailed):
    """A server that answers, but not with JSON."""


class _Stay(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


def post_json(url: str, body: Any, *, key: str = "", timeout: float, pauses: Sequence[float]) -> Any:
    """The document that `url` answers to `body` within `timeout` seconds; asked again after each of `pauses` (seconds) while it is
    busy or cannot be reached. `key`, where there is one, is sent as a bearer token. Raises RequestFailed."""
    headers = {"Content-Type": "application/json", "Accept": "application/json"} | (
        {"Authorization": f"Bearer {key}"} if key else {}
    )
    request = Request(url, json.dumps(body).encode(), headers, method="POST")
    problem = ""
    for pause in (0.0, *pauses):
        time.sleep(pause)
        try:
            with build_opener(_Stay).open(request, timeout=timeout) as answer:
                return json.load(answer)
        except HTTPError as refused:
            problem = f"answered {refused.code}: {_said(refused, key)}"
            if refused.code not in BUSY:
                break
        except (OSError, HTTPException) as failed:
            problem = f"could not be reached: {getattr(failed, 'reason', None) or failed or type(failed).__name__}"
        except ValueError:
            raise NotJson("did not answer with JSON") from None
    raise RequestFailed(problem)


def _said(refused: HTTPError, key: str) -> str:
    """The message of a refusal, on one line and without the key."""
    text = refused.read(4000).decode("utf-8", "replace")
    try:
        error = json.loads(text)["error"]
        text = error["message"] if isinstance(error, dict) else str(error)
    except (ValueError, KeyError, TypeError):
        text = text or str(refused.reason)
    text = " ".join(str(text).split())[:200]
    return text.replace(key, "***") if key else text
