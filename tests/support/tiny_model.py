# SPDX-License-Identifier: Apache-2.0
"""Random two-layer models with a small byte-level BPE tokenizer, made from a config in the test: no download."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

KINDS = ("llama", "qwen2", "gpt2", "gemma", "gemma2")
END, USER, ASSISTANT, PAD = "<|end|>", "<|user|>", "<|assistant|>", "<|pad|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<|assistant|>{{ message['content'] }}<|end|>"
    "{% else %}<|user|>{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TEXTS = (
    "Write a short thank-you note to Mina for the book.",
    "Dear Mina, thank you so much for the lovely book. I will read it with joy.",
    "Give three tips for a tidy desk. Name two animals. What is the capital of Peru?",
    "thx for book. no. I do not care. Sure, here is a short story about a fox and a lamp.",
    "What is 12 plus 7? The answer is 19. The answer is 91.",
)


def make_tiny_model(
    kind: str,
    folder: Path | str,
    *,
    vocab: int = 320,
    chat: bool = True,
    pad: bool = True,
    context: int = 256,
    hidden: int = 32,
    seed: int = 0,
) -> Path:
    """Save a random model and its tokenizer to `folder` and return that folder.

    `kind` is llama, qwen2, gpt2, gemma or gemma2; the weights are spread widely (standard deviation 0.2) so that
    different inputs give clearly different outputs. `chat=False` leaves out the chat template, `pad=False` the
    pad token. Control tokens are END (also the end-of-text token), USER, ASSISTANT and PAD.
    """
    folder = Path(folder)
    tokenizer = make_tiny_tokenizer(vocab=vocab, chat=chat, pad=pad)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(_config(kind, tokenizer, context, hidden)).float().eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_ending_model(folder: Path | str, template: str | None = None, *, context: int = 256) -> Path:
    """Save a tiny Llama in which every eighth token ends an answer, so that some answers end; return `folder`.

    `template` replaces the chat template.
    """
    folder = make_tiny_model("llama", folder, context=context)
    file = folder / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"eos_token_id": list(range(0, 320, 8))}))
    if template is not None:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.chat_template = template
        tokenizer.save_pretrained(folder)
    return folder


def make_tiny_tokenizer(
    *, vocab: int = 320, chat: bool = True, pad: bool = True, texts: Sequence[str] = TEXTS
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on `texts`; `vocab` counts the control tokens and the 256 bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = [END, USER, ASSISTANT] + ([PAD] if pad else [])
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=PAD if pad else None)
    if chat:
        fast.chat_template = CHAT_TEMPLATE
    return fast


def _config(kind: str, tokenizer: PreTrainedTokenizerFast, context: int, hidden: int):
    shared = {
        "vocab_size": len(tokenizer),
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "initializer_range": 0.2,
    }
    if kind == "gpt2":
        return AutoConfig.for_model(kind, n_embd=hidden, n_layer=2, n_head=2, n_positions=context, **shared)
    return AutoConfig.for_model(
        kind,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=hidden // 2,
        max_position_embeddings=context,
        **shared,
    )
