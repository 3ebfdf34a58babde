# SPDX-License-Identifier: Apache-2.0
"""Questions to policies and their replies, as plain values that two processes exchange. Importable without torch."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from data.turns import Turn
from labeling.texts.translate import Refusal
from rlhf.sampling_settings import START_SERVER, split_addresses

MOST_POLICIES = 4
LONGEST_ANSWER = 4096
COLDEST, HOTTEST = 1e-4, 10.0
"""The temperatures that sampling takes."""
SEEDS = 2**31
"""The seeds from which one is drawn."""
ACTIVE = ("waiting", "loading", "writing", "scoring")
"""States of a reply that is not complete; the others are done, stopped and failed."""


@dataclass(frozen=True, slots=True)
class Question:
    """A chat whose last turn is the user's, the policies that answer it, and the rewards that score the answers.

    `policies` holds ids of policies and names of endpoints. `seed` decides the random numbers of the answers: the same
    question with the same seed has the same answers of policies. `rollouts` has the addresses of vLLM servers that
    write the policies' answers; without them the playground's own process does.
    """

    turns: tuple[Turn, ...]
    policies: tuple[str, ...]
    rewards: tuple[str, ...] = ()
    max_new_tokens: int = 200
    temperature: float = 1.0
    seed: int = 0
    rollouts: str = ""

    def __post_init__(self) -> None:
        """Raise BadInput for values that cannot be answered."""
        if not self.turns or self.turns[-1]["role"] != "user" or not self.turns[-1]["content"].strip():
            raise Refusal("train.playground.no_prompt")
        if not 1 <= len(self.policies) <= MOST_POLICIES:
            raise Refusal("train.playground.wrong_policies", chosen=len(self.policies), most=MOST_POLICIES)
        if not 1 <= self.max_new_tokens <= LONGEST_ANSWER:
            raise Refusal("train.playground.wrong_length", given=self.max_new_tokens, most=LONGEST_ANSWER)
        if not COLDEST <= self.temperature <= HOTTEST:
            raise Refusal(
                "train.playground.wrong_temperature", given=self.temperature, least=COLDEST, most=int(HOTTEST)
            )
        if self.rollouts.strip() == START_SERVER:
            raise Refusal("train.playground.no_start")
        split_addresses(self.rollouts)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Question:
        """Return the question that `asdict` made a document of."""
        lists = {name: tuple(document[name]) for name in ("turns", "policies", "rewards")}
        return cls(**{**document, **lists})


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer of one policy or endpoint to a question as far as it is known.

    `logp` is the answer's log-probability under its policy in nats at temperature 1. `scores` holds each reward's raw
    score by its name. `seconds` counts from the start of this answer. A reply that failed has a `cause`, for which the
    page has a text, or the words of the `problem`.
    """

    policy: str
    state: str = "waiting"
    text: str = ""
    ids: tuple[int, ...] = ()
    tokens: int = 0
    ended: bool = False
    logp: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    cause: Literal["", "ended", "memory", "empty", "filtered", "called", "thinking"] = ""
    problem: str = ""

    @property
    def active(self) -> bool:
        """Return whether more of the reply is to come."""
        return self.state in ACTIVE

    def updated(self, values: Mapping[str, Any]) -> Reply:
        """Return the reply with these values, as the worker sends them."""
        return replace(self, **{**values, **({"ids": tuple(values["ids"])} if "ids" in values else {})})


def join_turns(turns: str, system: str | None, prompt: str) -> list[Turn]:
    """Return the chat's turns (JSON) and the typed prompt; in a new chat the system message comes first."""
    before = read_turns(turns)
    if system and system.strip() and not before:
        before = [{"role": "system", "content": system}]
    return [*before, {"role": "user", "content": prompt}]


def read_turns(document: str) -> list[Turn]:
    """Return the turns that a browser sent back as JSON. Raises Refusal if it is something else."""
    try:
        turns = json.loads(document) if document else []
        if all(isinstance(turn["role"], str) and isinstance(turn["content"], str) for turn in turns):
            return list(turns)
    except (ValueError, TypeError, KeyError):
        pass
    raise Refusal("train.playground.wrong_chat")


def read_number(text: str | None) -> int:
    """Return the number of a question that a browser sent back; 0, which no question has, for anything else."""
    return int(text) if text and text.isascii() and text.isdecimal() else 0


def read_seed(text: str | None) -> int:
    """Return the seed that a person typed, or a drawn one. Raises Refusal for anything but a number from 0."""
    given = (text or "").strip()
    if not given:
        return random.randrange(SEEDS)
    if not (given.isascii() and given.isdecimal() and len(given) <= len(str(SEEDS)) and int(given) < SEEDS):
        raise Refusal("train.playground.wrong_seed", given=given, most=SEEDS - 1)
    return int(given)
