# SPDX-License-Identifier: Apache-2.0
"""The table of all answers in decoding. It is written without looking at values, so a GPU never waits for the host."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Draw = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(logits (B, V), uniform numbers (B,)) -> (chosen ids (B,), their log-probabilities (B,))."""


class AnswerTable:
    """All answers: N rows of ids and log-probabilities, lengths, ended flags. A last column takes discarded tokens."""

    def __init__(self, noise: Tensor, room: Tensor, ends: Tensor) -> None:
        count, width = noise.shape
        self.noise, self.room, self.ends = noise, room, ends
        self.ids = torch.zeros(count, width + 1, dtype=torch.long, device=noise.device)
        self.logps = torch.zeros(count, width + 1, device=noise.device)
        self.counts = torch.zeros(count, dtype=torch.long, device=noise.device)
        self.ended = torch.zeros(count, dtype=torch.bool, device=noise.device)

    def numbers(self, rows: Tensor) -> Tensor:
        """Return the uniform number of each row's next token."""
        return self.noise[rows, self.counts[rows].clamp(max=self.noise.shape[1] - 1)]

    def write(self, rows: Tensor, running: Tensor, chosen: Tensor, logps: Tensor) -> Tensor:
        """Append a token to the running rows; return which rows still run."""
        column = torch.where(running, self.counts[rows], self.noise.shape[1])
        self.ids[rows, column], self.logps[rows, column] = chosen, logps.float()
        self.counts[rows] += running
        end = (chosen[:, None] == self.ends).any(-1) & running  # torch.isin may sort, and a sort waits on a GPU
        self.ended[rows] |= end
        return running & ~end & (self.counts[rows] < self.room[rows])
