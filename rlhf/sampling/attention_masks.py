# SPDX-License-Identifier: Apache-2.0
"""Attention masks of a decoding step, prepared in the form that transformers passes on untouched.

transformers builds masks from used slots (B, T), and looks at their values for it: a GPU waits for the host at every
token. Models that it can run in fixed shapes take prepared masks, one per type of layer if they have several types.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from reward.base.patches.cpu_attention import FUSED, PRODUCTS
from rlhf.sampling.growing_batch import Masks
from rlhf.sampling.kv_cache import can_refill, new_cache

FULL, SLIDING = "full_attention", "sliding_attention"
BOOLEAN, ADDITIVE = ("sdpa", FUSED, PRODUCTS), ("eager",)
"""Implementations of attention by the masks that they take."""


def takes_prepared_masks(model: PreTrainedModel) -> bool:
    """Return whether prepared masks say all that this model reads from a mask of used slots.

    They do not if layers are neither full nor sliding attention, if the mask gives the position bias (alibi), or if
    the attention has masks of its own kind (flash attention). Such models decode with the mask of used slots.
    """
    config = model.config.get_text_config()
    return (
        bool(getattr(model, "_can_compile_fullgraph", False))
        and config._attn_implementation in BOOLEAN + ADDITIVE
        and set(getattr(config, "layer_types", None) or [FULL]) <= {FULL, SLIDING}
        and getattr(config, "attention_chunk_size", None) is None
        and not (config.model_type == "bloom" or getattr(config, "alibi", False))
        and can_refill(new_cache(config))
    )


def slot_masks(config: PreTrainedConfig, positions: Tensor, slots: Tensor, dtype: torch.dtype) -> Masks:
    """Return the masks for tokens at `positions` (B, 1), where the token at position p of every row is in slot p.

    `slots` (S,) counts from 0. The rules for models with one mask and with several are those of transformers'
    `create_masks_for_generate`.
    """
    ages = positions[:, None, :, None] - slots
    full = ages >= 0
    window = getattr(config, "sliding_window", None)
    types = getattr(config, "layer_types", None)
    sliding = full if window is None else full & (ages < window)
    if types is None:
        return _for_attention(config, sliding, dtype)
    return {name: _for_attention(config, full if name == FULL else sliding, dtype) for name in set(types)}


def _for_attention(config: PreTrainedConfig, mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the mask as this model's attention takes it: bool, or 0 and the least number."""
    if config._attn_implementation in BOOLEAN:
        return mask
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, torch.finfo(dtype).min)
