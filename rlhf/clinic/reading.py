# SPDX-License-Identifier: Apache-2.0
"""A model's readings of instruction rows: a vector of each instruction and answer, and the answer's losses.

IFD, instruction-following difficulty (Li et al. 2023, "From Quantity to Quality"): the answer's mean loss after its
instruction, divided by its mean loss after an empty instruction. Near 1 the instruction does not help to predict the
answer; above 1 it misleads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from data.tables.instructions import instruction_prompt
from labeling.texts.pages import bad_input
from reward.base.frozen_base import Base
from reward.base.memory import reading_passes
from reward.base.text.shorten import shorten_prompt
from rlhf.sampling.vocabulary import action_scores

LOSSES = ("loss", "loss_alone", "ifd", "loss_gain", "largest_loss", "end_loss", "largest_gain")
"""Columns in nats per token: the answer's mean loss after its instruction and after none, their ratio and difference,
the largest loss of a token, the end token's loss, and the largest increase of a token's loss by the instruction."""


class RowReadings(NamedTuple):
    """Vectors of instructions (N, D) and answers (N, D), and the columns LOSSES (N, 7), all float32."""

    instructions: np.ndarray
    answers: np.ndarray
    losses: np.ndarray


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """A row's token ids: the framed instruction, the empty frame, and the answer with its end token."""

    prompt: list[int]
    bare: list[int]
    answer: list[int]


def encode_row(base: Base, instruction: str, input: str, output: str) -> EncodedRow:
    """Encode a row for this base; shorten the prompt's text at its start and the answer at its end to fit the context.

    Raises UnusablePrompt if the template refuses the prompt.
    """
    bare = base.encoding.encode_template("")
    answer = base.encode_completion(output)[: base.context - max(len(bare), base.context // 4)]
    text, room = instruction_prompt(instruction, input), base.context - len(answer)
    prompt = base.encoding.encode_template(text)
    if len(prompt) > room:
        prompt = shorten_prompt(base.encoding, text, room) or bare
    return EncodedRow(prompt, bare, answer)


@torch.no_grad()
def read_rows(
    base: Base, rows: Sequence[EncodedRow], batch_size: int, on_progress: Callable[[int], None]
) -> RowReadings:
    """Read the rows with the base's active role, at most `batch_size` in a pass.

    `on_progress` gets the number of rows done and may raise to stop.
    """
    lengths = [max(len(row.prompt), len(row.bare)) + len(row.answer) for row in rows]
    vectors = np.zeros((2, len(rows), base.hidden_size), dtype=np.float32)
    losses = np.zeros((len(rows), len(LOSSES)), dtype=np.float32)
    done = 0
    for places in reading_passes(base, lengths, batch_size):
        batch = [rows[place] for place in places]
        after, hidden = _losses(base, [row.prompt for row in batch], batch)
        alone, _ = _losses(base, [row.bare for row in batch], batch)
        for place, row, with_it, without, states in zip(places, batch, after, alone, hidden, strict=True):
            losses[place] = loss_summary(with_it, without)
            vectors[0, place] = states[: len(row.prompt)].mean(dim=0)
            vectors[1, place] = states[len(row.prompt) : len(row.prompt) + len(row.answer)].mean(dim=0)
        done += len(places)
        on_progress(done)
    return RowReadings(vectors[0], vectors[1], losses)


def loss_summary(after: np.ndarray, alone: np.ndarray) -> np.ndarray:
    """Return the columns LOSSES from an answer's losses per token (T,), after its instruction and after none."""
    mean, bare = after.mean(), alone.mean()
    return np.array(
        [mean, bare, mean / max(bare, 1e-6), bare - mean, after.max(), after[-1], (after - alone).max()],
        dtype=np.float32,
    )


def _losses(
    base: Base, prompts: Sequence[list[int]], batch: Sequence[EncodedRow]
) -> tuple[list[np.ndarray], list[torch.Tensor]]:
    """Return each answer's losses per token after its prompt, and each row's hidden states (T, D)."""
    ids, mask = base.collate([[*prompt, *row.answer] for prompt, row in zip(prompts, batch, strict=True)])
    hidden = base.hidden(ids, mask, right_padded=True)
    losses = []
    for number, (prompt, row) in enumerate(zip(prompts, batch, strict=True)):
        end = len(prompt) + len(row.answer)
        logps, _ = action_scores(base, hidden[number, len(prompt) - 1 : end - 1], ids[number, len(prompt) : end])
        losses.append(-logps.cpu().numpy())
    return losses, [states.float().cpu() for states in hidden]


def sentence_vectors(name: str, texts: Sequence[str], batch_size: int) -> np.ndarray:
    """Return normalised vectors (N, D) by a sentence-transformers model.

    Raises BadInput if the library or the model is missing.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise bad_input("refused.sentence_library", field="model", name=name) from None
    try:
        model = SentenceTransformer(name, local_files_only=True, trust_remote_code=False)
    except Exception as problem:  # the library passes on errors of any kind
        reason = (str(problem).strip().splitlines() or [type(problem).__name__])[0][:200]
        raise bad_input("refused.sentence_model", field="model", name=name, reason=reason) from None
    return model.encode(list(texts), batch_size=batch_size, normalize_embeddings=True, show_progress_bar=False).astype(
        np.float32
    )
