# SPDX-License-Identifier: Apache-2.0
"""Answers that begin with a model's thoughts: `<think>`, the thoughts, `</think>`, the answer itself."""

from __future__ import annotations

OPEN, CLOSE = "<think>", "</think>"


def split_thoughts(text: str) -> tuple[str, str]:
    """Return the thoughts and the answer, without the line ends around them; ("", text) if no thoughts are closed."""
    start = text.lstrip()
    if not start.startswith(OPEN) or CLOSE not in start:
        return "", text
    thoughts, answer = start[len(OPEN) :].split(CLOSE, 1)
    return thoughts.strip("\n"), answer.lstrip("\n")


def join_thoughts(thoughts: str, answer: str) -> str:
    """Return the text of an answer with its thoughts; `split_thoughts` takes it apart."""
    return f"{OPEN}\n{thoughts}\n{CLOSE}\n\n{answer}" if thoughts else answer
