# SPDX-License-Identifier: Apache-2.0
"""The file reward.json: a reward model's base, the fingerprint of that base, and the unit of its scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from labeling.texts.pages import bad_input
from reward.base.frozen_base import Base

ABOUT = "reward.json"
LORA, HEADS = "lora", "heads"
"""The two forms of a reward model: adapters, or heads on the bare base."""
MERGED = "."
"""The base of a reward model whose adapter was merged: the folder itself."""
PACKED = "./base"
"""The base of an exported adapter without a hub id: a copy in the adapter's folder."""


@dataclass(frozen=True, slots=True)
class About:
    """The content of reward.json: `base` names the base model, `fingerprint` holds the hashes that must not change.

    `members` is the number of reward models in the folder, 1 unless it is an ensemble. `cut_points` are the limits
    between a tie and the grades of preference in log-odds, if they were learned. `method` says what was trained: LoRA
    adapters, or heads on the bare base. `TemplateOptions` explains the template's fields.
    """

    base: str
    fingerprint: dict[str, str]
    chat_template: str | None = None
    template_kwargs: Mapping[str, Any] | None = None
    template_date: str | None = None
    offset: float = 0.0
    scale: float = 1.0
    members: int = 1
    cut_points: Sequence[float] = ()
    method: str = LORA


def reference_units(reference: torch.Tensor) -> tuple[float, float]:
    """Return the offset and scale that give these raw scores (N,) mean 0 and standard deviation 1."""
    scale = float(reference.std(correction=0)) if len(reference) > 1 else 1.0
    return float(reference.mean()), scale or 1.0


def describe_base(base: Base) -> About:
    """Return what a reward model trained on `base` records about it."""
    return About(base.name, base.fingerprint, **base.template_options.keywords())


def save_about(path: str | Path, base: Base, about: About) -> None:
    """Write reward.json and the tokenizer into a reward model's folder."""
    base.tokenizer.save_pretrained(str(path))
    write_about(path, about)


def write_about(path: str | Path, about: About) -> None:
    """Write reward.json alone."""
    (Path(path) / ABOUT).write_text(json.dumps(asdict(about), indent=2, ensure_ascii=False) + "\n")


def read_about(path: Path) -> About:
    """Read a folder's reward.json. Raises BadInput if there is none."""
    if not (path / ABOUT).is_file():
        raise bad_input("refused.no_reward_folder", folder=str(path), missing=ABOUT)
    return About(**json.loads((path / ABOUT).read_text()))


def check_fingerprint(name: str, about: About, base: Base) -> None:
    """Raise BadInput if the base, its tokenizer or its template differ from those that the model was trained with.

    Hashes of earlier versions, which cover less, are accepted.
    """
    hashes, former = base.fingerprint, base.former_fingerprint
    changed = [part for part, value in about.fingerprint.items() if value not in (hashes[part], former.get(part))]
    if changed:
        parts = " and another ".join(changed)
        raise bad_input("refused.other_base", name=name, parts=parts, base=base.name, trained=about.base)
