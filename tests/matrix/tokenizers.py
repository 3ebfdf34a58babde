# SPDX-License-Identifier: Apache-2.0
"""Tiny tokenizers of the kinds that the families use: byte-level BPE, and BPE on Metaspace words with byte fallback."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from tests.support.tiny_model import TEXTS

WORDS = 40
"""Merged words on top of the bytes or characters."""
BYTES = [f"<0x{number:02X}>" for number in range(256)]


def byte_level(specials: Sequence[str]) -> Tokenizer:
    """A byte-level BPE, as GPT-2, Llama 3 and Qwen have it: every text is made of its tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=len(specials) + 256 + WORDS,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def metaspace(specials: Sequence[str], *, prefix: bool) -> Tokenizer:
    """A BPE on words that begin with U+2581, with byte fallback, as Llama 2, Mistral and Gemma have it.

    `prefix`: a text starts with a space of its own (Llama 2, Mistral, Phi-3), or it does not (Gemma).
    """
    draft = Tokenizer(models.BPE())
    draft.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    draft.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=90 + WORDS, show_progress=False))
    learned = models_of(draft)
    names = [*specials, *BYTES, *sorted(draft.get_vocab(), key=draft.get_vocab().get)]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={name: number for number, name in enumerate(names)},
            merges=learned,
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    steps = [normalizers.Replace(" ", "▁")]
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), *steps] if prefix else steps)
    tail = [decoders.Strip(" ", 1, 0)] if prefix else []
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *tail])
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in specials])
    return tokenizer


def models_of(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    """The merges of a trained BPE, in their order."""
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def make_tokenizer(
    kind: str,
    specials: Sequence[str],
    *,
    eos: str,
    bos: str | None = None,
    pad: str | None = None,
    adds_bos: bool = False,
    plain: Sequence[str] = (),
) -> PreTrainedTokenizerFast:
    """A tokenizer of the `kind` bytes, metaspace or metaspace without a prefix (gemma).

    `adds_bos`: it puts the start token before every text. `plain` are added tokens that are no control tokens.
    """
    words = ["<unk>", *specials]
    tokenizer = byte_level(specials) if kind == "bytes" else metaspace(words, prefix=kind == "metaspace")
    if adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))]
        )
    names = {"bos_token": bos, "eos_token": eos, "pad_token": pad, "unk_token": None if kind == "bytes" else "<unk>"}
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **{key: name for key, name in names.items() if name is not None}
    )
    fast.add_special_tokens({"additional_special_tokens": list(specials)}, replace_extra_special_tokens=False)
    fast.add_tokens(list(plain))
    return fast
