# SPDX-License-Identifier: Apache-2.0
"""A client of OpenAI-compatible endpoints: prompts in, texts out. The key comes from an environment variable."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from data.errors import BadInput
from data.ids import content_hash
from data.records import Prompt
from data.turns import split_tools
from labeling.texts.pages import bad_input
from rlhf.common.http_json import NotJson, RequestFailed, post_json
from rlhf.sampling.endpoint_reply import Reply, read_choice

KEY = "PREFERENCE_LOOP_ENDPOINT_KEY"
CHAT, PLAIN = "/chat/completions", "/completions"
ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class OpenAIEndpoint:
    """A model's address: `url` ends in /chat/completions, which is the default, or in /completions.

    `timeout` is in seconds for one reply. `pause` is in seconds before the first repetition and doubles each time.
    `variable` is the environment variable that the key was read from.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)
    timeout: float = 300.0
    pause: float = 1.0
    variable: str = KEY

    @classmethod
    def of(cls, url: str, model: str, **limits: float) -> OpenAIEndpoint:
        """Create an endpoint with the key from the environment. Raises BadInput unless `url` is a bare http address."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise bad_input("refused.endpoint_address", field="endpoint", url=url)
        if parts.username or parts.password or parts.query or parts.fragment:
            hidden = f"{parts.scheme}://{parts.hostname}"
            raise bad_input("refused.endpoint_secrets", field="endpoint", hidden=hidden, variable=KEY)
        if not model:
            raise bad_input("refused.endpoint_model", field="model")
        url = url.rstrip("/")
        return cls(url if url.endswith(PLAIN) else url + CHAT, model, os.environ.get(KEY, ""), variable=KEY, **limits)

    def answer(
        self, prompt: Prompt, numbers: Sequence[int], *, temperature: float, max_tokens: int, seed: int
    ) -> list[Reply]:
        """Return one reply for each number, in their order.

        The seed sent depends on `seed`, the prompt and the number. If the endpoint gives too few replies, further
        requests follow for the rest. Raises BadInput if it is unreachable, refuses, or gives no replies.
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
            replies += self._read(self._request({**body, **self._question(prompt)}))[:wanted]
        return replies

    def _question(self, prompt: Prompt) -> dict[str, Any]:
        """Return the prompt as a conversation, or as text for an endpoint that only continues a text."""
        if self.url.endswith(CHAT):
            messages, tools = split_tools(prompt.messages or [{"role": "user", "content": prompt.text}])
            return {"messages": messages} | ({"tools": tools} if tools else {})
        return {"prompt": prompt.text}

    def _request(self, body: dict[str, Any]) -> Any:  # noqa: ANN401 (any JSON document)
        """Send a request; return the JSON document of the reply."""
        pauses = [self.pause * 2**number for number in range(ATTEMPTS - 1)]
        try:
            return post_json(self.url, body, key=self.key, timeout=self.timeout, pauses=pauses)
        except NotJson:
            raise self._refusal("endpoint_not_json") from None
        except RequestFailed as problem:
            raise self._refusal("endpoint_failed", problem=str(problem), variable=self.variable) from None

    def _read(self, document: Any) -> list[Reply]:  # noqa: ANN401 (any JSON document)
        try:
            choices = [read_choice(choice) for choice in document["choices"]]
        except (KeyError, TypeError, AttributeError):
            raise self._refusal("endpoint_document", document=json.dumps(document)[:100]) from None
        if not choices:
            raise self._refusal("endpoint_silent")
        return choices

    def _refusal(self, key: str, **values: Any) -> BadInput:  # noqa: ANN401 (values of any type fill the blanks)
        return bad_input(f"refused.{key}", field="endpoint", url=self.url, **values)
