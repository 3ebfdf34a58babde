"""What every format is read into and written from: prompts, instructions, preferences, completions, before they have ids."""

from __future__ import annotations

from dataclasses import dataclass

from data.tables.instructions import instruction_prompt

MARGINS = (1, 2, 3)  # slightly, clearly, significantly better
CLEARLY = 2  # what a row says that states no margin on this scale


@dataclass(frozen=True, slots=True)
class PromptShape:
    """A prompt: what a person reads, and its turns as {role, content} when it is more than one user's text."""

    text: str
    messages: list[dict] | None = None
    family: str | None = None
    facts: dict | None = None


@dataclass(frozen=True, slots=True)
class InstructionShape:
    """One Alpaca triple. `defects` lists what is known to be wrong with the output."""

    instruction: str
    input: str
    output: str
    messages: list[dict] | None = None
    family: str | None = None
    defects: tuple[str, ...] = ()
    source: str = ""

    @property
    def prompt(self) -> PromptShape:
        """The prompt that the triple asks: the instruction, then its input as a paragraph of its own."""
        return PromptShape(instruction_prompt(self.instruction, self.input), self.messages, self.family)


Answer = tuple[str, str | None]
"""A text, and the model that wrote it where the file says so."""


@dataclass(frozen=True, slots=True)
class Vote:
    """What one labeler (as the file calls them) said of two answers: the winner is 0 or 1, None for a tie."""

    winner: int | None
    margin: int = CLEARLY
    labeler: str = ""
    both_bad: bool = False


@dataclass(frozen=True, slots=True)
class PairShape:
    """Two answers to a prompt and what people said of them: several votes, one, or none yet."""

    prompt: PromptShape
    answers: tuple[Answer, Answer]
    votes: tuple[Vote, ...] = ()
    source: str = "import"


@dataclass(frozen=True, slots=True)
class PreferenceShape:
    """One answer preferred over another. `margin` 1 to 3; `source` is 'simulated' for labels that no person gave.

    `labeler` is what the file calls the one who said it.
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
        """The same as two answers and a vote for the first."""
        answers = ((self.chosen, self.chosen_model), (self.rejected, self.rejected_model))
        return PairShape(self.prompt, answers, (Vote(0, self.margin, self.labeler),), self.source)


@dataclass(frozen=True, slots=True)
class CompletionShape:
    """An answer that a model elsewhere gave."""

    prompt: PromptShape
    text: str
    model: str | None = None
