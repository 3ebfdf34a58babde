# SPDX-License-Identifier: Apache-2.0
"""The shape of a base, read from its files: layers, widths, and the sizes of all tensors. Importable without torch."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labeling.texts.pages import bad_input

LAYER = re.compile(r"\.\d+\.")
"""A tensor inside a decoder layer has the layer's number in its name."""
CONTEXT_NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "max_sequence_length", "n_ctx")
"""Names under which model families state their context, the most common first."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Sizes of a model: `weights` counts all numbers, `lora_width` rows plus columns of the layers' matrices.

    Of a token in a layer, `attention_width` is the number of queries, `cache_width` that of keys and values. `context`
    is 0 if the config names none.
    """

    layers: int
    width: int
    inner: int
    attention_width: int
    cache_width: int
    vocabulary: int
    context: int
    weights: int
    layer_weights: int
    lora_width: int

    @classmethod
    def read(cls, folder: Path) -> ModelShape:
        """Read a folder's config.json and the headers of its safetensors files. Raises BadInput if one is damaged."""
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            sizes = dict(_tensor_shapes(folder))
        except (OSError, ValueError, struct.error) as problem:
            raise bad_input("refused.model_files", file=str(folder), problem=str(problem)) from None
        return cls.of(config.get("text_config") or config, sizes)

    @classmethod
    def of(cls, config: Mapping[str, Any], sizes: Mapping[str, Sequence[int]]) -> ModelShape:
        """Return the shape of a config under any family's names, and of tensors by name."""
        width = _first(config, "hidden_size", "n_embd", "d_model", default=0)
        heads = _first(config, "num_attention_heads", "n_head", "n_heads", default=1)
        head = _first(config, "head_dim", default=width // heads)
        inside = {name: size for name, size in sizes.items() if LAYER.search(name)}
        return cls(
            layers=_first(config, "num_hidden_layers", "n_layer", "n_layers", default=0),
            width=width,
            inner=_first(config, "intermediate_size", "n_inner", "ffn_dim", default=4 * width),
            attention_width=heads * head,
            cache_width=2 * head * _first(config, "num_key_value_heads", default=heads),
            vocabulary=_first(config, "vocab_size", default=0),
            context=_first(config, *CONTEXT_NAMES, default=0),
            weights=sum(map(math.prod, sizes.values())),
            layer_weights=sum(map(math.prod, inside.values())),
            lora_width=sum(_lora_width(size) for size in inside.values()),
        )


def _tensor_shapes(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """Yield name and shape of every tensor, from the JSON that a safetensors file begins with."""
    index = folder / "model.safetensors.index.json"
    names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()) if index.is_file() else ()
    for path in sorted({folder / name for name in names} or folder.glob("model*.safetensors")):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, 10**8)))
        yield from ((name, about["shape"]) for name, about in header.items() if name != "__metadata__")


def _lora_width(size: Sequence[int]) -> int:
    """Return rows plus columns of a matrix, or of all matrices of a tensor that holds one per expert; else 0."""
    return math.prod(size[:-2]) * (size[-2] + size[-1]) if len(size) in (2, 3) else 0


def _first(config: Mapping[str, Any], *names: str, default: int) -> int:
    return next((config[name] for name in names if config.get(name)), default)
