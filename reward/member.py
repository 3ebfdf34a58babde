# SPDX-License-Identifier: Apache-2.0
"""Members of a reward model: an adapter and a head each in a PEFT folder of their own, or heads on the bare base."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from reward.about import read_about
from reward.base.adapters import HEAD, read_adapter
from reward.base.frozen_base import Base
from reward.heads.features import read_features

HEAD_FILE = "reward_head.safetensors"
HEADS_FILE = "heads.safetensors"


@dataclass(frozen=True, slots=True)
class Member:
    """The adapter `role` on the shared base and a vector `head` (D,) whose product with a hidden state is a raw score.

    `role` is None if the adapter was merged into a base of its own, and if `pooled`: then the head (F,) reads the
    features of `reward.heads.features`, which hold more than the hidden state at the end.
    `offset` and `scale` bring raw scores to mean 0 and deviation 1 on the reference samples before members are
    averaged. `cut_points` are the limits between the grades of preference, in log-odds, if they were learned.
    """

    role: str | None
    head: torch.Tensor
    offset: float = 0.0
    scale: float = 1.0
    cut_points: tuple[float, ...] = ()
    pooled: bool = False

    @property
    def reads(self) -> tuple[str | None, bool]:
        """The role and the kind of states that the head reads. Members that read the same share a forward pass."""
        return self.role, self.pooled

    def read_states(self, base: Base, ids: torch.Tensor, mask: torch.Tensor, starts: Sequence[int]) -> torch.Tensor:
        """Return in float32 what the head reads of right-padded rows (B, T), whose answers begin at `starts`.

        These are the hidden states (B, D) at each row's last token, or the features (B, F).
        """
        if self.pooled:
            return read_features(base, ids, mask, starts)
        with base.role(self.role):
            hidden = base.hidden(ids, mask, right_padded=True)
        last = mask.sum(dim=1) - 1
        return hidden[torch.arange(len(ids), device=hidden.device), last].float()


def member_folder(path: str | Path, number: int) -> Path:
    """Return the folder of member `number` in the folder `path` of an ensemble."""
    return Path(path) / f"member-{number}"


def load_alone(base: Base, path: Path) -> Member:
    """Load the only member of a reward model. It keeps offset 0 and scale 1, because nothing is averaged."""
    merged = path / HEAD_FILE
    if merged.is_file():
        role, head = None, load_file(merged)[HEAD].flatten()
    else:
        role, head = _load(base, path, f"reward:{path.name}")
    return Member(role, head, cut_points=tuple(read_about(path).cut_points))


def load_members(base: Base, path: Path, count: int) -> list[Member]:
    """Load the members of an ensemble; member k of the folder r3 gets the role `reward:r3#k`."""
    members = []
    for number in range(count):
        folder = member_folder(path, number)
        about = read_about(folder)
        role, head = _load(base, folder, f"reward:{path.name}#{number}")
        members.append(Member(role, head, about.offset, about.scale, tuple(about.cut_points)))
    return members


def load_heads(path: Path, count: int) -> list[Member]:
    """Load heads on the bare base. A single one keeps offset 0 and scale 1, because nothing is averaged."""
    tensors = load_file(path / HEADS_FILE)
    units = zip(tensors["offsets"].tolist(), tensors["scales"].tolist(), strict=True) if count > 1 else [(0.0, 1.0)]
    return [
        Member(None, head, offset, scale, pooled=True)
        for head, (offset, scale) in zip(tensors["heads"], units, strict=True)
    ]


def save_heads(members: Sequence[Member], path: str | Path) -> None:
    """Write heads on the bare base: heads (K, F), offsets (K,) and scales (K,) in one file."""
    tensors = {
        "heads": torch.stack([member.head.cpu() for member in members]),
        "offsets": torch.tensor([member.offset for member in members], dtype=torch.float64),
        "scales": torch.tensor([member.scale for member in members], dtype=torch.float64),
    }
    save_file(tensors, Path(path) / HEADS_FILE, metadata={"format": "pt"})


def save_head(path: Path, head: torch.Tensor) -> None:
    """Write the head (1, D) of a reward model whose adapter was merged into the base in the folder `path`."""
    save_file({HEAD: head.contiguous()}, path / HEAD_FILE, metadata={"format": "pt"})


def save_member(base: Base, member: Member, path: str | Path) -> None:
    """Write the adapter and its head in the format in which PEFT saves a sequence-classification model."""
    assert member.role is not None, "only members with an adapter are trained and saved"
    config = copy.copy(base.adapter_config(member.role))
    config.task_type, config.modules_to_save = "SEQ_CLS", ["score"]
    base.save_adapter(member.role, path, config=config, extra={HEAD: member.head[None]})


def _load(base: Base, folder: Path, name: str) -> tuple[str, torch.Tensor]:
    """Load an adapter and return its role and head. The role is `name`, with a number if the name is taken."""
    role = _free_name(name, base.adapters)
    base.add_adapter(role, folder)
    return role, read_adapter(folder)[1][HEAD].flatten()


def _free_name(name: str, taken: tuple[str, ...]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}#{number}"
    return free
