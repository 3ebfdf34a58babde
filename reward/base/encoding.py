# SPDX-License-Identifier: Apache-2.0
"""Text to token ids and back, for one tokenizer and one model: templates, end tokens, padding.

What people type is never read as a control token. With a chat template this is transformers' own
`sanitize_control_tokens` (only tokens written by the template itself become control tokens); the plain template and
all answers are encoded with `split_special_tokens`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from data.errors import BadInput

PLAIN_TEMPLATE = "### Instruction:\n{prompt}\n\n### Response:\n"
PROBE = "Dear Mina, it's 12 o'clock.\n\n\tNaïve 한국어 <|end|> </s> x1y2  ..."


@dataclass(frozen=True)
class Encoding:
    """A tokenizer as one model sees it. `rows` is the size of the model's embedding: no id reaches it."""

    tokenizer: PreTrainedTokenizerBase
    eos_ids: frozenset[int]
    rows: int
    context: int

    @classmethod
    def of(cls, causal: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Encoding:
        """As this model sees the tokenizer. Raises BadInput where neither of the two names an end token."""
        rows, context = (
            causal.get_input_embeddings().weight.shape[0],
            causal.config.get_text_config().max_position_embeddings,
        )
        return cls(tokenizer, _end_ids(causal, tokenizer), rows, context)

    @cached_property
    def eos_id(self) -> int:
        """The end token that is appended to a finished answer."""
        own = self.tokenizer.eos_token_id
        return own if own in self.eos_ids else min(self.eos_ids)

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """All control tokens inside the embedding, end tokens included: none may stand inside an answer."""
        added = (i for i, token in self.tokenizer.added_tokens_decoder.items() if token.special)
        return frozenset(i for i in (*added, *self.tokenizer.all_special_ids) if i < self.rows) | self.eos_ids

    @cached_property
    def pad_id(self) -> int:
        """The tokenizer's pad token, else another reserved id, else the end token; masks never come from it."""
        own = self.tokenizer.pad_token_id
        if own is not None and own < self.rows and own not in self.eos_ids:
            return own
        return min(self.special_ids - self.eos_ids, default=self.eos_id)

    @cached_property
    def fingerprint(self) -> dict[str, str]:
        """Hashes of the tokenizer (its vocabulary, and how it cuts a probe) and of the prompt template."""
        cut = self.tokenizer(PROBE, add_special_tokens=True)["input_ids"]
        vocabulary = sorted(self.tokenizer.get_vocab().items())
        return {
            "tokenizer": _hash(json.dumps([vocabulary, cut])),
            "template": _hash(self.tokenizer.chat_template or PLAIN_TEMPLATE),
        }

    def encode_prompt(self, prompt: str | Sequence[dict[str, str]]) -> list[int]:
        """Ids of a prompt, text or [{role, content}], up to where the answer starts.

        Raises BadInput for several turns without a chat template and for a prompt that fills the context.
        """
        return self._checked(self.encode_template(prompt), prompt)

    def encode_template(self, prompt: str | Sequence[dict[str, str]]) -> list[int]:
        """Return the same, however long it is."""
        if self.tokenizer.chat_template:
            return self._chat(prompt)
        return self._leading() + self._literal(PLAIN_TEMPLATE.format(prompt=_single_turn(prompt)))

    def encode_completion(self, text: str) -> list[int]:
        """Ids of a finished answer: its text without any control token, then the end token."""
        return [*self._literal(text), self.eos_id]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of an answer up to its first end token, without control tokens."""
        return self.tokenizer.decode(self.answer_ids(ids), skip_special_tokens=True)

    def answer_ids(self, ids: Sequence[int]) -> list[int]:
        """Return the ids before the first end token."""
        end = next((place for place, token in enumerate(ids) if token in self.eos_ids), len(ids))
        return list(ids[:end])

    def append_end(self, ids: Sequence[int]) -> list[int]:
        """Return the same ids, with an end token appended if none closes them."""
        return list(ids) if ids and ids[-1] in self.eos_ids else [*ids, self.eos_id]

    def collate(self, rows: Sequence[Sequence[int]], side: str = "right") -> tuple[torch.Tensor, torch.Tensor]:
        """Pad ragged rows: ids (B, T) long and mask (B, T) bool, True = a real token; the mask comes from lengths."""
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), self.pad_id)
        mask = torch.zeros(len(rows), width, dtype=torch.bool)
        for number, row in enumerate(rows):
            part = slice(0, len(row)) if side == "right" else slice(width - len(row), width)
            ids[number, part] = torch.tensor(row, dtype=torch.long)
            mask[number, part] = True
        return ids, mask

    def _chat(self, prompt: str | Sequence[dict[str, str]]) -> list[int]:
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        return self.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_dict=False, sanitize_control_tokens=True
        )

    def _literal(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]

    def _leading(self) -> list[int]:
        """Return the start token, for tokenizers that put one before every text."""
        start = self.tokenizer.bos_token_id
        return [start] if start is not None and self.tokenizer("a")["input_ids"][:1] == [start] else []

    def _checked(self, ids: list[int], prompt: str | Sequence[dict[str, str]]) -> list[int]:
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
    several = configured if isinstance(configured, list) else [configured]
    found = frozenset(i for i in (tokenizer.eos_token_id, *several) if i is not None)
    if not found:
        raise BadInput(
            error="the base model names no end-of-text token", remedy="Set eos_token in its tokenizer_config.json."
        )
    return found


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
