"""Checkpoints that are whole or not there: written as a draft, renamed when all is written, and only then do older ones go.

transformers writes into the checkpoint's own folder and deletes an older one before whoever inherits has added anything; a process
killed in between would leave one that looks like a checkpoint and is none.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from torch import nn
from transformers import Trainer

DRAFT = "draft"


class DraftingTrainer(Trainer):
    """A Trainer whose main process completes a checkpoint (`_complete_checkpoint`) before it gets its name."""

    _draft: Path | None = None

    def _complete_checkpoint(self, checkpoint: Path) -> None:
        """Add to a checkpoint what transformers does not know of."""
        raise NotImplementedError

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._draft or super()._get_output_dir(trial))

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        folder = Path(self.args.output_dir)
        draft = _fresh(folder) if self.args.should_save else folder / DRAFT
        self.accelerator.wait_for_everyone()
        self._draft = draft
        super()._save_checkpoint(model, trial)
        self._draft = None
        self.accelerator.wait_for_everyone()  # each process has written its random state
        if self.args.should_save:
            made = draft / f"checkpoint-{self.state.global_step}"
            self._complete_checkpoint(made)
            _settle(made, folder, self.args.save_total_limit)


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, oldest first."""
    return sorted(folder.glob("checkpoint-*"), key=lambda checkpoint: int(checkpoint.name.rpartition("-")[2]))


def _fresh(folder: Path) -> Path:
    """An empty folder to write in; what a killed process left there is gone."""
    shutil.rmtree(folder / DRAFT, ignore_errors=True)
    (folder / DRAFT).mkdir(parents=True)
    return folder / DRAFT


def _settle(made: Path, folder: Path, limit: int | None) -> None:
    place = folder / made.name
    _delete(place)  # one of the same number, where somebody resumed from an older one
    os.replace(made, place)
    for old in checkpoints(folder)[:-limit] if limit else ():
        _delete(old)
    _delete(folder / DRAFT)


def _delete(checkpoint: Path) -> None:
    """Out of its name first: a process killed meanwhile leaves no half of it there."""
    if checkpoint.exists():
        gone = checkpoint.with_name("deleted")
        shutil.rmtree(gone, ignore_errors=True)
        os.replace(checkpoint, gone)
        shutil.rmtree(gone)
