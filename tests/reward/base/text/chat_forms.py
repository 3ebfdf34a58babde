# SPDX-License-Identifier: Apache-2.0
"""Chat formats of real families, in short: templates, tokenizers of characters, and what an answer becomes."""

from __future__ import annotations

from typing import NamedTuple

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from reward.base.text.encoding import Encoding

START, STOP = "<s>", "</s>"
CHAT_ML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system turns') }}{% endif %}"
    "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
PHI3 = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}"
)
QWEN3 = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and loop.last %}<think>\n{{ m.reasoning_content or '' }}\n</think>\n\n{% endif %}"
    "{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
THINK_FIRST = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
COHERE = (
    "{{ bos_token }}{% for m in messages %}<|turn|>{% if m.role == 'assistant' %}<|bot|><|response|>{{ m.content }}"
    "<|/response|>{% else %}<|{{ m.role }}|>{{ m.content }}{% endif %}<|/turn|>{% endfor %}"
    "{% if add_generation_prompt %}<|turn|><|bot|>{% endif %}"
)
HARMONY = (
    "{% for m in messages %}{% if m.role == 'assistant' %}"
    "{% if m.thinking %}<|start|>assistant<|channel|>analysis<|message|>{{ m.thinking }}<|end|>{% endif %}"
    "<|start|>assistant<|channel|>final<|message|>{{ m.content }}{{ '<|return|>' if loop.last else '<|end|>' }}"
    "{% else %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
LLAMA3 = (
    "{% for m in messages %}{{ bos_token if loop.first else '' }}<|head|>{{ m.role }}<|/head|>\n\n{{ m.content | trim }}"
    "<|eot|>{% endfor %}{% if add_generation_prompt %}<|head|>assistant<|/head|>\n\n{% endif %}"
)
GLM4 = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
)
IM = ["<|im_start|>", "<|im_end|>"]
THINK = ["<think>", "</think>"]


class Form(NamedTuple):
    """A chat format: template, special tokens, ordinary added tokens, the model's ends, and what an answer becomes."""

    template: str
    special: list[str]
    ends: list[str]
    answer: str
    ordinary: list[str] = []
    metaspace: bool = False


FORMS = {
    "ChatML with another eos": Form(CHAT_ML, IM, [STOP], "Hi you.<|im_end|>"),
    "ChatML": Form(CHAT_ML, IM, ["<|im_end|>", STOP], "Hi you.<|im_end|>"),
    "Gemma": Form(GEMMA, ["<start_of_turn>", "<end_of_turn>"], [STOP, "<end_of_turn>"], "Hi you.<end_of_turn>"),
    "Phi-3": Form(PHI3, ["<|user|>", "<|assistant|>", "<|end|>"], [STOP, "<|end|>"], "Hi you.<|end|>", metaspace=True),
    "Phi-3 without <|end|> among the ends": Form(
        PHI3, ["<|user|>", "<|assistant|>", "<|end|>"], [STOP], "Hi you.<|end|>", metaspace=True
    ),
    "Qwen 3": Form(QWEN3, IM, ["<|im_end|>"], "<think>\n\n</think>\n\nHi you.<|im_end|>", THINK),
    "thoughts opened by the prompt": Form(THINK_FIRST, IM, ["<|im_end|>"], "\n</think>\n\nHi you.<|im_end|>", THINK),
    "Cohere": Form(
        COHERE,
        ["<|turn|>", "<|/turn|>", "<|user|>", "<|bot|>", "<|response|>", "<|/response|>"],
        ["<|/turn|>"],
        "<|response|>Hi you.<|/response|><|/turn|>",
    ),
    "Harmony": Form(
        HARMONY,
        ["<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>"],
        ["<|return|>", "<|call|>"],
        "<|channel|>final<|message|>Hi you.<|return|>",
    ),
    "Llama 3": Form(LLAMA3, ["<|head|>", "<|/head|>", "<|eot|>"], [STOP, "<|eot|>"], "Hi you.<|eot|>"),
    "GLM-4": Form(GLM4, ["<|user|>", "<|assistant|>"], [STOP, "<|user|>"], "Hi you.<|user|>"),
    "Mistral": Form(MISTRAL, [], [STOP], " Hi you.</s>", metaspace=True),
    "no template": Form("", [], [STOP], "Hi you.</s>"),
}


def make_tokenizer(form: Form) -> PreTrainedTokenizerFast:
    """Return a tokenizer of characters, by bytes or in SentencePiece's way, with the tokens of a format."""
    ordinary = (
        sorted(pre_tokenizers.ByteLevel.alphabet()) if not form.metaspace else [*map(chr, range(32, 127)), "▁", "\n"]
    )
    names = [START, STOP, "<unk>", *ordinary]
    tokenizer = Tokenizer(models.BPE(vocab={name: id for id, name in enumerate(names)}, merges=[], unk_token="<unk>"))
    if form.metaspace:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        steps = [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        tokenizer.decoder = decoders.Sequence(steps)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in (START, STOP, *form.special)])
    tokenizer.add_tokens([AddedToken(name, special=False) for name in form.ordinary])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=START, eos_token=STOP, unk_token="<unk>")
    fast.chat_template = form.template or None
    return fast


def make_encoding(form: Form, **options) -> Encoding:
    tokenizer = make_tokenizer(form)
    ends = frozenset(tokenizer.convert_tokens_to_ids(form.ends))
    return Encoding(tokenizer, ends, len(tokenizer), 512, **{"template_date": "2026-03-01", **options})


def read(encoding: Encoding, ids: list[int]) -> str:
    return encoding.tokenizer.decode(ids, skip_special_tokens=False)
