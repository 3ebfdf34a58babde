# SPDX-License-Identifier: Apache-2.0
"""A client of one vLLM server: its models, its adapters, and completions by token ids.

Every request names its sampling settings: otherwise the server takes those of the model's generation config.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from data.errors import BadInput
from labeling.texts.pages import bad_input
from rlhf.common.http_json import BUSY, NotJson, RequestFailed, get_json, post_json
from rlhf.sampling.endpoint_reply import CUTS
from rlhf.sampling_settings import KEYS

ADMIN_SECONDS, ANSWER_SECONDS = 60.0, 900.0
"""Most seconds for a step of an exchange: about models, and for an answer."""
NEVER = -100
"""The smallest addend to a logit that vLLM takes: the token is not sampled."""


class ServedBase(NamedTuple):
    """The base that a server serves: its name there, and the most tokens of a prompt and its answer."""

    name: str
    context: int


class CompletionRequest(NamedTuple):
    """One answer to sample. `model` is an adapter's name or the base's; `folder` has the adapter's files."""

    model: str
    folder: Path | None
    prompt: list[int]
    max_tokens: int
    temperature: float
    seed: int
    banned: Sequence[int]
    ends: Sequence[int]


class Completion(NamedTuple):
    """One answer: its ids, the end token included, their log-probabilities, and whether it ended."""

    ids: list[int]
    logps: list[float]
    ended: bool


def is_temporary(problem: RequestFailed) -> bool:
    """Return whether the same request may succeed later or on another server."""
    return not isinstance(problem, NotJson) and (not problem.status or problem.status in BUSY)


@dataclass(frozen=True, slots=True)
class Server:
    """A vLLM server; `url` has no path. Its methods raise RequestFailed, and BadInput for answers that are wrong."""

    url: str
    key: str = field(default="", repr=False)

    def read_base(self) -> ServedBase:
        """Return the base that the server serves."""
        document = get_json(f"{self.url}/v1/models", key=self.key, timeout=ADMIN_SECONDS)
        try:
            card = next(card for card in document["data"] if not card.get("parent"))
            return ServedBase(card["id"], int(card["max_model_len"]))
        except (KeyError, TypeError, AttributeError, ValueError, StopIteration):
            raise self._refusal("document", document=json.dumps(document)[:100]) from None

    def load(self, name: str, folder: Path) -> None:
        """Load the adapter in `folder` under a new name. Raises BadInput if the server refuses it."""
        try:
            self._post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)}, ADMIN_SECONDS)
        except NotJson:
            return  # vLLM answers with a sentence
        except RequestFailed as problem:
            if is_temporary(problem):
                raise
            if "already been loaded" not in str(problem):  # by another process of the run
                raise self._refusal("adapter", name=name, folder=str(folder), problem=str(problem)) from None

    def unload(self, name: str) -> None:
        """Let the server forget an adapter; a server that is gone or never had it is left alone."""
        with suppress(RequestFailed):
            self._post("/v1/unload_lora_adapter", {"lora_name": name}, ADMIN_SECONDS)

    def complete(self, request: CompletionRequest) -> Completion:
        """Sample one answer. A server that was started again gets the adapter once more."""
        body = {
            "model": request.model,
            "prompt": request.prompt,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
            "logit_bias": {str(token): NEVER for token in request.banned},
            "stop_token_ids": list(request.ends),
            **{"top_p": 1, "top_k": -1, "min_p": 0, "repetition_penalty": 1, "logprobs": 0, "return_token_ids": True},
        }
        try:
            return self._read(self._post("/v1/completions", body, ANSWER_SECONDS), request)
        except RequestFailed as problem:
            if problem.status != 404 or request.folder is None:
                raise
        self.load(request.model, request.folder)
        return self._read(self._post("/v1/completions", body, ANSWER_SECONDS), request)

    def _post(self, path: str, body: object, timeout: float) -> Any:  # noqa: ANN401 (any JSON document)
        return post_json(self.url + path, body, key=self.key, timeout=timeout, pauses=())

    def _read(self, document: Any, request: CompletionRequest) -> Completion:  # noqa: ANN401 (any JSON document)
        """Return the completion in a server's answer. Raises BadInput for one that the request did not ask for."""
        try:
            choice, model = document["choices"][0], document["model"]
            ids = [int(token) for token in choice["token_ids"]]
            logps = [float(logp) for logp in choice["logprobs"]["token_logprobs"]]
            cut = choice["finish_reason"] in CUTS
        except (KeyError, TypeError, ValueError, IndexError):
            raise self._refusal("document", document=json.dumps(document)[:100]) from None
        if model != request.model:
            raise self._refusal("model", served=model, asked=request.model)
        if banned := set(ids) & set(request.banned):
            raise self._refusal("token", token=min(banned))
        ended = bool(ids) and ids[-1] in request.ends  # also of an answer whose last token before the limit ends it
        whole = 0 < len(ids) == len(logps) <= request.max_tokens and (ended or cut)
        if not whole or (not ended and len(ids) < request.max_tokens):
            raise self._refusal("document", document=json.dumps(document)[:100])
        return Completion(ids, logps, ended)

    def failure(self, problem: RequestFailed) -> BadInput:
        """Return the error that names this server and why its request failed."""
        return self._refusal("server", problem=str(problem), variable=KEYS)

    def _refusal(self, key: str, **values: Any) -> BadInput:  # noqa: ANN401 (values of any type fill the blanks)
        return bad_input(f"refused.rollouts_{key}", field="rollouts", url=self.url, **values)
