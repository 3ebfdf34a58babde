# SPDX-License-Identifier: Apache-2.0
"""Model folders that people bring and that cannot be a base, or only with a note: each is a tiny model with one fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    T5Config,
    T5ForConditionalGeneration,
)

from tests.support.tiny_model import make_tiny_model, make_tiny_tokenizer

LOST = "model.layers.1.mlp.up_proj.weight"
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}<|user|>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
THINKING = "{% for m in messages %}<|user|>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
BROKEN = "{% for m in messages %}\n{{ m.content }}\n{% if %}\n{% endfor %}"


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def change_json(path: Path, **values: object) -> None:
    kept = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in kept.items() if value is not None}))


def set_template(folder: Path, template: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)


def missing_tensor(folder: Path) -> None:
    change_weights(folder, lambda tensors: tensors.pop(LOST))


def nan(folder: Path) -> None:
    change_weights(folder, lambda tensors: tensors[LOST][0].fill_(float("nan")))


def infinity(folder: Path) -> None:
    change_weights(folder, lambda tensors: tensors[LOST][0].fill_(float("inf")))


def classification_head(folder: Path) -> None:
    config = AutoConfig.from_pretrained(folder)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)


def no_end(folder: Path) -> None:
    change_json(folder / "tokenizer_config.json", eos_token=None)
    for name in ("config.json", "generation_config.json"):
        change_json(folder / name, eos_token_id=None)


def no_tokenizer(folder: Path) -> None:
    for path in (*folder.glob("tokenizer*"), *folder.glob("chat_template*")):
        path.unlink()


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def cut_file(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-500])


def encoder_decoder(folder: Path) -> None:
    config = T5Config(d_model=32, d_ff=64, num_layers=1, num_heads=2, d_kv=8, vocab_size=320, decoder_start_token_id=3)
    T5ForConditionalGeneration(config).save_pretrained(folder)


def vision_model(folder: Path) -> None:
    change_json(folder / "config.json", model_type="qwen2_5_vl", architectures=["Qwen2_5_VLForConditionalGeneration"])


def unknown_class(folder: Path) -> None:
    change_json(folder / "config.json", model_type="newer_than_this", architectures=["NewerForCausalLM"])


def adapter_only(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text("{}")


def larger_tokenizer(folder: Path) -> None:
    make_tiny_tokenizer(vocab=340).save_pretrained(folder)


def broken_template(folder: Path) -> None:
    set_template(folder, BROKEN)


REFUSALS: dict[str, tuple[Callable[[Path], None], str, str, str]] = {
    "missing tensor": (missing_tensor, "weights", f"lack {LOST}", "again"),
    "NaN": (nan, "weights", f"hold NaN or infinity in {LOST}", "diverged"),
    "infinity": (infinity, "weights", f"hold NaN or infinity in {LOST}", "diverged"),
    "classification head": (classification_head, "class", "LlamaForSequenceClassification does not generate", "causal"),
    "no end token": (no_end, "base", "names no end-of-text token", "eos_token"),
    "no tokenizer": (no_tokenizer, "weights", "cannot load a language model", "tokenizer"),
    "pickled weights": (pickled, "files", "pickled (pytorch_model.bin)", "save_pretrained"),
    "cut file": (cut_file, "files", "its header says", "Download"),
    "encoder-decoder": (encoder_decoder, "class", "T5ForConditionalGeneration is an encoder-decoder", "causal"),
    "vision model": (vision_model, "class", "no causal language model for Qwen2_5_VL", "causal"),
    "unknown class": (unknown_class, "class", "newer_than_this", "transformers"),
    "adapter only": (adapter_only, "class", "LoRA adapter without its base", "--as policy"),
    "larger tokenizer": (larger_tokenizer, "tokenizer", "have ids from 320 on", "tokenizer"),
    "broken template": (
        broken_template,
        "template",
        "chat_template.jinja:3: the chat template has a syntax error",
        "--chat-template",
    ),
}
"""The fault -> (its maker, the refused line, a part of its detail, a word of its remedy)."""


def make_broken(folder: Path, fault: str) -> Path:
    """Save a tiny model with one fault of `REFUSALS`."""
    make_tiny_model("llama", folder)
    REFUSALS[fault][0](folder)
    return folder
