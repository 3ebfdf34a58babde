# SPDX-License-Identifier: Apache-2.0
"""A tour's lines on the terminal: its stages with progress and time left, and answers before and after them."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Sequence
from typing import TextIO

from data.cli import print_text
from data.clock import now
from data.errors import show_controls
from data.records import Run
from rlhf.common.estimate import describe_progress, format_duration

TITLES = {
    "sample": "Sample answers",
    "label": "Simulated labelers compare them",
    "reward": "Train the reward model",
    "ppo": "Train a policy with PPO",
    "dpo": "Train a policy with DPO",
    "rejection": "Train a policy with rejection sampling",
    "best-of-n": "Make a policy that picks the best of n answers",
    "sft": "Train a policy with supervised fine-tuning",
    "compare": "Compare the new policy with the old one",
}
EVERY = 10.0
"""Seconds between two progress lines in a file or pipe. A terminal shows each on the same line."""
WIDTH, LONGEST = 100, 400
"""Columns of an answer, and the characters after which it is cut."""


class Narrator:
    """Writes the lines. `stages` are the names of the tour's stages in order; others are shown without a number."""

    def __init__(self, stream: TextIO, stages: Sequence[str]) -> None:
        self.stream, self.stages = stream, stages
        self.overwrites = stream.isatty()
        self.shown_at, self.shown = 0.0, ""

    def print(self, line: str = "") -> None:
        """Write a line of its own, in place of a progress line."""
        if self.overwrites and self.shown:
            self.stream.write("\r\033[K")
        self.shown = ""
        print_text(line, self.stream)

    def begin(self, stage: str) -> None:
        """Say that a stage begins."""
        self.print()
        self.print(self._head(stage))
        self.shown_at = time.monotonic()

    def progress(self, run: Run) -> None:
        """Show how far the run is, and about how long it still takes."""
        line = f"  {describe_progress(run, now()) if run.total else 'starting'}"
        late = time.monotonic() - self.shown_at >= EVERY
        if line == self.shown or not (self.overwrites or late):
            return
        self.shown_at, self.shown = time.monotonic(), line
        if self.overwrites:
            self.stream.write(f"\r\033[K{show_controls(line)}")
            self.stream.flush()
        else:
            print_text(line, self.stream)

    def end(self, seconds: float, peak_mb: float) -> None:
        """Say what the stage took."""
        self.print(f"  done in {format_duration(seconds)}, {peak_mb:,.0f} MB of memory")

    def answers(self, **captioned: str) -> None:
        """Show texts below each other, each with its caption."""
        longest = max(map(len, captioned)) + 2
        for caption, text in captioned.items():
            head = f"  {caption.capitalize()}:".ljust(longest + 2)
            flat = textwrap.shorten(text, LONGEST, placeholder=" ...") or "(empty)"
            wrapped = textwrap.wrap(flat, WIDTH, initial_indent=head, subsequent_indent=" " * len(head))
            for line in wrapped:
                self.print(line)

    def _head(self, stage: str) -> str:
        number = f"{self.stages.index(stage) + 1} of {len(self.stages)}  " if stage in self.stages else ""
        return number + TITLES.get(stage, stage)
