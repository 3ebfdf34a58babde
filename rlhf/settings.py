"""What each kind of run on this floor can be told; importable without torch (forms and `--set` read these classes)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def option(default: Any, help: str, *, unit: str = "", main: bool = False) -> Any:
    """A field with the text a form shows; `main` marks the few that stand above the fold."""
    return field(default=default, metadata={"help": help, "unit": unit, "main": main})


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """Answers of a policy, and the pairs made of them for the labelers."""

    from_: str = option("", "policy that answers; empty: the newest one", main=True)
    against: str = option("", "second policy: one answer of each per prompt, shown blind, to compare the two", main=True)
    prompts: int = option(100, "how many prompts; those answered least often come first", unit="prompts", main=True)
    per_prompt: int = option(2, "answers per prompt", unit="answers", main=True)
    temperature: float = option(1.0, "1 samples the policy as it is; lower is safer and more alike", main=True)
    split: str = option("", "train, validation or test; empty: train, or test when two policies are compared")
    pairs: str = option("disjoint", "disjoint: no answer stands in two pairs; all: every two answers of a prompt")
    max_new_tokens: int = option(80, "where an answer is cut", unit="tokens")
    batch_size: int = option(128, "answers generated at once", unit="answers")
    seed: int = option(0, "same seed, same answers")


@dataclass(frozen=True, slots=True)
class CompareSettings:
    """Policies judged against another one on test prompts."""

    policies: str = option("", "policies to judge, by comma; empty: the newest one", main=True)
    against: str = option("", "the policy they are compared with; empty: each one's parent", main=True)
    reward: str = option("", "reward model that picks the best of n, and judges where judge=reward", main=True)
    judge: str = option("rubric", "rubric: the documented one, for prompts it knows; reward: the reward model", main=True)
    prompts: int = option(300, "how many test prompts, always the same ones for one seed", unit="prompts", main=True)
    draws: int = option(2, "answers of each policy per prompt", unit="answers")
    best_of: int = option(8, "answers of the compared policy the best is picked from; 0: leave it out", unit="answers")
    agreement: float = option(0.73, "how often two simulated labelers agree, for the noisy win rate")
    max_new_tokens: int = option(80, "where an answer is cut", unit="tokens")
    batch_size: int = option(128, "answers generated at once", unit="answers")
    seed: int = option(0, "same seed, same answers")
