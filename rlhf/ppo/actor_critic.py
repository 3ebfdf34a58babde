# SPDX-License-Identifier: Apache-2.0
"""The policy and its critic as one module: log-probabilities and values, computed at answer tokens only.

A row is prompt + answer, padded on the right. The state before answer token t is the hidden state of the token in front
of it. The token's log-probability and the value V(state) are both read there, so the first value is V(prompt).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from data.errors import BadInput
from reward.base.frozen_base import Base
from reward.base.patches.layer_checkpoints import checkpoint_layers
from rlhf.ppo.frozen_trunk import FrozenTrunk, Row
from rlhf.sampling.sampler import banned_ids
from rlhf.sampling.vocabulary import action_scores


class AnswerBatch(NamedTuple):
    """Rows for one forward pass.

    `rows`, `columns` (N,) point at the state before each answer token, row by row; `actions` (N,) are those tokens.
    `texts` are the ids once more, on the host: the keys of the frozen trunk's cache.
    """

    ids: Tensor
    mask: Tensor
    rows: Tensor
    columns: Tensor
    actions: Tensor
    texts: list[Row]


def answer_batch(base: Base, prompts: Sequence[list[int]], answers: Sequence[list[int]]) -> AnswerBatch:
    """Return right-padded rows of prompt + answer, without the last answer token, which no later token depends on."""
    texts = [(*prompt, *answer[:-1]) for prompt, answer in zip(prompts, answers, strict=True)]
    ids, mask = base.collate(texts)
    rows = [row for row, answer in enumerate(answers) for _ in answer]
    columns = [len(prompt) - 1 + t for prompt, answer in zip(prompts, answers, strict=True) for t in range(len(answer))]
    actions = [token for answer in answers for token in answer]
    at, before, chosen = (torch.tensor(x, device=ids.device) for x in (rows, columns, actions))
    return AnswerBatch(ids, mask, at, before, chosen, texts)


def answer_mask(answers: Sequence[list[int]]) -> Tensor:
    """Return (B, T) bool, True on answer tokens. Only lengths count: the pad token may be the end token."""
    lengths = torch.tensor([len(answer) for answer in answers])
    return torch.arange(int(lengths.max())) < lengths[:, None]


def scatter_tokens(flat: Tensor, mask: Tensor) -> Tensor:
    """Scatter token values (N,), row by row, to their places in (B, T); 0 elsewhere."""
    return torch.zeros(mask.shape, dtype=flat.dtype, device=flat.device).masked_scatter(mask.to(flat.device), flat)


class ActorCritic(nn.Module):
    """The active role of a base, and a linear value head on its last hidden state or on that of the role `critic`.

    The head starts at 0; without `values` there is no critic, and it stays there. The module never enters train mode:
    dropout would make the ratio of new to old differ from 1.
    Raises BadInput for a base whose logits differ from those of `Base.logits`.
    """

    def __init__(
        self, base: Base, temperature: float, bf16: bool, critic: str | None = None, *, values: bool = True
    ) -> None:
        super().__init__()
        base.check_logits()
        self.base, self.temperature, self.bf16, self.critic = base, temperature, bf16, critic
        self.banned = banned_ids(base)
        self.causal = base.model
        self.trunk = FrozenTrunk(base)
        self.value_head = nn.Linear(base.hidden_size, 1, device=base.device)
        nn.init.zeros_(self.value_head.weight)
        nn.init.zeros_(self.value_head.bias)
        self.value_head.requires_grad_(values)
        self.eval()

    def train(self, mode: bool = True) -> ActorCritic:
        """Stay in eval mode, even if the training loop requests train mode."""
        return super().train(False)

    def activation_checkpointing_enable(
        self,
        activation_checkpointing_kwargs: dict[str, object] | None = None,
        every_n_layers: int = 1,
        offload: bool = False,
    ) -> None:
        """Keep the input alone of every nth decoder layer; transformers' Trainer calls this if its arguments ask.

        Raises BadInput for an offload, and for a model without layers that can be checkpointed.
        """
        if offload:
            raise BadInput("PPO does not offload activations", "Leave offload out of activation_checkpointing_kwargs.")
        checkpoint_layers(self.base, every_n_layers)

    def forward(
        self,
        ids: Tensor,
        mask: Tensor,
        rows: Tensor,
        columns: Tensor,
        actions: Tensor,
        texts: Sequence[Row],
        with_values: bool = True,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return log-probabilities, values and, if no gradient is recorded, entropies of the answer tokens.

        Each is (N,) float32. Without a critic or `with_values` its own pass is skipped and values are 0.
        """
        states = self._states(ids, mask, texts)[rows, columns]
        with torch.autocast(states.device.type, enabled=False):
            action_logps, entropies = action_scores(
                self.base,
                states.to(self.base.causal.dtype),
                actions,
                self.temperature,
                self.banned,
                with_entropies=not torch.is_grad_enabled(),
            )
        if not (with_values and self.value_head.weight.requires_grad):
            return action_logps, torch.zeros_like(action_logps), entropies
        if self.critic is not None:
            with self.base.role(self.critic):
                states = self._states(ids, mask, texts)[rows, columns]
        with torch.autocast(states.device.type, enabled=False):
            return action_logps, self.value_head(states.float())[:, 0], entropies

    def critic_state(self) -> dict[str, Tensor]:
        """Return copies of the critic's own tensors: its head, and its adapter if it has one."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self._critic_tensors().items()}

    @torch.no_grad()
    def load_critic_state(self, tensors: dict[str, Tensor]) -> None:
        """Overwrite the critic's tensors in place with those that `critic_state` returned."""
        for name, own in self._critic_tensors().items():
            own.copy_(tensors[name])

    def _critic_tensors(self) -> dict[str, Tensor]:
        adapter = [] if self.critic is None else self.base.parameters(self.critic)
        tensors: dict[str, Tensor] = dict(self.value_head.named_parameters())
        return tensors | {f"adapter.{number}": matrix for number, matrix in enumerate(adapter)}

    def _states(self, ids: Tensor, mask: Tensor, texts: Sequence[Row]) -> Tensor:
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=self.bf16):
            return self.trunk.hidden(ids, mask, texts)
