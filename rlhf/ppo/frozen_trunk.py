# SPDX-License-Identifier: Apache-2.0
"""A cache of the frozen trunk, the layers below the first adapted one: their hidden states are computed once per row.

Policy, reference and critic read the same rows: once each when a rollout is scored, then in every PPO epoch. If their
adapters begin at layer k, all of these passes share the hidden states in front of layer k, which no training changes.
The key of a row is its tokens, since right padding is causally invisible.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from reward.base.architecture import decoder_layers
from reward.base.frozen_base import Base
from reward.base.patches.module_forward import replaced_forward

log = logging.getLogger(__name__)
Row = tuple[int, ...]


class FrozenTrunk:
    """Compute `Base.hidden` of right-padded rows, faster from the second pass on. Caches rows until `clear`.

    `depth` is the number of layers that are skipped: 0 if a trainable adapter begins in the first one.
    """

    def __init__(self, base: Base) -> None:
        self.base = base
        self._layers = decoder_layers(base.causal)
        if not self._layers:
            log.warning("%s is not a single list of layers: PPO does not cache its frozen layers", base.name)
        self.depth = min((self._lowest(name) for name in base.trainable), default=0)
        self._states: dict[Row, Tensor] = {}
        self._in_tuple = False

    def clear(self) -> None:
        """Drop the cached rows: the next rollout has others."""
        self._states.clear()

    def hidden(self, ids: Tensor, mask: Tensor, rows: Sequence[Row]) -> Tensor:
        """Return the last hidden states (B, T, D) of the active role for ids and mask (B, T), True = a real token.

        `rows` holds the same ids on the host.
        """
        role = self.base.active
        if not self.depth or (role is not None and self._lowest(role) < self.depth):
            return self.base.hidden(ids, mask, right_padded=True)
        if all(row in self._states for row in rows):
            with self._resumed(pad_sequence([self._states[row] for row in rows], batch_first=True)):
                return self.base.hidden(ids, mask, right_padded=True)
        with self._recorded(rows):
            return self.base.hidden(ids, mask, right_padded=True)

    def _lowest(self, role: str) -> int:
        """Return the first layer that an adapter changes: 0 for the embedding, the number of layers for none."""
        adapted = [any(_adapts(module, role) for module in layer.modules()) for layer in self._layers]
        if not adapted or _adapts(self.base.causal.get_input_embeddings(), role):
            return 0
        return adapted.index(True) if True in adapted else len(adapted)

    @contextmanager
    def _recorded(self, rows: Sequence[Row]) -> Iterator[None]:
        def record(layer: nn.Module, inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
            self._in_tuple = isinstance(output, tuple)
            states = output[0] if isinstance(output, tuple) else output
            self._states.update((row, states[place, : len(row)].detach()) for place, row in enumerate(rows))

        hook = self._layers[self.depth - 1].register_forward_hook(record)
        try:
            yield
        finally:
            hook.remove()

    @contextmanager
    def _resumed(self, states: Tensor) -> Iterator[None]:
        """Inside the block every layer of the trunk returns `states`, the recorded output of the last one."""
        output = (states, None) if self._in_tuple else states  # beside its states a layer returns attention weights
        with replaced_forward(self._layers[: self.depth], lambda *_, **__: output):
            yield


def _adapts(module: nn.Module, role: str) -> bool:
    return isinstance(module, LoraLayer) and (role in module.lora_A or role in module.lora_embedding_A)
