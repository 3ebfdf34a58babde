# SPDX-License-Identifier: Apache-2.0
"""The memory that a run will need, counted from the base's shape and the settings. Importable without torch.

A run always holds its libraries, the weights, the adapters, and the optimizer's gradients and moments. The largest
phase adds to them: a pass of training, a pass without gradients, or a batch of decoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reward.model_shape import ModelShape

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
PACKED = {"8bit": 1.0, "4bit": 0.53}
"""Bytes of a quantised weight; nf4 has half a byte, and the scales of its blocks."""
SHARE = 0.5
"""Share of the free memory that a pass may take: the count leaves out fragmentation and the optimizer's moments."""
ELEMENTS = 2**24
"""Most logits of a chunk: 64 MiB in float32. A constant, so that a run's arithmetic does not depend on the machine."""
LOGIT_COPIES = 6
"""Tensors of a chunk's size that exist at once: logits, log-probabilities, and their gradients or entropy."""
LIBRARIES, TRAINERS = 480, 140
"""MB that a run's process holds before it loads a base: torch and transformers; TRL and PEFT's trainers. Measured."""
CPU_TILE, CPU_TILE_COPIES = (512, 4096), 15
"""Tokens and vocabulary of a tile of TRL's language model head, and the tensors of float32 that it makes; measured."""
GPU_TILE = 4096, 32_768
"""The same on a GPU, where a tile is a single tensor in the base's dtype."""
Step = Literal["training", "reading", "decoding"]


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of a run: what is done to how many rows of how many tokens at once.

    Decoding reads `prompt` of the tokens at once and the others one by one. A backward pass needs the activations of
    `passes`. `logits`: "chunks" in our own passes, "tiles" in TRL's, "none" for a reward model. A `divided` phase
    takes fewer rows if memory is short, as reward/base/memory.py does.
    """

    step: Step
    rows: int
    tokens: int
    prompt: int = 0
    passes: int = 1
    divided: bool = False
    logits: Literal["none", "chunks", "tiles"] = "chunks"


@dataclass(frozen=True, slots=True)
class Workload:
    """The contents of a run's memory: adapters of a rank, `trained` of them with gradients, and the phases.

    `whole`: all weights are trained instead, in float32; products in another dtype copy them.
    """

    phases: tuple[Phase, ...]
    rank: int = 16
    adapters: int = 1
    trained: int = 0
    whole: bool = False
    checkpointing: bool = False


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """The parts of an estimate in MB; `activations` and `cache` are those of the largest phase."""

    libraries: int
    weights: int
    adapters: int
    optimizer: int
    activations: int
    cache: int

    @property
    def peak(self) -> int:
        """The peak in MB."""
        return sum((self.libraries, self.weights, self.adapters, self.optimizer, self.activations, self.cache))


def estimate_memory(
    shape: ModelShape,
    work: Workload,
    *,
    dtype: str,
    quantize: str = "none",
    gpu: bool = False,
    available: float | None = None,
) -> MemoryEstimate:
    """Return the memory of a run on a base of that shape: of its process, or with `gpu` the GPU's.

    `available` is what the run may take, in MB; None: enough for every phase undivided.
    """
    size = BYTES[dtype]
    matrices = work.rank * shape.lora_width
    trained = shape.weights if work.whole else matrices * work.trained
    held = 4 + (size if size < 4 else 0) if work.whole else size
    weights = PACKED.get(quantize, held) * shape.layer_weights + held * (shape.weights - shape.layer_weights)
    adapters = 0 if work.whole else 4 * matrices * work.adapters
    optimizer = 12 * trained
    left = None if available is None else available * 2**20 - weights - adapters - optimizer
    activations, cache = max(
        (_fitted(phase, *phase_bytes(shape, work, phase, size, gpu), left) for phase in work.phases), key=sum
    )
    return MemoryEstimate(
        libraries=0 if gpu else LIBRARIES + (TRAINERS if trained else 0),
        weights=_megabytes(weights),
        adapters=_megabytes(adapters),
        optimizer=_megabytes(optimizer),
        activations=_megabytes(activations),
        cache=_megabytes(cache),
    )


def _fitted(phase: Phase, activations: float, cache: float, left: float | None) -> tuple[float, float]:
    """Return the bytes of a phase with as many rows as take their share of what is left, at least one."""
    if left is None or not phase.divided:
        return activations, cache
    part = min(1.0, max(1 / phase.rows, SHARE * left / (activations + cache)))
    return part * activations, part * cache


def phase_bytes(shape: ModelShape, work: Workload, phase: Phase, size: int, gpu: bool) -> tuple[int, int]:
    """Return the bytes of activations, logits included, and of the cache of a phase."""
    tokens = phase.rows * phase.tokens
    logits = _logit_bytes(shape, phase, size, gpu)
    if phase.step == "training":
        layer = size * tokens * kept_numbers(shape)
        kept = shape.layers * size * tokens * shape.width + layer if work.checkpointing else shape.layers * layer
        return phase.passes * kept + logits, 0
    read = phase.rows * (phase.prompt or phase.tokens)
    # a growing cache is copied: keys and values exist twice
    cache = 2 * size * tokens * shape.layers * shape.cache_width if phase.step == "decoding" else 0
    return size * read * (4 * shape.width + 3 * shape.inner) + logits, cache


def kept_numbers(shape: ModelShape) -> int:
    """Return the numbers that a layer with LoRA keeps of a token for its backward pass.

    These are its input, the outputs of both norms with their factors, the queries before and after their rotation and
    the attention's output, keys and values, and four states of the feed-forward.
    """
    return 6 * shape.width + 3 * shape.attention_width + 2 * shape.cache_width + 4 * shape.inner


def _logit_bytes(shape: ModelShape, phase: Phase, size: int, gpu: bool) -> int:
    if phase.logits == "none":
        return 0
    rows = phase.rows if phase.step == "decoding" else phase.rows * phase.tokens
    if phase.logits == "chunks":
        return 4 * LOGIT_COPIES * min(ELEMENTS, rows * shape.vocabulary)
    tile = GPU_TILE if gpu else CPU_TILE
    numbers = min(tile[0], rows) * min(tile[1], shape.vocabulary)
    return numbers * (size if gpu else 4 * CPU_TILE_COPIES)


def _megabytes(size: float) -> int:
    return round(size / 2**20)
