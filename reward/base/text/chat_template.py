# SPDX-License-Identifier: Apache-2.0
"""Conversations as a tokenizer's chat template writes them, with its arguments and its date.

Text that people type never becomes a control token: transformers' `sanitize_control_tokens` ensures that only the
template itself writes control tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from transformers import BatchEncoding, PreTrainedTokenizerBase

from data.turns import Turn
from reward.base.patches.template_date import frozen_date, reads_date
from reward.base.text.tool_turns import TOOL_KEYS, check_tools, template_messages
from reward.base.text.unusable_prompts import unusable_prompt

Messages = Sequence[Turn]


@dataclass(frozen=True)
class ChatTemplate:
    """The chat template of a tokenizer. `arguments` are passed to it, and `day` is the date that it writes."""

    tokenizer: PreTrainedTokenizerBase
    arguments: Mapping[str, Any]
    day: date

    @property
    def reads_date(self) -> bool:
        """Return whether the template writes a date."""
        return reads_date(self._template)

    def text(self, messages: Messages, *, prompt: bool) -> str:
        """Return the conversation as text, up to the start of an answer if `prompt`. Raises UnusablePrompt."""
        text = self._apply(messages, add_generation_prompt=prompt, tokenize=False)
        assert isinstance(text, str), "one conversation has one text"
        return text

    def ids(self, messages: Messages, *, prompt: bool = True) -> list[int]:
        """Return the ids of the conversation, up to the start of an answer if `prompt`. Raises UnusablePrompt."""
        if any(TOOL_KEYS & turn.keys() or turn["role"] == "tool" for turn in messages):
            check_tools(lambda marked: self.text(marked, prompt=prompt), messages)
        encoded = self._apply(messages, add_generation_prompt=prompt, return_dict=True, sanitize_control_tokens=True)
        assert isinstance(encoded, BatchEncoding), "return_dict asks for one"
        return encoded["input_ids"]

    def framed_ids(self, parts: Sequence[str]) -> list[int]:
        """Return the ids of a text whose parts are in turn control text, and text that holds no control token."""
        expressions = (
            _constant(part) if number % 2 == 0 else _CONTENT.format(number) for number, part in enumerate(parts)
        )
        messages = [{"role": "user", "content": part} for part in parts]
        encoded = self.tokenizer.apply_chat_template(
            messages, chat_template="".join(expressions), return_dict=True, sanitize_control_tokens=True
        )
        assert isinstance(encoded, BatchEncoding), "return_dict asks for one"
        return encoded["input_ids"]

    @property
    def _template(self) -> str | None:
        template = self.tokenizer.chat_template
        return template.get("default") if isinstance(template, dict) else template

    def _apply(self, messages: Messages, **options: Any) -> object:  # noqa: ANN401 (transformers' arguments)
        turns, tools = template_messages(messages)
        try:
            with frozen_date(self._template, self.day):
                return self.tokenizer.apply_chat_template(turns, tools=[*tools] or None, **options, **self.arguments)
        except Exception as problem:  # a template raises whatever its expressions raise, besides Jinja's own errors
            reason = (str(problem).strip().splitlines() or [type(problem).__name__])[0][:200]
            refused = f"refused by the chat template: {reason}"
            raise unusable_prompt("template_refuses", refused, prompt=short(messages), problem=reason) from problem


_CONTENT = "{{{{ messages[{}]['content'] }}}}"


def _constant(text: str) -> str:
    """Return a Jinja expression that writes this text."""
    escaped = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return '{{ "' + escaped + '" }}'


def short(prompt: str | Messages, length: int = 40) -> str:
    """Return the beginning of a prompt's text, or of its last turn."""
    text = prompt if isinstance(prompt, str) else str(prompt[-1].get("content", "")) if prompt else ""
    return text if len(text) <= length else text[: length - 3] + "..."
