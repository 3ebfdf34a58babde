# SPDX-License-Identifier: Apache-2.0
"""Packing: the layout of a batch's answers in rows, all behind their prompt or each behind a copy of it.

A packed row is [prompt, answer, answer, ...], so that the prompt is encoded once. An answer attends to the prompt and
to itself, and its positions continue from the prompt's end. Its score therefore equals its score in a row of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from reward.training.prompt_groups import PromptGroup

Layout = dict[str, torch.Tensor]
"""`input_ids`, `ends` (2, N) with row and column of every answer's last token, and for packed rows `attention_mask` and
`position_ids`.
"""
Prompts = Sequence[Sequence[int]]
Answers = Sequence[Sequence[Sequence[int]]]
MODEL_INPUTS = ("input_ids", "attention_mask", "position_ids")
SAME = 1e-3
PADDING = -1


@dataclass(frozen=True, slots=True)
class Planner:
    """Lay out each batch in the way that takes fewer multiplications; if not `packs`, always separately.

    A token costs `per_token` multiplications (the layers' weights). Two tokens in attention cost `per_pair` (layers
    times width) for query times key and again for value. A kernel without a mask skips the upper half.
    """

    pad_id: int
    packs: bool
    per_token: int
    per_pair: int

    @classmethod
    def of(cls, trunk: PreTrainedModel, pad_id: int, longest: PromptGroup) -> Planner:
        """Return the planner for a model, after a trial with the longest prompt group shows whether it can pack."""
        config = trunk.config.get_text_config()
        embedding = sum(matrix.numel() for matrix in trunk.get_input_embeddings().parameters())
        weights = sum(matrix.numel() for matrix in trunk.parameters()) - embedding
        return cls(pad_id, can_pack(trunk, longest, pad_id), weights, config.num_hidden_layers * config.hidden_size)

    def __call__(self, prompts: Prompts, answers: Answers) -> Layout:
        """Return the batch in the cheaper of the layouts `packed` and `separate`."""
        return (packed if self.prefers_packed(prompts, answers) else separate)(prompts, answers, self.pad_id)

    def prefers_packed(self, prompts: Prompts, answers: Answers) -> bool:
        """Return whether the packed rows, padding included, take fewer multiplications."""
        together = max(len(prompt) + sum(map(len, texts)) for prompt, texts in zip(prompts, answers, strict=True))
        alone = max(len(prompt) + max(map(len, texts)) for prompt, texts in zip(prompts, answers, strict=True))
        cost = len(prompts) * together * (self.per_token + 2 * self.per_pair * together)
        return self.packs and cost < sum(map(len, answers)) * alone * (self.per_token + self.per_pair * alone)


def packed(prompts: Prompts, answers: Answers, pad_id: int) -> Layout:
    """Return one row per prompt with all its answers, padded on the right."""
    rows = [_row(prompt, texts) for prompt, texts in zip(prompts, answers, strict=True)]
    ids, parts, positions = (
        pad_sequence([torch.tensor(row[name]) for row in rows], batch_first=True, padding_value=fill)
        for name, fill in (("ids", pad_id), ("part", PADDING), ("position", 0))
    )
    ends = torch.tensor([(number, column) for number, row in enumerate(rows) for column in row["ends"]]).T
    return {"input_ids": ids, "attention_mask": _visible(parts)[:, None], "position_ids": positions, "ends": ends}


def separate(prompts: Prompts, answers: Answers, pad_id: int) -> Layout:
    """Return one row per answer, padded on the right; such padding is causally invisible and needs no mask."""
    rows = [torch.tensor([*prompt, *text]) for prompt, texts in zip(prompts, answers, strict=True) for text in texts]
    ends = torch.tensor([(number, len(row) - 1) for number, row in enumerate(rows)]).T
    return {"input_ids": pad_sequence(rows, batch_first=True, padding_value=pad_id), "ends": ends}


def last_hidden(trunk: PreTrainedModel, batch: Mapping[str, Any]) -> torch.Tensor:
    """Return the hidden states (N, D) at the last tokens of a layout's answers."""
    hidden = trunk(**{name: batch[name] for name in MODEL_INPUTS if name in batch}, use_cache=False).last_hidden_state
    return hidden[batch["ends"][0], batch["ends"][1]]


@torch.no_grad()
def can_pack(trunk: PreTrainedModel, group: PromptGroup, pad_id: int) -> bool:
    """Return whether the packed answers of `group` have the same hidden states as separate ones.

    A model with recurrent layers, or with a window shorter than the row, gives other states or raises.
    """
    training = trunk.training
    trunk.eval()
    try:
        alone, together = (
            last_hidden(trunk, _to(trunk, lay([group.prompt], [group.answers], pad_id))) for lay in (separate, packed)
        )
        return bool((together - alone).norm() < SAME * alone.norm())
    except Exception:  # architectures raise unrelated types of exceptions for masks and positions
        return False
    finally:
        trunk.train(training)


def _to(trunk: PreTrainedModel, batch: Layout) -> Layout:
    return {name: tensor.to(trunk.device) for name, tensor in batch.items()}


def _row(prompt: Sequence[int], texts: Sequence[Sequence[int]]) -> dict[str, list[int]]:
    ids, part, position = list(prompt), [0] * len(prompt), list(range(len(prompt)))
    ends: list[int] = []
    for number, text in enumerate(texts, start=1):
        ids += text
        part += [number] * len(text)
        position += range(len(prompt), len(prompt) + len(text))
        ends.append(len(ids) - 1)
    return {"ids": ids, "part": part, "position": position, "ends": ends}


def _visible(parts: torch.Tensor) -> torch.Tensor:
    """Return the attention mask (B, T, T) for the parts (B, T) of the tokens.

    Part 0 is the prompt, 1 and more are the answers. A token of part PADDING attends to padding only.
    """
    same = parts[:, :, None] == parts[:, None, :]
    of_prompt = (parts == 0)[:, None, :] & (parts != PADDING)[:, :, None]
    return (same | of_prompt).tril()
