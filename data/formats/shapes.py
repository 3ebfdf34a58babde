# SPDX-License-Identifier: Apache-2.0
"""Shapes: prompts, instructions, preferences, pairs and completions of any format, before they have ids."""

from __future__ import annotations

from dataclasses import dataclass

from data.tables.instructions import instruction_prompt

MARGINS = (1, 2, 3)  # slightly, clearly, significantly better
CLEARLY = 2  # the margin of a row without one on this scale


@dataclass(frozen=True, slots=True)
class PromptShape:
    """A prompt: its text, and its turns as {role, content} if it has more than one user's text."""

    text: str
    messages: list[dict] | None = None
    family: str | None = None
    facts: dict | None = None


@dataclass(frozen=True, slots=True)
class InstructionShape:
    """One Alpaca triple. `defects` lists the known defects of the output."""

    instruction: str
    input: str
    output: str
    messages: list[dict] | None = None
    family: str | None = None
    defects: tuple[str, ...] = ()
    source: str = ""

    @property
    def prompt(self) -> PromptShape:
        """Return the prompt of the triple: the instruction, then its input as a paragraph."""
        return PromptShape(instruction_prompt(self.instruction, self.input), self.messages, self.family)


Answer = tuple[str, str | None]
"""A text, and the model that wrote it if the file names one."""


@dataclass(frozen=True, slots=True)
class Vote:
    """The vote of one labeler (by the name in the file) on two answers: the winner 0 or 1, None for a tie.

    `aspects` holds (criterion, winner) for each criterion that the file judges on its own.
    """

    winner: int | None
    margin: int = CLEARLY
    labeler: str = ""
    both_bad: bool = False
    aspects: tuple[tuple[str, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """An answer of a pair, 0 or 1, that the labeler improved, and the improved one."""

    side: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class PairShape:
    """Two answers to a prompt with the votes on them: several, one or none. An edit comes with a single vote."""

    prompt: PromptShape
    answers: tuple[Answer, Answer]
    votes: tuple[Vote, ...] = ()
    source: str = "import"
    edit: Edit | None = None


@dataclass(frozen=True, slots=True)
class PreferenceShape:
    """One answer preferred over another. `margin` is 1 to 3; `source` is 'simulated' or 'ai' for such labels.

    `labeler` is the labeler's name in the file.
    """

    prompt: PromptShape
    chosen: str
    rejected: str
    margin: int = CLEARLY
    source: str = "import"
    labeler: str = ""
    chosen_model: str | None = None
    rejected_model: str | None = None

    @property
    def pair(self) -> PairShape:
        """Return the same as two answers with a vote for the first."""
        answers = ((self.chosen, self.chosen_model), (self.rejected, self.rejected_model))
        return PairShape(self.prompt, answers, (Vote(0, self.margin, self.labeler),), self.source)


@dataclass(frozen=True, slots=True)
class RankingShape:
    """A labeler's ranking of several answers to a prompt: the place of each, 1 the best; equal places are ties."""

    prompt: PromptShape
    answers: tuple[Answer, ...]
    places: tuple[int, ...]
    labeler: str = ""
    source: str = "import"


@dataclass(frozen=True, slots=True)
class CompletionShape:
    """A completion of another model."""

    prompt: PromptShape
    text: str
    model: str | None = None
