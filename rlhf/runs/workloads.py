# SPDX-License-Identifier: Apache-2.0
"""The memory contents of the runs of each kind: phases, rows and tokens. Importable without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

from reward.memory_estimate import Phase, Workload
from rlhf.settings import FULL

PPO_PASS = 16
"""Most answers of a training pass of PPO; see rlhf/ppo/run.py, which a test compares."""
READING_ROWS = 32
"""Answers of a pass without gradients."""


class Lengths:
    """The most tokens of a row, template included: of a prompt, an instruction row, and a prompt with an answer.

    Each is counted when it is first read: a kind of run needs one of them, and a large home has many rows.
    """

    def __init__(self, prompt: Callable[[], int], instruction: Callable[[], int], answered: Callable[[], int]) -> None:
        self._prompt, self._instruction, self._answered = prompt, instruction, answered

    @cached_property
    def prompt(self) -> int:
        """Tokens of the longest prompt."""
        return self._prompt()

    @cached_property
    def instruction(self) -> int:
        """Tokens of the longest instruction row."""
        return self._instruction()

    @cached_property
    def answered(self) -> int:
        """Tokens of the longest prompt with a judged answer."""
        return self._answered()


Settings = Any  # each kind has its own class
Counter = Callable[[Settings, Lengths], Workload]


def _sampling(settings: Settings, lengths: Lengths) -> Workload:
    asked = settings.prompts * getattr(settings, "per_prompt", 1)
    return Workload((_decoding(settings, lengths, asked),), adapters=2)


def _best_of_n(settings: Settings, lengths: Lengths) -> Workload:
    tokens = lengths.prompt + settings.max_new_tokens
    reading = Phase("reading", READING_ROWS, tokens, logits="none", divided=True)
    return Workload((_decoding(settings, lengths, settings.batch_size), reading), adapters=2)


def _sft(settings: Settings, lengths: Lengths) -> Workload:
    return _trained(settings, Phase("training", _rows(settings), _cut(settings, lengths.instruction), logits="tiles"))


def _rejection(settings: Settings, lengths: Lengths) -> Workload:
    tokens = lengths.prompt + settings.max_new_tokens
    training = Phase("training", _rows(settings), _cut(settings, tokens), logits="tiles")
    return _trained(settings, training, _decoding(settings, lengths, settings.batch_size), adapters=2)


def _dpo(settings: Settings, lengths: Lengths) -> Workload:
    return _trained(settings, Phase("training", 2 * _rows(settings), _cut(settings, lengths.answered), logits="tiles"))


def _reward(settings: Settings, lengths: Lengths) -> Workload:
    return _trained(settings, Phase("training", 2 * _rows(settings), _cut(settings, lengths.answered), logits="none"))


def _ppo(settings: Settings, lengths: Lengths) -> Workload:
    tokens = lengths.prompt + settings.max_new_tokens
    rows = settings.per_device_batch_size or min(PPO_PASS, settings.minibatch)
    served = Phase("reading", READING_ROWS, tokens, divided=True)  # the decoding is then the server's
    decoding = Phase("decoding", settings.batch_size, tokens, lengths.prompt, divided=True)
    alone = settings.critic == "joint" or settings.estimator == "group"
    trained = 1 if alone else 2  # a critic of its own makes a second pass
    training = Phase("training", rows, tokens, passes=trained, divided=not settings.per_device_batch_size)
    work = _trained(settings, training, served if settings.rollouts else decoding, adapters=4)
    return replace(work, trained=trained)


def _online(settings: Settings, lengths: Lengths) -> Workload:
    return _ppo(settings.ppo(), lengths)


def _embedding(settings: Settings, lengths: Lengths) -> Workload:
    return Workload(
        (Phase("reading", getattr(settings, "batch_size", READING_ROWS), lengths.instruction, divided=True),)
    )


COUNTERS: dict[str, Counter] = {
    "sample": _sampling,
    "compare": _sampling,
    "best-of-n": _best_of_n,
    "rejection": _rejection,
    "sft": _sft,
    "dpo": _dpo,
    "reward": _reward,
    "ppo": _ppo,
    "online": _online,
    "embed": _embedding,
}
"""Kinds whose runs load a base that exists before them."""


def _rows(settings: Settings) -> int:
    return settings.per_device_batch_size or settings.batch_size


def _cut(settings: Settings, tokens: int) -> int:
    return min(tokens, settings.max_length or tokens)


def _decoding(settings: Settings, lengths: Lengths, asked: int) -> Phase:
    tokens = lengths.prompt + settings.max_new_tokens
    return Phase("decoding", min(settings.batch_size, asked), tokens, lengths.prompt, divided=True)


def _trained(settings: Settings, *phases: Phase, adapters: int = 1) -> Workload:
    return Workload(
        phases,
        rank=settings.rank,
        adapters=adapters,
        trained=1,
        whole=getattr(settings, "finetuning", "") == FULL,
        checkpointing=settings.gradient_checkpointing,
    )
