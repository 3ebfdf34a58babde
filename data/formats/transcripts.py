# SPDX-License-Identifier: Apache-2.0
"""Transcripts: turns that a text holds between the marks of a chat template.

A text is a transcript only if marks cover it from its beginning to its end. Nothing else ends a turn: a border is read,
never guessed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

BEFORE, AFTER = "### Instruction:\n", "\n\n### Response:\n"
"""The product's own plain template."""
ROLES = {
    "human": "user",
    "user": "user",
    "assistant": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
}
MARKS = ("<|im_start|>", "<|im_end|>", "[INST]", "[/INST]", "<|start_header_id|>", "<|eot_id|>", "<start_of_turn>")
"""Control marks that no person writes."""
HH = re.compile(r"(?:\A|\n\n)(Human|Assistant):")
TURNS = {  # template -> one turn: role, text
    "<|im_start|>": r"<\|im_start\|>(\w+)\n(.*?)(?:<\|im_end\|>\s*|\Z)",
    "<|start_header_id|>": r"<\|start_header_id\|>(\w+)<\|end_header_id\|>\n\n(.*?)(?:<\|eot_id\|>\s*|\Z)",
    "<start_of_turn>": r"<start_of_turn>(\w+)\n(.*?)(?:<end_of_turn>\s*|\Z)",
    "<|user|>": r"<\|(system|user|assistant)\|>\n?(.*?)(?:(?:<\|end\|>|</s>)\s*(?=<\|(?:system|user|assistant)\|>|\Z)"
    r"|\Z)",
}
PATTERNS = {mark: re.compile(pattern, re.DOTALL) for mark, pattern in TURNS.items()}
OPENING = re.compile(r"\s*(?:<s>|<bos>|<\|begin_of_text\|>|<\|endoftext\|>)?\s*")
EXCHANGE = re.compile(r"(?:<s>)?\s*\[INST\](.*?)\[/INST\](.*?)(?=</s>|<s>|\[INST\]|\Z)(?:</s>)?\s*", re.DOTALL)
SYSTEM = re.compile(r"\s*<<SYS>>\n(.*?)\n<</SYS>>\n\n(.*)", re.DOTALL)


class Transcript(NamedTuple):
    """The turns of a text as {role, content}. `open`: it ends with a mark after which the assistant answers."""

    messages: list[dict]
    open: bool = False
    spaced: bool = False  # the template puts a space before an answer


def may_hold_marks(text: str) -> bool:
    """Return whether a text has a character of any mark; most texts have none."""
    return "<" in text or "[" in text or "#" in text or "Human:" in text or "Assistant:" in text


def parse_transcript(text: str) -> Transcript | None:
    """Return the turns of a text that is a transcript from its beginning to its end; None for any other text."""
    if "Human:" in text and _begins_hh(text):
        return _parse_hh(text)
    if text.startswith(BEFORE):
        return _parse_plain(text)
    if "[INST]" in text:
        return _parse_exchanges(text)
    mark = next((mark for mark in PATTERNS if mark in text), None)
    return _parse_turns(text, PATTERNS[mark]) if mark else None


def find_mark(text: str) -> str | None:
    """Return a control mark that a text contains, as people see it; None without one."""
    mark = next((mark for mark in MARKS if mark in text), None)
    if mark is None and "\n\n" in text and ("Human:" in text or "Assistant:" in text):
        found = HH.search(text)
        mark = f"{found[1]}:" if found else None
    return mark


def _begins_hh(text: str) -> bool:
    """Return whether a text begins as Anthropic's data do. "Human: ..." alone may be a person's own words."""
    return text.startswith("\n\nHuman:") or (text.lstrip("\n").startswith("Human:") and "\n\nAssistant:" in text)


def _parse_hh(text: str) -> Transcript | None:
    """Parse the turns of Anthropic's data; the first line ends may be missing, as files that were trimmed lack them."""
    name, *parts = HH.split("\n\n" + text.lstrip("\n"))
    if name:
        return None
    turns = [
        {"role": ROLES[name.lower()], "content": said.removeprefix(" ")}
        for name, said in zip(parts[::2], parts[1::2], strict=True)
    ]
    return _closed(turns, spaced=True)


def _parse_plain(text: str) -> Transcript | None:
    asked, mark, answer = text.removeprefix(BEFORE).partition(AFTER)
    if not mark:
        return None
    return _closed([{"role": "user", "content": asked}, {"role": "assistant", "content": answer}])


def _parse_turns(text: str, pattern: re.Pattern[str]) -> Transcript | None:
    opening = OPENING.match(text)
    place = opening.end() if opening else 0
    turns = []
    while place < len(text):
        turn = pattern.match(text, place)
        role = ROLES.get(turn[1].lower()) if turn else None
        if turn is None or role is None or any(mark in turn[2] for mark in MARKS):
            return None
        turns.append({"role": role, "content": turn[2]})
        place = turn.end()
    return _closed(turns)


def _parse_exchanges(text: str) -> Transcript | None:
    """Parse `[INST] question [/INST] answer </s>` of Llama 2 and Mistral; their templates trim the texts."""
    turns: list[dict] = []
    place = 0
    while place < len(text):
        exchange = EXCHANGE.match(text, place)
        if exchange is None or any("[INST]" in part for part in exchange.groups()):
            return None
        asked, answer = exchange.groups()
        system = SYSTEM.fullmatch(asked) if not turns else None
        if system:
            turns.append({"role": "system", "content": system[1].strip()})
            asked = system[2]
        turns += [
            {"role": "user", "content": asked.strip()},
            {"role": "assistant", "content": answer.strip()},
        ]
        place = exchange.end()
    return _closed(turns, spaced=True)


def _closed(turns: list[dict], *, spaced: bool = False) -> Transcript | None:
    """Return the transcript. An empty last turn of the assistant is the place of an answer; other turns hold text."""
    open_ = bool(turns) and turns[-1]["role"] == "assistant" and not turns[-1]["content"].strip()
    messages = turns[:-1] if open_ else turns
    if not messages or not all(turn["content"].strip() for turn in messages):
        return None
    return Transcript(messages, open_, spaced)
