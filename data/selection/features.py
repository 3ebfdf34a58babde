# SPDX-License-Identifier: Apache-2.0
"""Features of an instruction row from its text alone: lengths, repetition, endings, copying, refusals, language."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

WORD = re.compile(r"\w+")
SENTENCE_END = re.compile(r"(?<=[.!?。])\s+")
LIST_NUMBER = re.compile(r"\d+[.)]")
PROPER_ENDS = (".", "!", "?", "。", '"', "'", ")", "]", "}", "”", "`", ":")
REFUSAL = re.compile(
    r"\b(?:i|we)(?:'m| am| are)? (?:sorry,? but|cannot|can't|can not|won't|will not|am unable|unable to)\b|\bas an ai\b"
    r"|할 수 없습니다|도와드릴 수 없|죄송하지만",
    re.IGNORECASE,
)
SCRIPTS = (
    ("ko", "\uac00", "\ud7a3"),
    ("ja", "\u3040", "\u30ff"),
    ("zh", "\u4e00", "\u9fff"),
    ("ru", "\u0400", "\u04ff"),
    ("ar", "\u0600", "\u06ff"),
)
ENGLISH = frozenset(
    WORD.findall(
        "the of and to a in is you that it for on are with as i be this have from or by "
        "not but what your can will an my"
    )
)
NAMES = (
    "answer_words",
    "prompt_words",
    "words_per_prompt_word",
    "repeated_sentences",
    "repeated_triples",
    "distinct_words",
    "ends_properly",
    "sentences",
    "prompt_words_used",
    "long_prompt_words_used",
    "names_used",
    "letters_per_word",
    "words_per_sentence",
    "first_sentence_words",
    "last_sentence_words",
    "commas",
    "questions",
    "exclamations",
    "refuses",
    "longest_repeat",
)
"""The columns of `features`, in their order."""


def compute_features(instruction: str, input: str, output: str) -> np.ndarray:
    """Return the columns NAMES of one row, (20,).

    Lengths are log(1 + words). Shares lie in 0..1, and are 1 if there is nothing to share.
    """
    prompt = f"{instruction} {input}".strip()
    prompt_words, words = WORD.findall(prompt.lower()), WORD.findall(output.lower())
    parts = sentences(output)
    used, triples = set(words), list(zip(words, words[1:], words[2:], strict=False))
    per_sentence = [len(sentence.split()) for sentence in parts] or [0]
    return np.array(
        [
            np.log1p(len(words)),
            np.log1p(len(prompt_words)),
            len(words) / (1 + len(prompt_words)),
            repeated(parts),
            repeated(triples),
            _share(used, words),
            output.rstrip().endswith(PROPER_ENDS),
            len(parts),
            _used(set(prompt_words), used),
            _used({word for word in prompt_words if len(word) > 3}, used),
            _used(names(prompt), used),
            np.mean([len(word) for word in words] or [0]),
            np.mean(per_sentence),
            per_sentence[0],
            per_sentence[-1],
            output.count(","),
            output.count("?"),
            output.count("!"),
            refuses(output),
            np.log1p(longest_repeat(words)),
        ],
        dtype=np.float32,
    )


def sentences(text: str) -> list[str]:
    """Return the sentences in lower case, without the numbers of a list."""
    return [part for part in SENTENCE_END.split(text.lower().strip()) if part and not LIST_NUMBER.fullmatch(part)]


def repeated(parts: list) -> float:
    """Return the share of parts that occurred before; 0 for no parts."""
    return 1 - len(set(parts)) / len(parts) if parts else 0.0


def longest_repeat(words: Sequence[str]) -> int:
    """Return the length of the longest run of words that occurs twice; 0 if no word does.

    Every prefix of such a run occurs twice too, so bisection finds the length.
    """
    few, many = 0, max(0, len(words) - 1)
    while few < many:
        length = (few + many + 1) // 2
        runs = list(zip(*(words[start:] for start in range(length)), strict=False))
        few, many = (length, many) if len(set(runs)) < len(runs) else (few, length - 1)
    return few


def names(text: str) -> set[str]:
    """Return capitalised words that do not begin a sentence, in lower case."""
    return {word.lower() for word in re.findall(r"(?<!^)(?<![.!?] )\b[A-Z]\w+", text)}


def refuses(text: str) -> bool:
    """Return whether the text refuses the request."""
    return REFUSAL.search(text) is not None


def detect_language(text: str) -> str:
    """Guess the language: ko, ja, zh, ru or ar if a fifth of the letters has that script, en by common words.

    Returns other for the rest.
    """
    letters = [letter for letter in text if letter.isalpha()]
    for name, low, high in SCRIPTS:
        if letters and sum(low <= letter <= high for letter in letters) >= 0.2 * len(letters):
            return name
    words = WORD.findall(text.lower())
    return "en" if words and sum(word in ENGLISH for word in words) >= 0.1 * len(words) else "other"


def _used(wanted: set[str], used: set[str]) -> float:
    return len(wanted & used) / len(wanted) if wanted else 1.0


def _share(distinct: set, every: list) -> float:
    return len(distinct) / len(every) if every else 1.0
