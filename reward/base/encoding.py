# SPDX-License-Identifier: Apache-2.0
"""Encoding: text to token ids and back, for one tokenizer and one model, with templates, end tokens and padding.

Text that people type never becomes a control token. With a chat template, transformers' `sanitize_control_tokens`
ensures this: only the template itself writes control tokens. The plain template and all answers are encoded with
`split_special_tokens`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from transformers import BatchEncoding, PreTrainedModel, PreTrainedTokenizerBase

from data.errors import BadInput

PLAIN_TEMPLATE = "### Instruction:\n{prompt}\n\n### Response:\n"
PROBE = "Dear Mina, it's 12 o'clock.\n\n\tNaïve 한국어 <|end|> </s> x1y2  ..."


@dataclass(frozen=True)
class Encoding:
    """A tokenizer together with the limits of one model.

    Every id is below `rows`, the size of the model's embedding. `context` is the most tokens of a sequence.
    """

    tokenizer: PreTrainedTokenizerBase
    eos_ids: frozenset[int]
    rows: int
    context: int

    @classmethod
    def of(cls, causal: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Encoding:
        """Return the encoding for this model. Raises BadInput if neither the model nor the tokenizer names an end."""
        embedding = causal.get_input_embeddings().weight
        assert isinstance(embedding, torch.Tensor), "an embedding layer has one matrix"
        context = causal.config.get_text_config().max_position_embeddings
        return cls(tokenizer, _end_ids(causal, tokenizer), embedding.shape[0], context)

    @cached_property
    def eos_id(self) -> int:
        """The end token that is appended to a finished answer."""
        tokenizer_end = self.tokenizer.eos_token_id
        return tokenizer_end if tokenizer_end in self.eos_ids else min(self.eos_ids)

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """All control tokens inside the embedding, end tokens included. An answer contains none of them."""
        added = (i for i, token in self.tokenizer.added_tokens_decoder.items() if token.special)
        return frozenset(i for i in (*added, *self.tokenizer.all_special_ids) if i < self.rows) | self.eos_ids

    @cached_property
    def pad_id(self) -> int:
        """The tokenizer's pad token, else another reserved id, else the end token; masks never come from it."""
        tokenizer_pad = self.tokenizer.pad_token_id
        if tokenizer_pad is not None and tokenizer_pad < self.rows and tokenizer_pad not in self.eos_ids:
            return tokenizer_pad
        return min(self.special_ids - self.eos_ids, default=self.eos_id)

    @cached_property
    def fingerprint(self) -> dict[str, str]:
        """Hashes of the tokenizer (its vocabulary, and the ids of a probe text) and of the prompt template."""
        probe_ids = self.tokenizer(PROBE, add_special_tokens=True)["input_ids"]
        vocabulary = sorted(self.tokenizer.get_vocab().items())
        return {
            "tokenizer": _hash(json.dumps([vocabulary, probe_ids])),
            "template": _hash(self.tokenizer.chat_template or PLAIN_TEMPLATE),
        }

    def encode_prompt(self, prompt: str | Sequence[dict[str, str]]) -> list[int]:
        """Return the ids of a prompt, a text or [{role, content}], up to the start of the answer.

        Raises BadInput for several turns without a chat template, and for a prompt that fills the context.
        """
        return self._check_length(self.encode_template(prompt), prompt)

    def encode_template(self, prompt: str | Sequence[dict[str, str]]) -> list[int]:
        """Return the ids of a prompt without checking its length."""
        if self.tokenizer.chat_template:
            return self._chat_ids(prompt)
        return self._start_ids() + self._literal_ids(PLAIN_TEMPLATE.format(prompt=_single_turn(prompt)))

    def encode_completion(self, text: str) -> list[int]:
        """Return the ids of a finished answer: its text without any control token, then the end token."""
        return [*self._literal_ids(text), self.eos_id]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of an answer up to its first end token, without control tokens."""
        text = self.tokenizer.decode(self.answer_ids(ids), skip_special_tokens=True)
        assert isinstance(text, str), "one sequence decodes to one text"
        return text

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

    def _chat_ids(self, prompt: str | Sequence[dict[str, str]]) -> list[int]:
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        encoded = self.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_dict=True, sanitize_control_tokens=True
        )
        assert isinstance(encoded, BatchEncoding), "return_dict asks for one"
        return encoded["input_ids"]

    def _literal_ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]

    def _start_ids(self) -> list[int]:
        """Return the start token if the tokenizer puts one before every text, else nothing."""
        start = self.tokenizer.bos_token_id
        return [start] if start is not None and self.tokenizer("a")["input_ids"][:1] == [start] else []

    def _check_length(self, ids: list[int], prompt: str | Sequence[dict[str, str]]) -> list[int]:
        if len(ids) >= self.context:
            raise BadInput(
                error=f"the prompt {_short(prompt)!r} is {len(ids)} tokens long, the model's context is {self.context}",
                remedy="Shorten the prompt, or use a base model with a longer context.",
                field="prompt",
            )
        if max(ids, default=0) >= self.rows:
            raise BadInput(
                error=f"the tokenizer gives id {max(ids)}, the model's vocabulary ends at {self.rows - 1}",
                remedy="Put the model's own tokenizer into its folder.",
            )
        return ids


def _end_ids(causal: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    configured = causal.generation_config.eos_token_id
    candidates = (tokenizer.eos_token_id, *(configured if isinstance(configured, list) else [configured]))
    end_ids = frozenset(id for id in candidates if id is not None)
    if not end_ids:
        raise BadInput(
            error="the base model names no end-of-text token", remedy="Set eos_token in its tokenizer_config.json."
        )
    return end_ids


def _single_turn(prompt: str | Sequence[dict[str, str]]) -> str:
    if isinstance(prompt, str):
        return prompt
    if len(prompt) == 1 and prompt[0]["role"] == "user":
        return prompt[0]["content"]
    raise BadInput(
        error=f"the prompt has {len(prompt)} messages and the base model has no chat template",
        remedy="Give one: preference-loop serve --base MODEL --chat-template FILE",
        field="prompt",
    )


def _short(prompt: str | Sequence[dict[str, str]], length: int = 40) -> str:
    text = prompt if isinstance(prompt, str) else prompt[-1]["content"]
    return text if len(text) <= length else text[: length - 3] + "..."


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
