"""reward.json: the base of a reward model, its fingerprint, and the units of its scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from data.errors import BadInput
from reward.base.frozen_base import Base

ABOUT = "reward.json"


@dataclass(frozen=True, slots=True)
class About:
    """What stands in reward.json. `base` names the base model; `fingerprint` tells whether it is still the same.

    `members` is how many reward models the folder holds; 1 where it is one itself. `cut_points` are the limits between
    a tie and the grades of preference in log-odds, where they were learned.
    """

    base: str
    fingerprint: dict[str, str]
    chat_template: str | None = None
    offset: float = 0.0
    scale: float = 1.0
    members: int = 1
    cut_points: Sequence[float] = ()


def in_units_of(reference: torch.Tensor, about: About) -> About:
    """The same with the offset and scale that give these raw scores (N,) mean 0 and standard deviation 1."""
    scale = float(reference.std(correction=0)) if len(reference) > 1 else 1.0
    return replace(about, offset=float(reference.mean()), scale=scale or 1.0)


def about_base(base: Base) -> About:
    """What a reward model just trained on `base` has to remember of it."""
    return About(base.name, base.fingerprint, base.tokenizer.chat_template)


def save_about(path: str | Path, base: Base, about: About) -> None:
    """Write reward.json and the tokenizer into a reward model's folder."""
    base.tokenizer.save_pretrained(str(path))
    write_about(path, about)


def write_about(path: str | Path, about: About) -> None:
    """Write reward.json alone."""
    (Path(path) / ABOUT).write_text(json.dumps(asdict(about), indent=2, ensure_ascii=False) + "\n")


def read_about(path: Path) -> About:
    """What stands in a folder's reward.json. Raises BadInput where there is none."""
    if not (path / ABOUT).is_file():
        raise BadInput(
            error=f"{str(path)!r} holds no reward model (no {ABOUT})",
            remedy="Give the folder of a reward model that this application trained or exported.",
        )
    return About(**json.loads((path / ABOUT).read_text()))


def check_fingerprint(name: str, about: About, base: Base) -> None:
    found = base.fingerprint
    changed = [part for part, value in about.fingerprint.items() if found[part] != value]
    if changed:
        raise BadInput(
            error=f"reward model {name!r} was trained with another {' and another '.join(changed)} than {base.name!r} has",
            remedy=f"Use it with {about.base!r} as it was, or train a new reward model.",
        )
