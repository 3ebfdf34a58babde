"""A model behind an OpenAI-compatible endpoint: prompts go out, texts come back. Only the standard library.

The key comes from an environment variable and goes to that endpoint only: it follows no redirect and stands in no message.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from data.errors import BadInput
from data.ids import content_hash
from data.records import Prompt

KEY = "PREFERENCE_LOOP_ENDPOINT_KEY"
CHAT, PLAIN = "/chat/completions", "/completions"
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same question may be asked again."""
ATTEMPTS = 4


class Reply(NamedTuple):
    """One answer. `ended`: the model ended it itself, it was not cut at the limit."""

    text: str
    ended: bool


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model answers: `url` ends in /chat/completions or /completions, the first is added where it ends in neither.

    `timeout` seconds for one reply; `pause` seconds before the first repetition, doubled before each further one.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)
    timeout: float = 300.0
    pause: float = 1.0

    @classmethod
    def of(cls, url: str, model: str, **limits: float) -> Endpoint:
        """With the key from the environment. Raises BadInput for what is no http address, or carries a password."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(f"{url!r} is not the address of an endpoint", "Give one such as http://127.0.0.1:8000/v1.", field="endpoint")
        if parts.username or parts.password or parts.query or parts.fragment:
            hidden = f"{parts.scheme}://{parts.hostname}"
            remedy = f"Give the bare address; the key is read from the environment variable {KEY}."
            raise BadInput(f"the address of {hidden} carries more than a path", remedy, field="endpoint")
        if not model:
            raise BadInput("the endpoint's model is not named", "Name it with --model.", field="model")
        url = url.rstrip("/")
        return cls(url if url.endswith(PLAIN) else url + CHAT, model, os.environ.get(KEY, ""), **limits)

    def answer(self, prompt: Prompt, numbers: Sequence[int], *, temperature: float, max_tokens: int, seed: int) -> list[Reply]:
        """One reply for each number, in their order; the seed sent depends on `seed`, the prompt and the number.

        An endpoint that gives fewer than it was asked for is asked again for the rest. Raises BadInput for an endpoint that cannot be
        reached, refuses, or answers with something else.
        """
        replies: list[Reply] = []
        while len(replies) < len(numbers):
            drawn = int(content_hash(seed, prompt.id, numbers[len(replies)])[:7], 16)
            wanted = len(numbers) - len(replies)
            body = {"model": self.model, "n": wanted, "temperature": temperature, "max_tokens": max_tokens, "seed": drawn}
            replies += self._read(self._ask({**body, **self._question(prompt)}))[:wanted]
        return replies

    def _question(self, prompt: Prompt) -> dict[str, Any]:
        """The prompt as a conversation, or as it stands where the endpoint only goes on writing."""
        if self.url.endswith(CHAT):
            return {"messages": prompt.messages or [{"role": "user", "content": prompt.text}]}
        return {"prompt": prompt.text}

    def _ask(self, body: dict[str, Any]) -> Any:
        """The endpoint's document; asked again, with a pause, while it is busy or cannot be reached."""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(self.pause * 2 ** (attempt - 1))
            try:
                with build_opener(_Stay).open(self._request(body), timeout=self.timeout) as reply:
                    return json.load(reply)
            except HTTPError as refused:
                problem = f"answered {refused.code}: {self._said(refused)}"
                if refused.code not in BUSY:
                    break
            except (OSError, HTTPException) as failed:
                problem = f"could not be reached: {getattr(failed, 'reason', None) or failed or type(failed).__name__}"
            except ValueError:
                raise self._refusal("did not answer with JSON", "Is it an OpenAI-compatible endpoint?") from None
        raise self._refusal(problem, f"Look at the address, the model's name and {KEY}; then sample again.")

    def _request(self, body: dict[str, Any]) -> Request:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        return Request(self.url, json.dumps(body).encode(), headers, method="POST")

    def _said(self, refused: HTTPError) -> str:
        """The message of a refusal, on one line and without the key."""
        text = refused.read(4000).decode("utf-8", "replace")
        try:
            error = json.loads(text)["error"]
            text = error["message"] if isinstance(error, dict) else str(error)
        except (ValueError, KeyError, TypeError):
            text = text or str(refused.reason)
        text = " ".join(str(text).split())[:200]
        return text.replace(self.key, "***") if self.key else text

    def _read(self, document: Any) -> list[Reply]:
        try:
            choices = [_reply(choice) for choice in document["choices"]]
        except (KeyError, TypeError, AttributeError):
            raise self._refusal(f"answered with something else: {json.dumps(document)[:100]}", "Is it an OpenAI-compatible endpoint?") from None
        if not choices:
            raise self._refusal("gave no answer", "Look at what its log says.")
        return choices

    def _refusal(self, problem: str, remedy: str) -> BadInput:
        return BadInput(f"the endpoint {self.url} {problem}", remedy, field="endpoint")


def _reply(choice: dict[str, Any]) -> Reply:
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    return Reply((text or "").strip(), choice.get("finish_reason") != "length")
