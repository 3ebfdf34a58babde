# SPDX-License-Identifier: Apache-2.0
"""Sampling against `transformers.generate`: the same prompts, the same rows at once, answers of uneven length, in turn."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from data.starter import PROMPTS as PROMPT_FILE
from data.starter import SFT, read_rows
from reward.base.frozen_base import Base
from reward.base.merging import merged_adapter
from rlhf.sampling.sampler import draw_uniforms, generate
from tests.support.tiny_model import make_tiny_tokenizer

PROMPTS, BATCH, LIMIT, ROUNDS = 256, 64, 64, 3
POLICY = "policy"
VOCAB, ENDS = 2048, 64
"""A random model says nearly every token with equal probability: with so many ids that end an answer its length is geometric, mean 32."""

Sampler = Callable[[list[list[int]], int], int]
"""(prompts, round) -> real tokens sampled, the end tokens among them and no padding."""


def sampling(home: Path, *, count: int = PROMPTS, batch: int = BATCH, rounds: int = ROUNDS) -> dict:
    """Real tokens per second of both, wall clock and processor time, for a starter policy and for a random 7M-parameter Llama."""
    cases = {"starter": starter(), "llama_7m": random_llama(home)}
    figures = {}
    for name, (base, asked) in cases.items():
        with base.role(POLICY if POLICY in base.adapters else None):
            figures[name] = _compared(base, asked[:count], batch, rounds) | {
                "greedy": greedy_agreement(base, asked[:batch])
            }
        print(f"{name}: {figures[name]}", file=sys.stderr, flush=True)
    return {
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "prompts": count,
        "batch": batch,
        "limit": LIMIT,
        **figures,
    }


def starter() -> tuple[Base, list[list[int]]]:
    """The shipped base and first policy, and prompts of its own."""
    base = Base.load("starter")
    base.add_adapter(POLICY, SFT)
    return base, [base.encode_prompt(row["prompt"]) for row in read_rows(PROMPT_FILE)]


def random_llama(folder: Path) -> tuple[Base, list[list[int]]]:
    """A Llama of 6.9M random parameters, and prompts of 8 to 32 random ids."""
    config = AutoConfig.for_model(
        "llama",
        vocab_size=VOCAB,
        hidden_size=256,
        intermediate_size=688,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=3,
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    model.generation_config.eos_token_id = list(range(VOCAB - ENDS, VOCAB))
    model.save_pretrained(folder)
    make_tiny_tokenizer().save_pretrained(folder)
    drawn = np.random.default_rng(0)
    asked = [drawn.integers(10, VOCAB - ENDS, drawn.integers(8, 33)).tolist() for _ in range(PROMPTS)]
    return Base.load(folder), asked


def ours(base: Base, batch: int) -> Sampler:
    """This project's sampling."""

    def sample(asked: list[list[int]], number: int) -> int:
        rollout = generate(
            base, asked, draw_uniforms(0, number, range(len(asked)), LIMIT), max_new_tokens=LIMIT, batch_size=batch
        )
        return sum(map(len, rollout.ids))

    return sample


def theirs(base: Base, batch: int) -> Sampler:
    """transformers' `generate` at its best here: adapters merged, sdpa, its growing cache, no processor, prompts of like length together."""

    def sample(asked: list[list[int]], number: int) -> int:
        ordered, tokens = sorted(asked, key=len), 0
        torch.manual_seed(number)
        with merged_adapter(base):
            for start in range(0, len(ordered), batch):
                tokens += sum(
                    map(len, _theirs(base, ordered[start : start + batch], do_sample=True, top_k=0, top_p=1.0))
                )
        return tokens

    return sample


def greedy_agreement(base: Base, asked: list[list[int]]) -> dict:
    """Answers that are the same, token for token, where both take the likeliest token."""
    noise = np.full((len(asked), LIMIT), 0.5)
    mine = generate(base, asked, noise, max_new_tokens=LIMIT, temperature=1e-6, batch_size=max(1, len(asked) // 2)).ids
    with merged_adapter(base):
        other = _theirs(base, asked, do_sample=False)
    return {"answers": len(asked), "same": sum(a == b for a, b in zip(mine, other, strict=True))}


def _theirs(base: Base, asked: list[list[int]], **options: object) -> list[list[int]]:
    """Their answers, cut behind the first end token."""
    ids, mask = base.collate(asked, side="left")
    ends = sorted(base.eos_ids)
    with torch.no_grad():
        rows = base.causal.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=LIMIT,
            eos_token_id=ends,
            pad_token_id=base.pad_id,
            **options,
        )
    answers = rows[:, ids.shape[1] :].tolist()
    return [[*base.encoding.answer_ids(row), *[token for token in row if token in base.eos_ids][:1]] for row in answers]


def _compared(base: Base, asked: list[list[int]], batch: int, rounds: int) -> dict:
    """Both in turn, after a short warm-up of each; medians over rounds."""
    sides = {"ours": ours(base, batch), "theirs": theirs(base, batch)}
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for sample in sides.values():
        sample(asked[:2], 0)
    for number in range(rounds):
        for name, sample in sides.items():
            wall, cpu = time.perf_counter(), time.process_time()
            tokens = sample(asked, number)
            spent[name].append((tokens / (time.perf_counter() - wall), tokens / (time.process_time() - cpu)))
    rates = {name: {"wall": _median(some, 0), "cpu": _median(some, 1)} for name, some in spent.items()}
    ratios = {clock: round(rates["ours"][clock] / rates["theirs"][clock], 2) for clock in ("wall", "cpu")}
    return {**rates, "ratio": ratios, "rounds": rounds}


def _median(pairs: list[tuple[float, float]], place: int) -> float:
    return round(statistics.median(pair[place] for pair in pairs), 1)


if __name__ == "__main__":
    import tempfile

    given = {name: int(value) for name, value in (word.split("=") for word in sys.argv[1:])}
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps({"figure": "sampling"} | sampling(Path(place), **given)))
