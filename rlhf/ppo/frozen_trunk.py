"""The layers under the first adapted one are frozen: what they make of a row of tokens is computed once and remembered.

Policy, reference and critic read the same rows: as the policy and as the reference when a rollout is looked at, then in every PPO epoch.
Where their adapters begin at layer k, all of these passes share the hidden states in front of layer k, which no training changes.
Rows are known by their tokens (right padding is causally invisible), so nobody has to say which row of a rollout a pass reads.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from reward.base.frozen_base import Base
from reward.base.patches.module_forward import replaced_forward

log = logging.getLogger(__name__)
Row = tuple[int, ...]


class FrozenTrunk:
    """`Base.hidden` for right-padded rows, faster from the second time on. One rollout's rows are kept until `clear`.

    `depth` is the number of layers that are skipped: 0 where a trainable adapter begins in the first one.
    """

    def __init__(self, base: Base) -> None:
        self.base = base
        self._layers = decoder_layers(base)
        self.depth = min((self._lowest(name) for name in base.trainable), default=0)
        self._kept: dict[Row, Tensor] = {}

    def clear(self) -> None:
        """Drop the rows that are kept: the next rollout has others."""
        self._kept.clear()

    def hidden(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Last hidden states (B, T, D) of the active role for ids and mask (B, T), True = a real token."""
        role = self.base.active
        if not self.depth or (role is not None and self._lowest(role) < self.depth):
            return self.base.hidden(ids, mask)
        rows = [tuple(row[:length]) for row, length in zip(ids.tolist(), mask.sum(1).tolist(), strict=True)]
        if all(row in self._kept for row in rows):
            with self._resumed(pad_sequence([self._kept[row] for row in rows], batch_first=True)):
                return self.base.hidden(ids, mask)
        with self._recorded(rows):
            return self.base.hidden(ids, mask)

    def _lowest(self, role: str) -> int:
        """The first layer that an adapter changes, the number of layers where it changes none; 0 for one on the embedding."""
        adapted = [any(_adapts(module, role) for module in layer.modules()) for layer in self._layers]
        if not adapted or _adapts(self.base.causal.get_input_embeddings(), role):
            return 0
        return adapted.index(True) if True in adapted else len(adapted)

    @contextmanager
    def _recorded(self, rows: list[Row]) -> Iterator[None]:
        def keep(layer: nn.Module, given: object, states: Tensor) -> None:
            self._kept.update((row, states[place, : len(row)].detach()) for place, row in enumerate(rows))

        hook = self._layers[self.depth - 1].register_forward_hook(keep)
        try:
            yield
        finally:
            hook.remove()

    @contextmanager
    def _resumed(self, states: Tensor) -> Iterator[None]:
        """Inside the block each layer of the trunk answers with what the last of them once gave."""
        with replaced_forward(self._layers[: self.depth], lambda *_, **__: states):
            yield


def decoder_layers(base: Base) -> list[nn.Module]:
    """The decoder layers in order; none, with a line in the log, where the model is not one list of them."""
    model, count = base.causal.base_model, base.config.num_hidden_layers
    found = [child for child in model.children() if isinstance(child, nn.ModuleList) and len(child) == count]
    if len(found) != 1:
        log.warning(
            "%s is not one list of %d layers: no pass of PPO skips its frozen ones", type(model).__name__, count
        )
        return []
    return list(found[0])


def _adapts(module: nn.Module, role: str) -> bool:
    return isinstance(module, LoraLayer) and (role in module.lora_A or role in module.lora_embedding_A)
