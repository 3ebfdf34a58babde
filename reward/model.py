"""A reward model: a LoRA adapter on the shared base and one vector that reads a score off the answer's last token.

Its folder is a PEFT adapter of a sequence-classification model (TRL's RewardTrainer made it, `PeftModel` reads it),
with the tokenizer and `reward.json` beside it: base, fingerprint, offset and scale. What is scored always ends in an
end token, as in training. Scores are (raw - offset) / scale; without reference samples offset is 0 and scale 1.
The folder of an ensemble holds its members' folders instead of an adapter: see `reward.ensemble`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from data.errors import BadInput
from reward.about import About, check_fingerprint, in_units_of, read_about, save_about
from reward.base.adapters import HEAD, read_adapter
from reward.base.frozen_base import Base

ROWS_AT_ONCE = 64
Prompts = Sequence[str | Sequence[dict[str, str]]]


class RewardModel:
    """Scores answers. `role` is the adapter's name on `base`, `head` a vector (D,)."""

    def __init__(self, base: Base, role: str, head: torch.Tensor, about: About) -> None:
        self.base = base
        self.role = role
        self.head = head.detach().float().to(base.device)
        self.about = about

    @classmethod
    def load(
        cls, path: str | Path, base: Base | str | None = None, device: str | torch.device | None = None
    ) -> RewardModel:
        """Load from a folder, onto `base`, onto a base of its own read from the folder `base`, or from where it was trained.
        A base of its own is put on `device`.

        An ensemble's folder gives a `reward.ensemble.RewardEnsemble`. Raises BadInput where the folder is not a reward
        model, or where the base, the tokenizer or the template is not the one it was trained with.
        """
        path = Path(path)
        about = read_about(path)
        if not isinstance(base, Base):
            base = Base.load(base or about.base, device=device, chat_template=about.chat_template)
        check_fingerprint(path.name, about, base)
        if about.members > 1:
            from reward.ensemble import (
                RewardEnsemble,  # a RewardModel itself: it can only be imported once this class is there
            )

            return RewardEnsemble.of_folder(path, base, about)
        return cls.of_adapter(path, base, about, f"reward:{path.name}")

    @classmethod
    def of_adapter(cls, path: Path, base: Base, about: About, name: str) -> RewardModel:
        """Load the one adapter in the folder as a role that is called `name`, with a number where that is taken."""
        role = _free_name(name, base.adapters)
        base.add_adapter(role, path)
        return cls(base, role, read_adapter(path)[1][HEAD].flatten(), about)

    def score(self, prompts: Prompts, completions: Sequence[str] | Sequence[Sequence[int]]) -> list[float]:
        """One score per (prompt, completion), higher is better; completions are texts or lists of token ids."""
        return self.score_ids(*self.encode(prompts, completions)).tolist()

    def encode(
        self, prompts: Prompts, completions: Sequence[str] | Sequence[Sequence[int]]
    ) -> tuple[list[list[int]], list[list[int]]]:
        """Ids of the prompts and of the completions, which are texts or ids already."""
        ids = [self.base.encode_completion(c) if isinstance(c, str) else list(c) for c in completions]
        return [self.base.encode_prompt(prompt) for prompt in prompts], ids

    def score_ids(self, prompt_ids: Sequence[Sequence[int]], completion_ids: Sequence[Sequence[int]]) -> torch.Tensor:
        """Scores (N,) float32 on the CPU for token ids; an end token is appended where it is missing."""
        return (self.raw_scores(prompt_ids, completion_ids) - self.about.offset) / self.about.scale

    @torch.no_grad()
    def raw_scores(self, prompt_ids: Sequence[Sequence[int]], completion_ids: Sequence[Sequence[int]]) -> torch.Tensor:
        """Scores (N,) as the head gives them: differences are log-odds of being preferred."""
        rows = ended_rows(self.base, prompt_ids, completion_ids)
        scores = torch.empty(len(rows))
        with self.base.role(self.role):
            for numbers, ids, mask in batches(self.base, rows):
                scores[numbers] = self.last_token_scores(ids, mask)
        return scores

    def calibrate(self, prompt_ids: Sequence[Sequence[int]], completion_ids: Sequence[Sequence[int]]) -> None:
        """Fix offset and scale so that these reference samples have mean 0 and standard deviation 1."""
        self.about = in_units_of(self.raw_scores(prompt_ids, completion_ids).double(), self.about)

    def save(self, path: str | Path) -> None:
        """Write the folder that `load` reads."""
        self.save_adapter(path)
        save_about(path, self.base, self.about)

    def save_adapter(self, path: str | Path) -> None:
        """Write the adapter with its head, as PEFT keeps that of a sequence-classification model."""
        config = copy.copy(self.base.model.peft_config[self.role])
        config.task_type, config.modules_to_save = "SEQ_CLS", ["score"]
        self.base.save_adapter(self.role, path, config=config, extra={HEAD: self.head[None]})

    def last_token_scores(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Raw scores (B,) on the CPU for padded rows (B, T), under the base's active role."""
        hidden = self.base.hidden(ids, mask)
        last = mask.sum(dim=1) - 1
        return (hidden[torch.arange(len(ids), device=hidden.device), last].float() @ self.head).cpu()


def ended_rows(
    base: Base, prompt_ids: Sequence[Sequence[int]], completion_ids: Sequence[Sequence[int]]
) -> list[list[int]]:
    """Prompts with their answers, each closed by an end token. Raises BadInput where one is longer than the context."""
    rows = [[*prompt, *base.encoding.ended(answer)] for prompt, answer in zip(prompt_ids, completion_ids, strict=True)]
    _check_lengths(rows, base.context)
    return rows


def batches(base: Base, rows: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
    """Rows of like length together: their numbers, and their ids and mask (B, T) on the base's device."""
    by_length = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    for start in range(0, len(rows), ROWS_AT_ONCE):
        numbers = by_length[start : start + ROWS_AT_ONCE]
        yield numbers, *base.collate([rows[number] for number in numbers])


def _check_lengths(rows: Sequence[Sequence[int]], context: int) -> None:
    longest = max(map(len, rows), default=0)
    if longest > context:
        raise BadInput(
            error=f"a prompt with its answer is {longest} tokens long, the model's context is {context}",
            remedy="Sample shorter answers, or use a base model with a longer context.",
        )


def _free_name(name: str, taken: Sequence[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}#{number}"
    return free
