# SPDX-License-Identifier: Apache-2.0
"""The playground's process: `python -m rlhf.playground.worker HOME`.

It reads a JSON document per line from standard input, {number, question} or {stop}, and writes {number, policy, ...}
with the changed values of a reply. It ends with its input, or after IDLE seconds without a question.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from data.errors import BadInput
from data.formats.rows.conversation import make_prompt
from data.records import Prompt
from data.store import Store
from reward.base.out_of_memory import is_out_of_memory
from reward.placement_settings import PlacementSettings, read_placement
from rlhf.common.library_warnings import silence_libraries
from rlhf.methods.answer_samplers import BestOfN, load_sampler
from rlhf.models.policy_loading import Bases
from rlhf.models.reward_choice import load_reward
from rlhf.playground.endpoint_answers import EndpointAnswers, NoAnswer, wait_for_answer
from rlhf.playground.exchange import Question
from rlhf.playground.progress import Progress
from rlhf.playground.served_answers import PlaygroundServers
from rlhf.ppo.reward_shaping import Scorer
from rlhf.sampling import endpoint_reply
from rlhf.sampling.answer_table import AnswerTable
from rlhf.sampling.decoding import watched_by
from rlhf.sampling.listed_endpoints import read_endpoints
from rlhf.sampling.openai_endpoint import OpenAIEndpoint
from rlhf.sampling.policy_answers import AnswerSampler, DrawRequest, SamplingLimits
from rlhf.sampling_settings import split_addresses

IDLE = 600.0
"""Seconds after which a worker without questions gives its memory back."""
Send = Callable[[dict[str, Any]], None]

SERVED = "playground"
"""The folder of a home in which vLLM servers read the adapters of policies that answer."""


class Stopped(Exception):
    """The reader asked for no more of this question."""


class Answering:
    """The models in memory, and the answers to questions, one after the other."""

    def __init__(self, store: Store, send: Send) -> None:
        self.store, self._send = store, send
        self.stopped: set[int] = set()
        self._bases = Bases(PlacementSettings.model_validate(read_placement(store.home)))
        self._endpoint_answers = EndpointAnswers(store, self._bases)
        self._lock = threading.RLock()
        self._samplers: dict[tuple[str, str], AnswerSampler] = {}
        self._servers = PlaygroundServers(store.home / SERVED, lambda: self._check_stopped(self._number))
        self._number = 0
        self._scorers: dict[tuple[str, int], Scorer] = {}

    def answer(self, number: int, question: Question) -> None:
        """Request the endpoints' answers, and answer by each policy in turn meanwhile. A failure stays its own.

        A damaged list of endpoints fails every reply: nobody knows which names are endpoints.
        """
        try:
            listed = read_endpoints(self.store.home)
        except BadInput as problem:
            for name in question.policies:
                self._progress(number, name).send(state="failed", **_explain(problem))
            return
        requested = {
            name: self._request(number, question, listed[name], name) for name in question.policies if name in listed
        }
        for name in question.policies:
            if name not in requested:
                reply = self._progress(number, name)
                self._answer_or_explain(number, reply, partial(self._answer_one, number, question, name, reply))
        for future, reply in requested.values():
            self._answer_or_explain(number, reply, partial(self._score_endpoint, number, question, future, reply))

    def _answer_or_explain(self, number: int, reply: Progress, answer: Callable[[], None]) -> None:
        try:
            self._check_stopped(number)
            answer()
        except Stopped:
            reply.send(state="stopped")
        except Exception as problem:  # noqa: BLE001 (a model may fail in any way, and the reader should see it)
            reply.send(state="failed", **_explain(problem))

    def _progress(self, number: int, policy: str) -> Progress:
        return Progress(partial(self._send_about, number, policy))

    def _send_about(self, number: int, policy: str, values: dict[str, Any]) -> None:
        with self._lock:
            self._send({"number": number, "policy": policy, **values})

    def _request(
        self, number: int, question: Question, endpoint: OpenAIEndpoint, name: str
    ) -> tuple[Future[endpoint_reply.Reply], Progress]:
        """Request an endpoint's answer. It is shown when it arrives, unless the reader has stopped the question."""
        reply = self._progress(number, name)

        def show(arrived: endpoint_reply.Reply) -> None:
            with self._lock:
                if number not in self.stopped and not arrived.missing:
                    reply.send(state="scoring", text=arrived.text, ended=arrived.ended)

        reply.send(state="writing")
        return self._endpoint_answers.request(endpoint, as_prompt(question), question, show), reply

    def _score_endpoint(
        self, number: int, question: Question, future: Future[endpoint_reply.Reply], reply: Progress
    ) -> None:
        """Wait for an endpoint's answer and score it."""
        answer, prompt = wait_for_answer(future, partial(self._check_stopped, number)), as_prompt(question)
        scores = {reward: self._endpoint_answers.score(reward, prompt, answer.text) for reward in question.rewards}
        reply.send(state="done", scores=scores)

    def _answer_one(self, number: int, question: Question, name: str, reply: Progress) -> None:
        reply.send(state="loading")
        prompt = as_prompt(question)
        self._number = number
        sampler = self._sampler(name, prompt, ",".join(split_addresses(question.rollouts)))
        ids = sampler.encode(prompt)
        scorers = {reward: self._scorer(reward, sampler) for reward in question.rewards}
        self._check_stopped(number)
        reply.restart_clock()
        reply.send(state="writing")

        def watch(table: AnswerTable) -> None:
            self._check_stopped(number)
            if len(table.counts) == 1 and reply.due:  # of several answers to choose from, none is the policy's yet
                drawn = table.ids[0, : int(table.counts[0])].tolist()
                reply.send(text=sampler.base.decode(drawn).rstrip("\ufffd"), tokens=len(drawn))

        limits = SamplingLimits(question.max_new_tokens, batch_size=64, temperature=question.temperature)
        with watched_by(watch):
            drawn = sampler.draw([DrawRequest(0, ids, 0)], limits, question.seed)[0]
        reply.send(state="scoring", text=drawn.text, ids=drawn.ids, tokens=len(drawn.ids), ended=drawn.ended)
        turns = prompt.messages or prompt.text
        scores = {reward: scorer.raw_scores([turns], [drawn.ids]).item() for reward, scorer in scorers.items()}
        reply.send(state="done", logp=sampler.logps([ids], [drawn.ids])[0], scores=scores)

    def _sampler(self, name: str, prompt: Prompt, rollouts: str) -> AnswerSampler:
        key, policy = (name, rollouts), self.store.policies.get(name)
        source = self._servers.sampler(rollouts, self._bases.of(policy))
        if key not in self._samplers or self._samplers[key].sampler is not source:
            self._samplers[key] = load_sampler(self.store, self._bases, policy, source)
        sampler = self._samplers[key]
        return replace(sampler, prompt=lambda _: prompt) if isinstance(sampler, BestOfN) else sampler

    def _scorer(self, reward: str, sampler: AnswerSampler) -> Scorer:
        base = sampler.base
        key = reward, id(base)
        if key not in self._scorers:
            loaded = load_reward(self.store, reward, base, sampler.policy)
            self._scorers[key] = Scorer(base, loaded, missing_eos_penalty=0.0)
        return self._scorers[key]

    def close(self) -> None:
        """Let vLLM servers forget the adapters of the policies that answered."""
        self._servers.close()

    def _check_stopped(self, number: int) -> None:
        if number in self.stopped:
            raise Stopped


def as_prompt(question: Question) -> Prompt:
    """Return the question's chat as a prompt that is not stored; a single turn of a user is a text."""
    shape = make_prompt([dict(turn) for turn in question.turns], "prompt")
    return Prompt(
        id=0, text=shape.text, messages=shape.messages, split="train", source="", family=shape.family, facts=shape.facts
    )


def _explain(problem: Exception) -> dict[str, str]:
    """Return the values of a reply that failed."""
    if isinstance(problem, BadInput):
        return {"problem": str(problem)}
    if isinstance(problem, NoAnswer):
        return {"cause": problem.cause}
    if is_out_of_memory(problem):
        return {"cause": "memory"}
    traceback.print_exc()
    return {"problem": f"{type(problem).__name__}: {problem}"}


def main() -> int:
    """Answer questions until the input ends or none comes for IDLE seconds."""
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no message
    questions: queue.Queue[tuple[int, Question]] = queue.Queue()
    silence_libraries()
    answering = Answering(Store(Path(sys.argv[1])), lambda message: print(json.dumps(message), file=output, flush=True))

    def read() -> None:
        for line in sys.stdin:
            document = json.loads(line)
            if "stop" in document:
                answering.stopped.add(document["stop"])
            else:
                questions.put((document["number"], Question.read(document["question"])))
        answering.close()
        os._exit(0)  # the server has ended, and nothing here is worth keeping

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            number, question = questions.get(timeout=IDLE)
        except queue.Empty:
            answering.close()
            return 0
        answering.answer(number, question)


if __name__ == "__main__":
    raise SystemExit(main())
