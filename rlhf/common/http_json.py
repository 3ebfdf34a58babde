# SPDX-License-Identifier: Apache-2.0
"""JSON sent to a server by POST, and the JSON that it answers to a GET or a POST.

A key goes only to the address that it belongs to: redirects are refused, and no message shows the key.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may be sent again."""
MESSAGE_BYTES, MESSAGE_LENGTH = 4000, 200
CONNECT_SECONDS = 10.0
"""Most seconds in which a server accepts a connection."""


class RequestFailed(Exception):
    """A server refuses or cannot be reached. The text follows the server's name: "answered 401: no such key".

    `outcome` is the part that holds nothing of the server's words: "answered 401". `status` is 0 without an answer.
    """

    def __init__(self, outcome: str, detail: str = "", status: int = 0) -> None:
        super().__init__(f"{outcome}: {detail}" if detail else outcome)
        self.outcome, self.status = outcome, status


class NotJson(RequestFailed):
    """A server answers, but not with JSON."""


def post_json(
    url: str,
    body: object,
    *,
    key: str = "",
    timeout: float,
    pauses: Sequence[float],
) -> Any:  # noqa: ANN401 (any JSON document)
    """Send `body` as JSON and return the JSON answer. Wait at most `timeout` seconds for each step of the exchange.

    While the server is busy or out of reach, send again after each of `pauses` (seconds). A `key` is sent as a bearer
    token. Raises RequestFailed.
    """
    return _exchange("POST", url, json.dumps(body).encode(), key, timeout, pauses)


def get_json(url: str, *, key: str = "", timeout: float) -> Any:  # noqa: ANN401 (any JSON document)
    """Return the JSON document at an address, asked for once. Otherwise as `post_json`."""
    return _exchange("GET", url, None, key, timeout, ())


def _exchange(method: str, url: str, content: bytes | None, key: str, timeout: float, pauses: Sequence[float]) -> Any:  # noqa: ANN401 (any JSON document)
    import httpx  # takes 0.1 s, and most commands send no request

    headers = {b"content-type": b"application/json", b"accept": b"application/json"}
    if key:
        headers[b"Authorization"] = f"Bearer {key}".encode()
    limits, problem = httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)), RequestFailed("")
    for pause in (0.0, *pauses):
        time.sleep(pause)
        try:
            response = _client().request(method, url, content=content, headers=headers, timeout=limits)
            if response.is_success:
                return response.json()
            status = response.status_code
            problem = RequestFailed(f"answered {status}", _message(response, key), status)
            if status not in BUSY:
                break
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            problem = RequestFailed("could not be reached", str(error) or type(error).__name__)
        except ValueError:
            raise NotJson("did not answer with JSON") from None
    raise problem


@cache
def _client() -> httpx.Client:
    """Return the client of this process. It refuses redirects and opens a new connection for each request."""
    import httpx

    return httpx.Client(follow_redirects=False, limits=httpx.Limits(max_connections=None, max_keepalive_connections=0))


def _message(response: httpx.Response, key: str) -> str:
    """Return the message of a refusal on one line, without the key."""
    text = response.content[:MESSAGE_BYTES].decode("utf-8", "replace")
    try:
        error = json.loads(text)["error"]
        text = error["message"] if isinstance(error, dict) else str(error)
    except (ValueError, KeyError, TypeError):
        text = text or response.reason_phrase
    text = " ".join(str(text).split())
    return (text.replace(key, "***") if key else text)[:MESSAGE_LENGTH]  # a cut key would no longer be found
