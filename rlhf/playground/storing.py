# SPDX-License-Identifier: Apache-2.0
"""Storing from the playground: a prompt in a set, and two answers as a blind pair for the labelers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from data.formats.rows.conversation import make_prompt
from data.records import Pair, Prompt
from data.store import Store
from data.transfer.import_target import make_prompt_values
from data.turns import Turn
from labeling.texts.translate import Refusal
from rlhf.playground.exchange import Question, Reply
from rlhf.sampling.listed_endpoints import read_endpoints

PAIR = 2
SOURCE = "playground"
"""The set of prompts that come from here, unless another one is named."""


def save_prompt(store: Store, turns: Sequence[Turn], source: str = "") -> Prompt:
    """Add the chat to a set of prompts, or find the equal prompt, which stays in its set."""
    shape = make_prompt([dict(turn) for turn in turns], "prompt")
    return store.prompts.add(**make_prompt_values(shape, source.strip() or SOURCE))


def send_pair(store: Store, question: Question, replies: Sequence[Reply], project_id: int, by: str) -> Pair:
    """Store two answers with their prompt, and queue them as a pair; who answered is not shown to labelers.

    Raises Refusal unless there are two complete answers with different texts.
    """
    if len(replies) != PAIR:
        raise Refusal("train.playground.wrong_count", chosen=len(replies), count=PAIR)
    if unfinished := [reply.policy for reply in replies if reply.state != "done"]:
        raise Refusal("train.playground.not_done", policy=unfinished[0])
    if replies[0].text == replies[1].text:
        raise Refusal("train.playground.equal_texts")
    with store.transaction():
        prompt = save_prompt(store, question.turns)
        rows = [_completion_row(store, question, reply) for reply in replies]
        ids = store.completions.add_many({"prompt_id": prompt.id, **row} for row in rows)
        pair = store.pairs.add(prompt.id, *ids, project_id=project_id)
        store.audit.add(by, "playground pair", pair=pair.id, policies=[reply.policy for reply in replies])
    return pair


def _completion_row(store: Store, question: Question, reply: Reply) -> dict[str, Any]:
    """Return an answer as a completion. One of a policy has its token ids, one of an endpoint its model's name."""
    sampling = {
        "temperature": question.temperature,
        "max_new_tokens": question.max_new_tokens,
        "source": SOURCE,
    }
    row = {"text": reply.text, "ended": reply.ended, "number": 0, "seed": question.seed}
    if endpoint := read_endpoints(store.home).get(reply.policy):
        return {**row, "model_name": endpoint.model, "sampling": {**sampling, "endpoint": endpoint.url}}
    policy_id = store.policies.get(reply.policy).id
    return {**row, "policy_id": policy_id, "token_ids": list(reply.ids), "sampling": sampling}
