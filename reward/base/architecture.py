# SPDX-License-Identifier: Apache-2.0
"""The parts of a causal LM of any family: its trunk, the width of what the trunk returns, its decoder layers.

No family's attribute names are used here, only what transformers defines for all of them.
"""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel


def find_trunk(model: PreTrainedModel) -> PreTrainedModel:
    """Return the layers of a model without its head.

    It is transformers' `base_model`. If that names the model itself, it is the model's only part that is a model.
    """
    parts = [model.base_model] if model.base_model is not model else model.children()
    (trunk,) = (part for part in parts if isinstance(part, PreTrainedModel))
    return trunk


def trunk_name(model: PreTrainedModel) -> str:
    """Return the attribute of a model that holds its trunk."""
    trunk = find_trunk(model)
    return next(name for name, child in model.named_children() if child is trunk)


def trunk_width(model: PreTrainedModel) -> int:
    """Return the width of the hidden states that the trunk returns, which the output layer reads."""
    head = model.get_output_embeddings()
    assert head is not None, "a causal language model has an output layer"
    return int(getattr(head, "in_features", None) or head.weight.shape[-1])


def decoder_layers(model: PreTrainedModel) -> list[nn.Module]:
    """Return the decoder layers in order; none if the decoder is not a single list of them."""
    decoder = find_trunk(model).get_decoder()
    count = model.config.get_text_config().num_hidden_layers
    lists = [module for module in decoder.modules() if isinstance(module, nn.ModuleList) and len(module) == count]
    inner = {id(module) for outer in lists for layer in outer for module in layer.modules()}
    outermost = [module for module in lists if id(module) not in inner]
    return list(outermost[0]) if len(outermost) == 1 else []
