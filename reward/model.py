"""A reward model: a LoRA adapter on the shared base and one vector that reads a score off the answer's last token.

Its folder is a PEFT adapter of a sequence-classification model (TRL's RewardTrainer made it, `PeftModel` reads it),
with the tokenizer and `reward.json` beside it: base, fingerprint, offset and scale. What is scored always ends in an
end token, as in training. Scores are (raw - offset) / scale; without reference samples offset is 0 and scale 1.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from data.errors import BadInput
from reward.adapters import HEAD, read_adapter
from reward.base import Base

ABOUT = "reward.json"
ROWS_AT_ONCE = 64
Prompts = Sequence[str | Sequence[dict[str, str]]]


@dataclass(frozen=True, slots=True)
class About:
    """What stands in reward.json. `base` names the base model; `fingerprint` tells whether it is still the same."""

    base: str
    fingerprint: dict[str, str]
    chat_template: str | None = None
    offset: float = 0.0
    scale: float = 1.0


class RewardModel:
    """Scores answers. `role` is the adapter's name on `base`, `head` a vector (D,)."""

    def __init__(self, base: Base, role: str, head: torch.Tensor, about: About) -> None:
        self.base = base
        self.role = role
        self.head = head.detach().float().to(base.device)
        self.about = about

    @classmethod
    def load(cls, path: str | Path, base: Base | str | None = None) -> RewardModel:
        """Load from a folder, onto `base`, onto a base of its own read from the folder `base`, or from where it was trained.

        Raises BadInput where the folder is not a reward model, or where the base, the tokenizer or the template is
        not the one it was trained with.
        """
        path = Path(path)
        about = _read_about(path)
        if not isinstance(base, Base):
            base = Base.load(base or about.base, chat_template=about.chat_template)
        _check_fingerprint(path.name, about, base)
        role = _free_name(f"reward:{path.name}", base.adapters)
        base.add_adapter(role, path)
        return cls(base, role, read_adapter(path)[1][HEAD].flatten(), about)

    def score(self, prompts: Prompts, completions: Sequence[str] | Sequence[Sequence[int]]) -> list[float]:
        """One score per (prompt, completion), higher is better; completions are texts or lists of token ids."""
        ids = [self.base.encode_completion(c) if isinstance(c, str) else list(c) for c in completions]
        return self.score_ids([self.base.encode_prompt(prompt) for prompt in prompts], ids).tolist()

    def score_ids(self, prompt_ids: Sequence[Sequence[int]], completion_ids: Sequence[Sequence[int]]) -> torch.Tensor:
        """Scores (N,) float32 on the CPU for token ids; an end token is appended where it is missing."""
        return (self.raw_scores(prompt_ids, completion_ids) - self.about.offset) / self.about.scale

    @torch.no_grad()
    def raw_scores(self, prompt_ids: Sequence[Sequence[int]], completion_ids: Sequence[Sequence[int]]) -> torch.Tensor:
        """Scores (N,) as the head gives them: differences are log-odds of being preferred."""
        pairs = zip(prompt_ids, completion_ids, strict=True)
        rows = [[*prompt, *self.base.encoding.ended(answer)] for prompt, answer in pairs]
        _check_lengths(rows, self.base.context)
        by_length = sorted(range(len(rows)), key=lambda number: len(rows[number]))
        scores = torch.empty(len(rows))
        with self.base.role(self.role):
            for start in range(0, len(rows), ROWS_AT_ONCE):
                batch = by_length[start : start + ROWS_AT_ONCE]
                scores[batch] = self._last_token_scores([rows[number] for number in batch]).cpu()
        return scores

    def calibrate(self, prompt_ids: Sequence[Sequence[int]], completion_ids: Sequence[Sequence[int]]) -> None:
        """Fix offset and scale so that these reference samples have mean 0 and standard deviation 1."""
        raw = self.raw_scores(prompt_ids, completion_ids).double()
        scale = float(raw.std(correction=0)) if len(raw) > 1 else 1.0
        self.about = About(**{**asdict(self.about), "offset": float(raw.mean()), "scale": scale or 1.0})

    def save(self, path: str | Path) -> None:
        """Write the folder that `load` reads."""
        config = copy.copy(self.base.model.peft_config[self.role])
        config.task_type, config.modules_to_save = "SEQ_CLS", ["score"]
        self.base.save_adapter(self.role, path, config=config, extra={HEAD: self.head[None]})
        save_about(path, self.base, self.about)

    def _last_token_scores(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        ids, mask = self.base.collate(rows)
        last = mask.sum(dim=1) - 1
        hidden = self.base.hidden(ids, mask)
        return hidden[torch.arange(len(rows), device=hidden.device), last].float() @ self.head


def about_base(base: Base) -> About:
    """What a reward model just trained on `base` has to remember of it."""
    return About(base.name, base.fingerprint, base.tokenizer.chat_template)


def save_about(path: str | Path, base: Base, about: About) -> None:
    """Write reward.json and the tokenizer into a reward model's folder."""
    base.tokenizer.save_pretrained(str(path))
    (Path(path) / ABOUT).write_text(json.dumps(asdict(about), indent=2, ensure_ascii=False) + "\n")


def _read_about(path: Path) -> About:
    if not (path / ABOUT).is_file():
        raise BadInput(
            error=f"{str(path)!r} holds no reward model (no {ABOUT})",
            remedy="Give the folder of a reward model that this application trained or exported.",
        )
    return About(**json.loads((path / ABOUT).read_text()))


def _check_fingerprint(name: str, about: About, base: Base) -> None:
    found = base.fingerprint
    changed = [part for part, value in about.fingerprint.items() if found[part] != value]
    if changed:
        raise BadInput(
            error=f"reward model {name!r} was trained with another {' and another '.join(changed)} than {base.name!r} has",
            remedy=f"Use it with {about.base!r} as it was, or train a new reward model.",
        )


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
