# SPDX-License-Identifier: Apache-2.0
"""The versions of adapters that a run has on its servers.

A version has a name and a folder of its own, which never change: servers keep what they computed with an adapter by
both, and read its files again later. A name has the run's id and a mark of this process: RUN-MARK-ROLE-vN.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from labeling.texts.pages import bad_input
from reward.base.frozen_base import Base
from rlhf.sampling.served.server import Server

UNLOAD_AFTER, DELETE_AFTER = 2, 4
"""Versions after which servers forget one, and after which its files are deleted."""
WHOLE_MODEL = ("lm_head", "lora_embedding_", "lora_magnitude", ".bias")
"""Parts of the names of tensors that vLLM does not apply."""


class Version(NamedTuple):
    """A version of a role's adapter: its name on servers, the folder of its files, and the hash of its weights."""

    name: str
    folder: Path
    digest: str


class AdapterVersions:
    """The versions of one run, in its own folder. Only the run's main process has one."""

    def __init__(self, folder: Path, run: str) -> None:
        self.folder, self._prefix = folder, f"{run}-{secrets.token_hex(4)}"
        self._versions: dict[str, list[Version]] = {}

    def count(self, role: str | None) -> int:
        """Return the number of versions of a role's adapter; 0 for the bare base."""
        return len(self._versions.get(role or "", []))

    def write(self, base: Base, role: str) -> Version | None:
        """Write the present weights of a role as a new version; None if the newest version has them.

        Raises BadInput for an adapter that vLLM does not serve.
        """
        before, digest = self._versions.get(role, []), _digest(base, role)
        if before and before[-1].digest == digest:
            return None
        check_shape(base, role)
        name = f"{self._prefix}-{role}-v{len(before) + 1}"
        draft, folder = self.folder / f"{name}.draft", self.folder / name
        base.save_adapter(role, draft)
        draft.rename(folder)  # a server never reads half an adapter
        version = Version(name, folder, digest)
        self._versions[role] = [*before, version]
        return version

    def retire(self, role: str, servers: Sequence[Server]) -> None:
        """Unload the version that is no longer asked for, and delete the files of one that no server reads."""
        versions = self._versions[role]
        if len(versions) > UNLOAD_AFTER:
            for server in servers:
                server.unload(versions[-1 - UNLOAD_AFTER].name)
        if len(versions) > DELETE_AFTER:
            shutil.rmtree(versions[-1 - DELETE_AFTER].folder, ignore_errors=True)

    def close(self, servers: Sequence[Server]) -> None:
        """Unload every version and delete all files. A server that was away may still have older versions."""
        for versions in self._versions.values():
            for version in versions[-DELETE_AFTER:]:
                for server in servers:
                    server.unload(version.name)
        shutil.rmtree(self.folder, ignore_errors=True)


def check_shape(base: Base, role: str) -> None:
    """Raise BadInput, with the part's name, for an adapter that vLLM would not apply as a whole."""
    config, names = base.adapter_config(role), base.adapter_state(role)
    parts = [part for part in WHOLE_MODEL if any(part in name for name in names)]
    parts += [name for name in ("use_dora", "rank_pattern", "alpha_pattern") if getattr(config, name)]
    if parts:
        raise bad_input("refused.rollouts_shape", field="rollouts", part=parts[0].strip("._"))


def _digest(base: Base, role: str) -> str:
    weights = hashlib.sha256()
    for name, tensor in base.adapter_state(role).items():
        weights.update(name.encode())
        weights.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return weights.hexdigest()
