# SPDX-License-Identifier: Apache-2.0
"""Settings and instructions for short fine-tuning runs."""

from __future__ import annotations

from data.splits import split_of
from rlhf.settings import SFTSettings

FAST = SFTSettings(learning_rate=1e-2, epochs=1.0, rank=2, batch_size=4)


TASKS = [f"Write note number {number} to Mina." for number in range(80)]


TRAIN = [text for text in TASKS if split_of(text) == "train"]


TEST = [text for text in TASKS if split_of(text) == "test"]
