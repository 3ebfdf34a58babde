"""A model behind an OpenAI-compatible endpoint: prompts go out, texts come back. The key comes from an environment variable."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from data.errors import BadInput
from data.ids import content_hash
from data.records import Prompt
from rlhf.common.http_json import NotJson, RequestFailed, post_json

KEY = "PREFERENCE_LOOP_ENDPOINT_KEY"
CHAT, PLAIN = "/chat/completions", "/completions"
ATTEMPTS = 4


class Reply(NamedTuple):
    """One answer. `ended`: the model ended it itself, it was not cut at the limit."""

    text: str
    ended: bool


@dataclass(frozen=True, slots=True)
class OpenAIEndpoint:
    """Where a model answers: `url` ends in /chat/completions or /completions, the first is added where it ends in neither.

    `timeout` seconds for one reply; `pause` seconds before the first repetition, doubled before each further one.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)
    timeout: float = 300.0
    pause: float = 1.0

    @classmethod
    def of(cls, url: str, model: str, **limits: float) -> OpenAIEndpoint:
        """With the key from the environment. Raises BadInput for what is no http address, or carries a password."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(
                f"{url!r} is not the address of an endpoint",
                "Give one such as http://127.0.0.1:8000/v1.",
                field="endpoint",
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            hidden = f"{parts.scheme}://{parts.hostname}"
            remedy = f"Give the bare address; the key is read from the environment variable {KEY}."
            raise BadInput(f"the address of {hidden} carries more than a path", remedy, field="endpoint")
        if not model:
            raise BadInput("the endpoint's model is not named", "Name it with --model.", field="model")
        url = url.rstrip("/")
        return cls(url if url.endswith(PLAIN) else url + CHAT, model, os.environ.get(KEY, ""), **limits)

    def answer(
        self, prompt: Prompt, numbers: Sequence[int], *, temperature: float, max_tokens: int, seed: int
    ) -> list[Reply]:
        """One reply for each number, in their order; the seed sent depends on `seed`, the prompt and the number.

        An endpoint that gives fewer than it was asked for is asked again for the rest. Raises BadInput for an endpoint that cannot be
        reached, refuses, or answers with something else.
        """
        replies: list[Reply] = []
        while len(replies) < len(numbers):
            drawn = int(content_hash(seed, prompt.id, numbers[len(replies)])[:7], 16)
            wanted = len(numbers) - len(replies)
            body = {
                "model": self.model,
                "n": wanted,
                "temperature": temperature,
                "max_tokens": max_tokens,
                "seed": drawn,
            }
            replies += self._read(self._ask({**body, **self._question(prompt)}))[:wanted]
        return replies

    def _question(self, prompt: Prompt) -> dict[str, Any]:
        """The prompt as a conversation, or as it stands where the endpoint only goes on writing."""
        if self.url.endswith(CHAT):
            return {"messages": prompt.messages or [{"role": "user", "content": prompt.text}]}
        return {"prompt": prompt.text}

    def _ask(self, body: dict[str, Any]) -> Any:
        """The endpoint's document."""
        pauses = [self.pause * 2**number for number in range(ATTEMPTS - 1)]
        try:
            return post_json(self.url, body, key=self.key, timeout=self.timeout, pauses=pauses)
        except NotJson as problem:
            raise self._refusal(str(problem), "Is it an OpenAI-compatible endpoint?") from None
        except RequestFailed as problem:
            raise self._refusal(
                str(problem), f"Look at the address, the model's name and {KEY}; then sample again."
            ) from None

    def _read(self, document: Any) -> list[Reply]:
        try:
            choices = [_reply(choice) for choice in document["choices"]]
        except (KeyError, TypeError, AttributeError):
            raise self._refusal(
                f"answered with something else: {json.dumps(document)[:100]}", "Is it an OpenAI-compatible endpoint?"
            ) from None
        if not choices:
            raise self._refusal("gave no answer", "Look at what its log says.")
        return choices

    def _refusal(self, problem: str, remedy: str) -> BadInput:
        return BadInput(f"the endpoint {self.url} {problem}", remedy, field="endpoint")


def _reply(choice: dict[str, Any]) -> Reply:
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    return Reply((text or "").strip(), choice.get("finish_reason") != "length")
