# SPDX-License-Identifier: Apache-2.0
"""The starter's tokenizer: byte-level BPE with single digits, four control tokens and a chat template."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from data.starter.corpus import ASSISTANT, DOCUMENT, END, USER

PAD = "<|pad|>"
PIECES = r" ?\d| ?\p{L}+| ?[^\s\p{L}\d]+|\s+"  # words, single digits, marks
SPECIALS = (PAD, DOCUMENT, USER, ASSISTANT, END)
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role == 'assistant' %}"
    + ASSISTANT
    + "{{ message.content }}"
    + END
    + "{% else %}"
    + USER
    + "{{ message.content }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}" + ASSISTANT + "{% endif %}"
)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Return a byte-level BPE over `texts`.

    A word has one spelling in tokens wherever it stands: every text begins with a space.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Prepend(" ")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # Control tokens split a text when it is encoded, so the merges are learned from what stands between them.
    spans = (span for text in texts for span in re.split(r"<\|\w+\|>", text) if span)
    tokenizer.train_from_iterator(spans, trainer)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, context: int) -> None:
    """Write the tokenizer as transformers reads it; END is the eos, PAD a reserved id."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": PAD,
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
