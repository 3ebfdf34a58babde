# SPDX-License-Identifier: Apache-2.0
"""Atomic checkpoints: a checkpoint is written as a draft, renamed when complete, and only then are older ones deleted.

transformers writes into the checkpoint's own folder, and deletes older ones before a subclass has added its files. A
process killed in between would leave an incomplete folder that looks like a checkpoint. If the disk is full, the draft
is deleted and the older checkpoint stays.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from torch import nn
from transformers import Trainer

DRAFT = "draft"


class DraftingTrainer(Trainer):
    """A Trainer, or part of one, whose main process completes a checkpoint before it gets its name."""

    _draft: Path | None = None

    def _complete_checkpoint(self, checkpoint: Path) -> None:
        """Add the files that transformers does not write to a checkpoint; none by default."""

    def _get_output_dir(self, trial: object) -> str:
        return str(self._draft or super()._get_output_dir(trial))

    def _save_checkpoint(self, model: nn.Module, trial: object) -> None:
        folder = Path(str(self.args.output_dir))
        draft = _fresh(folder) if self.args.should_save else folder / DRAFT
        self.accelerator.wait_for_everyone()
        self._draft = draft
        try:
            super()._save_checkpoint(model, trial)
            self._draft = None
            self.accelerator.wait_for_everyone()  # each process has written its random state
            if self.args.should_save:
                checkpoint = draft / f"checkpoint-{self.state.global_step}"
                self._complete_checkpoint(checkpoint)
                _publish(checkpoint, folder, self.args.save_total_limit)
        except Exception:  # of a full disk, safetensors and torch raise errors of their own
            shutil.rmtree(draft, ignore_errors=True)
            raise


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, oldest first."""
    return sorted(folder.glob("checkpoint-*"), key=lambda checkpoint: int(checkpoint.name.rpartition("-")[2]))


def _fresh(folder: Path) -> Path:
    """Create an empty draft folder; delete files that a killed process left there."""
    shutil.rmtree(folder / DRAFT, ignore_errors=True)
    (folder / DRAFT).mkdir(parents=True)
    return folder / DRAFT


def _publish(checkpoint: Path, folder: Path, limit: int | None) -> None:
    """Move a complete checkpoint into the run's folder, then delete all but the newest `limit`."""
    place = folder / checkpoint.name
    _delete(place)  # one of the same number, if the run was resumed from an older one
    os.replace(checkpoint, place)
    for old in checkpoints(folder)[:-limit] if limit else ():
        _delete(old)
    _delete(folder / DRAFT)


def _delete(checkpoint: Path) -> None:
    """Rename a checkpoint, then delete it: a process killed meanwhile leaves no half of it under its name."""
    if checkpoint.exists():
        trash = checkpoint.with_name("deleted")
        shutil.rmtree(trash, ignore_errors=True)
        os.replace(checkpoint, trash)
        shutil.rmtree(trash)
