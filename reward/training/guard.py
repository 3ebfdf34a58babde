# SPDX-License-Identifier: Apache-2.0
"""The guard that a reward training makes beside its driver: heads on the prompts that the driver leaves out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.run_context import RunContext
from labeling.texts.pages import stored_line
from reward.about import HEADS
from reward.base.frozen_base import Base
from reward.prompt_parts import GUARD_PART
from reward.settings import RewardSettings
from reward.training.heads import read_rows, train_heads
from reward.training.method import Choice
from reward.training.rows import RowEncoder, fitting_rows, run_rows
from reward.training.run_report import encode_held_out, report_of


@dataclass(frozen=True, slots=True)
class Trained:
    """A reward model that is not published yet: its folder, settings and report."""

    folder: Path
    settings: RewardSettings
    report: dict[str, Any]


def train_guard(context: RunContext, settings: RewardSettings, base: Base) -> Trained:
    """Train heads on the guard's part of the prompts, and score the test prompts.

    It takes seconds, so a resumed run repeats it. Raises BadInput if the part holds nothing to train on, and Cancelled.
    """
    own = settings.model_copy(
        update={"part": GUARD_PART, "guard": "no", "role": "guard", "method": HEADS, "members": 1}
    )
    _, training, held_out = run_rows(context, own, own.weights)
    encoder = RowEncoder(base)
    rows = fitting_rows(encoder, training)
    data = read_rows(context, base, rows)
    folder = context.folder / "guard"
    model, trained = train_heads(context, folder, own, base, rows, data)
    choice = Choice(HEADS, stored_line("note.method_guard"))
    report = report_of(context, model, encoder, training, held_out, *encode_held_out(encoder, held_out))
    report |= {"method": asdict(choice) | trained, "trained_on": len(rows), "left_out": +encoder.left_out}
    return Trained(folder, own, report | {"truncated": encoder.truncated})
