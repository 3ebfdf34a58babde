# SPDX-License-Identifier: Apache-2.0
"""Answers of endpoints in the playground: requested in threads, while policies compute, and scored as texts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from data.records import Prompt
from data.store import Store
from reward.model import RewardModel
from reward.protocol import RewardFunction
from rlhf.models.policy_loading import Bases
from rlhf.models.reward_sources import load_source, reward_record
from rlhf.playground.exchange import Question
from rlhf.sampling.endpoint_reply import CALLED, EMPTY, FILTERED, THINKING, Reply
from rlhf.sampling.openai_endpoint import OpenAIEndpoint

CAUSES = {EMPTY: "empty", FILTERED: "filtered", CALLED: "called", THINKING: "thinking"}
"""The cause of a failed reply, by the reason why the endpoint's answer holds none."""
INTERVAL = 0.1
"""Seconds between two looks whether the reader stopped the question."""


class NoAnswer(Exception):
    """The endpoint replied without an answer; `cause` says why."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class EndpointAnswers:
    """The requests to the endpoints of a home, and the rewards that read texts, on the process's bases."""

    def __init__(self, store: Store, bases: Bases) -> None:
        self.store, self._bases = store, bases
        self._pool = ThreadPoolExecutor(thread_name_prefix="endpoint")
        self._rewards: dict[str, RewardFunction] = {}

    def request(
        self, endpoint: OpenAIEndpoint, prompt: Prompt, question: Question, show: Callable[[Reply], None]
    ) -> Future[Reply]:
        """Ask an endpoint for one answer. `show` receives the reply as soon as it arrives, in another thread."""

        def ask() -> Reply:
            reply = endpoint.answer(
                prompt,
                [0],
                temperature=question.temperature,
                max_tokens=question.max_new_tokens,
                seed=question.seed,
            )[0]
            show(reply)
            return reply

        return self._pool.submit(ask)

    def score(self, reward: str, prompt: Prompt, answer: str) -> float:
        """Return the score of an answer by a reward model or a reward source."""
        if reward not in self._rewards:
            self._rewards[reward] = self._load(reward)
        return float(self._rewards[reward]([prompt.messages or prompt.text], [answer])[0])

    def _load(self, reward: str) -> RewardFunction:
        record = reward_record(self.store, reward)
        if record is None:
            return load_source(self.store.home, reward)
        return RewardModel.load(self.store.home / record.adapter, self._bases.of(record)).score


def wait_for_answer(future: Future[Reply], check_stopped: Callable[[], None]) -> Reply:
    """Return the endpoint's reply. Raises NoAnswer if it holds none, BadInput if the request failed."""
    check_stopped()
    while not wait([future], INTERVAL).done:
        check_stopped()
    reply = future.result()
    if reply.missing:
        raise NoAnswer(CAUSES[reply.missing])
    return reply
