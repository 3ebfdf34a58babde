# SPDX-License-Identifier: Apache-2.0
"""The memory that a run would need, before it is queued. Importable without torch."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer

from data.settings import Settings
from data.store import Store
from reward.base.machine import free_host_bytes
from reward.gpu_need import DDP, GIGABYTE, GpuNeed, need_per_gpu, strategies
from reward.memory_estimate import MemoryEstimate, Workload, estimate_memory
from reward.model_shape import ModelShape
from reward.placement_settings import DeviceSettings, read_placement
from rlhf.runs.base_files import base_folder, base_source
from rlhf.runs.workloads import COUNTERS, Lengths

TEMPLATE = 12
"""Tokens that a chat template adds to a row."""
COUNTED = 8
"""Longest texts that are counted in tokens: the longest in characters is not always the longest in tokens."""
CHARACTERS = 3
"""Characters of a token, where the base has no tokenizer.json to count with."""
GPU_QUERY = ("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")
SMALL_GPU = 24.0
"""GB of the GPU that an estimate is for where the machine has none: phases that can be divided take what is left."""
PROMPT = "SELECT text FROM prompts ORDER BY length(text) DESC LIMIT ?"
INSTRUCTION = """SELECT instruction || input || output AS text FROM instructions
    ORDER BY length(instruction) + length(input) + length(output) DESC LIMIT ?"""
ANSWERED = """SELECT prompts.text || completions.text AS text FROM completions
    JOIN prompts ON prompts.id = completions.prompt_id
    WHERE completions.id IN (SELECT left_id FROM comparisons UNION SELECT right_id FROM comparisons)
    ORDER BY length(prompts.text) + length(completions.text) DESC LIMIT ?"""


def estimate_run(store: Store, kind: str, settings: Settings) -> MemoryEstimate | None:
    """Return the memory of such a run now, in MB; None for a kind that loads no base, or a base without safetensors."""
    counted = _count(store, kind, settings)
    if counted is None:
        return None
    shape, work, place = counted
    on_gpu = has_gpu() if place["device"] == "auto" else place["device"] != "cpu"
    dtype = ("bfloat16" if on_gpu else "float32") if place["dtype"] == "auto" else place["dtype"]
    return estimate_memory(
        shape,
        work,
        dtype=dtype,
        quantize=place["quantize"],
        gpu=on_gpu,
        available=None if on_gpu else free_megabytes(),
    )


def estimate_per_gpu(store: Store, kind: str, settings: Settings, gpus: Sequence[float]) -> list[GpuNeed]:
    """Return the need of such a run on each of these GPUs, whose sizes are in GB, by each strategy that it can take.

    Without GPUs it is the need on a small one. Empty where `estimate_run` returns None.
    """
    counted = _count(store, kind, settings)
    if counted is None:
        return []
    shape, work, place = counted
    can_shard = isinstance(settings, DeviceSettings) and settings.shardable and place["quantize"] == "none"
    ways = strategies(work) if len(gpus) > 1 and can_shard and not work.whole else (DDP,)
    needs = (
        need_per_gpu(
            shape,
            work,
            gpus=max(1, len(gpus)),
            strategy=strategy,
            dtype="bfloat16" if place["dtype"] == "auto" else place["dtype"],
            quantize=place["quantize"],
            gigabytes=min(gpus, default=SMALL_GPU),
        )
        for strategy in ways
    )
    return [GpuNeed(*pair) for pair in zip(ways, needs, strict=True)]


def _count(store: Store, kind: str, settings: Settings) -> tuple[ModelShape, Workload, dict[str, str]] | None:
    """Return the base's shape, the run's work and its complete placement; None for a run without a known base."""
    source = base_source(store, settings)
    folder = base_folder(source) if source else None
    if kind not in COUNTERS or folder is None:
        return None
    shape = ModelShape.read(folder)
    if not shape.weights:
        return None
    place = {key: getattr(settings, key, "") or kept for key, kept in read_placement(store.home).items()}
    return shape, COUNTERS[kind](settings, longest_rows(store, folder, shape.context)), place


def free_megabytes() -> int:
    """Return the memory of this machine that programs can take now, in MB; of a GPU's own memory nothing is known."""
    return free_host_bytes() >> 20


def has_gpu() -> bool:
    """Return whether this machine has an NVIDIA GPU; torch, which knows of others, is not loaded here."""
    return Path("/dev/nvidiactl").exists()


@lru_cache(maxsize=1)
def gpu_gigabytes() -> tuple[float, ...]:
    """Return the size of each NVIDIA GPU of this machine in GB, as its driver says; empty without one."""
    try:
        listed = subprocess.run(GPU_QUERY, capture_output=True, text=True, check=True, timeout=10).stdout
        return tuple(int(line) / GIGABYTE for line in listed.split())
    except (OSError, ValueError, subprocess.SubprocessError):
        return ()


def longest_rows(store: Store, folder: Path, context: int) -> Lengths:
    """Return the most tokens of the store's rows as that base's tokenizer counts them, at most its context.

    A length is read when it is asked for.
    """
    file = folder / "tokenizer.json"
    tokenizer = _tokenizer(str(file), file.stat().st_mtime_ns) if file.is_file() else None

    def longest(query: str) -> int:
        return _most_tokens(tokenizer, (row["text"] for row in store.rows(query, [COUNTED])), context)

    return Lengths(lambda: longest(PROMPT), lambda: longest(INSTRUCTION), lambda: longest(ANSWERED))


def _most_tokens(tokenizer: Tokenizer | None, texts: Iterable[str], context: int) -> int:
    counts = [
        len(tokenizer.encode(text, add_special_tokens=False)) if tokenizer else len(text) // CHARACTERS
        for text in texts
    ]
    most = max(counts, default=0) + TEMPLATE
    return min(most, context) if context else most


@lru_cache(maxsize=2)
def _tokenizer(file: str, changed: int) -> Tokenizer:
    """Return the tokenizer of a file; a large one takes a second to read. `changed` is the file's time."""
    return Tokenizer.from_file(file)
