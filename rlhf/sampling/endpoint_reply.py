# SPDX-License-Identifier: Apache-2.0
"""Answers in the documents of OpenAI-compatible servers. Texts stay as they are; thoughts go before them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from data.thoughts import CLOSE, OPEN, join_thoughts, split_thoughts

ENDS = frozenset({"stop", "eos", "eos_token", "end_turn", "stop_sequence"})
"""Reasons by which a server says that the model ended its answer. Any other one, or none, says that it did not."""
CUTS = frozenset({"length", "max_tokens"})
THOUGHTS = ("reasoning_content", "reasoning")
"""Fields that hold a model's thoughts: vLLM, SGLang and DeepSeek write the first, newer vLLM the second."""
EMPTY, FILTERED, CALLED = "empty answers", "answers withheld by the server's filter", "answers with tool calls alone"
THINKING = "answers cut before the model's thoughts ended"


class Reply(NamedTuple):
    """One answer. `ended`: the model ended it; `finish`: the server's reason, "" for none.

    `missing`: why there is no answer to show (EMPTY, FILTERED, CALLED or THINKING), "" if there is one.
    """

    text: str
    ended: bool
    finish: str
    missing: str


def read_choice(choice: Mapping[str, Any]) -> Reply:
    """Read one choice of a chat completion or of a completion.

    Raises KeyError, TypeError or AttributeError for another document.
    """
    finish = choice.get("finish_reason") or ""
    message = choice.get("message") or {"content": choice["text"]}
    written, content = _read_content(message.get("content"))  # some servers leave out a field without a value
    thoughts = next((message[name] for name in THOUGHTS if message.get(name)), written)
    final = content or message.get("refusal") or ""
    if not isinstance(thoughts, str) or not isinstance(final, str) or not isinstance(finish, str):
        raise TypeError("a text is no string")
    calls = finish in ("tool_calls", "function_call") or bool(message.get("tool_calls"))
    missing = _missing(thoughts, final, finish, calls=calls)
    return Reply(join_thoughts(thoughts, final), finish in ENDS and not calls, finish, missing)


def _missing(thoughts: str, final: str, finish: str, *, calls: bool) -> str:
    inner, shown = split_thoughts(final)
    unclosed = final.lstrip().startswith(OPEN) and CLOSE not in final
    if shown.strip() and not unclosed:
        return ""
    if (thoughts or inner or unclosed) and finish in CUTS:
        return THINKING
    if finish == "content_filter":
        return FILTERED
    return CALLED if calls else EMPTY


def _read_content(content: str | list[Mapping[str, Any]] | None) -> tuple[str, str]:
    """Return the thoughts and the text of a message's content, a text or a list of parts."""
    if content is None or isinstance(content, str):
        return "", content or ""
    thoughts, texts = [], []
    for part in content:
        if part["type"] == "thinking":  # Mistral's servers; the value is a text or parts again
            thoughts.append(_read_content(part["thinking"])[1])
        else:
            texts.append(part["refusal" if part["type"] == "refusal" else "text"])
    return "".join(thoughts), "".join(texts)
