# SPDX-License-Identifier: Apache-2.0
"""Encoding: text to token ids and back, for one tokenizer and one model, with templates, end tokens and padding.

Text that people type never becomes a control token: only the template writes control tokens. With a chat template,
`reward.base.text.chat_template` ensures this. The plain template and all answers are encoded with
`split_special_tokens`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from data.clock import now
from data.thoughts import split_thoughts
from labeling.texts.pages import bad_input, stored_line
from reward.base.text.answer_text import AnswerText
from reward.base.text.chat_template import ChatTemplate, short
from reward.base.text.context_length import ASSUMED, ContextLength, stated_context
from reward.base.text.template_options import TemplateOptions, check_syntax
from reward.base.text.turn_form import USER, TurnForm, probe_turn
from reward.base.text.unusable_prompts import unusable_prompt

PLAIN_TEMPLATE = "### Instruction:\n{prompt}\n\n### Response:\n"
NO_OPTIONS = TemplateOptions()


@dataclass(frozen=True)
class Encoding:
    """A tokenizer together with the limits of one model.

    Every id is below `rows`, the size of the model's embedding. `context` is the most tokens of a sequence, and
    `context_source` the name under which the model states it, empty if it is assumed. `template_kwargs` and
    `template_date` (ISO) are arguments of the chat template; see `reward.base.text.template_options`.
    """

    tokenizer: PreTrainedTokenizerBase
    model_ends: frozenset[int]
    rows: int
    context: int
    context_source: str = "max_position_embeddings"
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    template_date: str = ""

    @classmethod
    def of(
        cls, causal: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, options: TemplateOptions = NO_OPTIONS
    ) -> Encoding:
        """Return the encoding for this model.

        Raises BadInput if neither the model nor the tokenizer names an end, and for a template that is no valid Jinja.
        """
        if isinstance(tokenizer.chat_template, str):
            check_syntax(tokenizer.chat_template)
        embedding = causal.get_input_embeddings().weight
        assert isinstance(embedding, torch.Tensor), "an embedding layer has one matrix"
        config = causal.config.get_text_config()
        context = stated_context(lambda name: getattr(config, name, None), tokenizer.model_max_length)
        tokens, source = context or ContextLength(ASSUMED, "")
        day = options.template_date or now()[:10]
        kwargs = options.template_kwargs or {}
        return cls(tokenizer, _model_ends(causal, tokenizer), embedding.shape[0], tokens, source, kwargs, day)

    @cached_property
    def chat(self) -> ChatTemplate | None:
        """The tokenizer's chat template; None if it has none."""
        if not self.tokenizer.chat_template:
            return None
        return ChatTemplate(self.tokenizer, self.template_kwargs, date.fromisoformat(self.template_date))

    @cached_property
    def turn(self) -> TurnForm:
        """The form in which the template writes an assistant's turn."""
        tokenizer_end = self.tokenizer.eos_token_id
        end = tokenizer_end if tokenizer_end in self.model_ends else min(self.model_ends)
        if self.chat is None:
            return TurnForm(PLAIN_TEMPLATE.format(prompt=USER), "", (end,))
        return probe_turn(self.chat, self.model_ends, self._control_ids, end)

    @cached_property
    def answers(self) -> AnswerText:
        """Writes and reads answers."""
        start = self.encode_template(USER) if self.chat and self.turn.start else self._literal_ids(self.turn.start)
        return AnswerText(self.tokenizer, self.turn, start, self.chat, self._control_ids)

    @property
    def eos_id(self) -> int:
        """The end token of a finished answer."""
        return self.turn.end[-1]

    @cached_property
    def eos_ids(self) -> frozenset[int]:
        """Every id that ends an answer: the model's, the tokenizer's, and the one that the template writes."""
        return self.model_ends | {self.eos_id}

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """All control tokens inside the embedding, end tokens included."""
        return self._control_ids | self.eos_ids

    @cached_property
    def banned_ids(self) -> frozenset[int]:
        """Ids that no answer may contain: control tokens but ends and marks of a turn, and rows without a token."""
        nameless = range(len(self.tokenizer), self.rows)
        return (self.special_ids | frozenset(nameless)) - self.eos_ids - self.answers.marks

    @cached_property
    def template_problems(self) -> tuple[str, ...]:
        """Sentences on what this tokenizer or template cannot do, for people who choose a base."""
        problems = [self.turn.problem] if self.turn.problem else []
        rendered = [] if self.turn.problem and not self.turn.start else self.encode_template(USER)
        if unknown := self.count_unknown(rendered):
            kind = "chat" if self.chat else "plain"
            counts = {"unknown": unknown, "total": len(rendered), "token": self.tokenizer.unk_token}
            problems.append(stored_line("note.template_unknown", kind=kind, **counts))
        return tuple(problems)

    def count_unknown(self, ids: Sequence[int]) -> int:
        """Count the unknown tokens among ids; 0 if the tokenizer has none, or writes it for a start or an end."""
        unknown = self.tokenizer.unk_token_id
        is_mark = unknown is None or unknown in self.eos_ids | {self.tokenizer.bos_token_id}
        return 0 if is_mark else list(ids).count(unknown)

    @cached_property
    def pad_id(self) -> int:
        """The tokenizer's pad token, else another reserved id, else the end token; masks never come from it."""
        tokenizer_pad = self.tokenizer.pad_token_id
        if tokenizer_pad is not None and tokenizer_pad < self.rows and tokenizer_pad not in self.eos_ids:
            return tokenizer_pad
        return min(self.special_ids - self.eos_ids, default=self.eos_id)

    def encode_prompt(self, prompt: str | Sequence[Mapping[str, str]]) -> list[int]:
        """Return the ids of a prompt, a text or [{role, content}], up to the start of the answer.

        Raises BadInput for several turns without a chat template, and for a prompt that fills the context.
        """
        return self._check_length(self.encode_template(prompt), prompt)

    def encode_template(self, prompt: str | Sequence[Mapping[str, str]]) -> list[int]:
        """Return the ids of a prompt without checking its length. Raises BadInput if the template refuses it."""
        if self.chat:
            return self.chat.ids([{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt)
        return self._start_ids() + self._literal_ids(PLAIN_TEMPLATE.format(prompt=_single_turn(prompt)))

    def encode_completion(self, text: str) -> list[int]:
        """Return the ids of a finished answer as the template writes it; its text holds no control token."""
        return self.answers.ids(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of an answer up to its first end token, with its thoughts, without control tokens."""
        body = self.answer_ids(ids)
        return self.answers.text(body, ended=len(body) < len(ids))

    def decode_parts(self, ids: Sequence[int]) -> tuple[str, str]:
        """Return the thoughts and the final part of an answer; most answers have no thoughts."""
        return split_thoughts(self.decode(ids))

    def writes(self, ids: Sequence[int] | None, text: str) -> bool:
        """Return whether these are ids of this tokenizer for an answer of that text."""
        if not ids or max(ids) >= self.rows:
            return False
        return text in (self.decode(ids), self.answers.plain_text(self.answer_ids(ids)))

    def stored_answer(self, ids: Sequence[int] | None, text: str) -> list[int]:
        """Return the stored ids if this tokenizer wrote them, else the text's ids as a finished answer."""
        return list(ids) if ids is not None and self.writes(ids, text) else self.encode_completion(text)

    def answer_ids(self, ids: Sequence[int]) -> list[int]:
        """Return the ids before the first end token."""
        end = next((position for position, id in enumerate(ids) if id in self.eos_ids), len(ids))
        return list(ids[:end])

    def append_end(self, ids: Sequence[int]) -> list[int]:
        """Return the ids, with an end token appended if they do not end in one."""
        return list(ids) if ids and ids[-1] in self.eos_ids else [*ids, self.eos_id]

    def collate(self, rows: Sequence[Sequence[int]], side: str = "right") -> tuple[torch.Tensor, torch.Tensor]:
        """Pad ragged rows: ids (B, T) long and mask (B, T) bool, True = a real token. The mask comes from lengths."""
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), self.pad_id)
        mask = torch.zeros(len(rows), width, dtype=torch.bool)
        for number, row in enumerate(rows):
            columns = slice(0, len(row)) if side == "right" else slice(width - len(row), width)
            ids[number, columns] = torch.tensor(row, dtype=torch.long)
            mask[number, columns] = True
        return ids, mask

    @cached_property
    def _control_ids(self) -> frozenset[int]:
        added = (i for i, token in self.tokenizer.added_tokens_decoder.items() if token.special)
        listed = frozenset(i for i in (*added, *self.tokenizer.all_special_ids) if i < self.rows)
        return listed | self.model_ends

    def _literal_ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]

    def _start_ids(self) -> list[int]:
        """Return the start token if the tokenizer puts one before every text, else nothing."""
        start = self.tokenizer.bos_token_id
        return [start] if start is not None and self.tokenizer("a")["input_ids"][:1] == [start] else []

    def _check_length(self, ids: list[int], prompt: str | Sequence[Mapping[str, str]]) -> list[int]:
        if len(ids) >= self.context:
            raise unusable_prompt(
                "prompt_context",
                "longer than the context",
                prompt=short(prompt),
                count=len(ids),
                context=self.context,
            )
        if max(ids, default=0) >= self.rows:
            raise bad_input("refused.token_id", id=max(ids), last=self.rows - 1)
        return ids


def _model_ends(causal: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    configured = causal.generation_config.eos_token_id
    candidates = (tokenizer.eos_token_id, *(configured if isinstance(configured, list) else [configured]))
    end_ids = frozenset(id for id in candidates if id is not None)
    if not end_ids:
        raise bad_input("refused.no_end_token")
    return end_ids


def _single_turn(prompt: str | Sequence[Mapping[str, str]]) -> str:
    if isinstance(prompt, str):
        return prompt
    if len(prompt) == 1 and prompt[0]["role"] == "user":
        return prompt[0]["content"]
    raise unusable_prompt("prompt_turns", "several turns without a chat template", count=len(prompt))
