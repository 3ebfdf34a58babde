# SPDX-License-Identifier: Apache-2.0
"""Fingerprints: hashes of a base's weights, tokenizer and template. A saved reward model requires the same ones."""

from __future__ import annotations

import hashlib
import json

import torch
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from data.errors import BadInput
from reward.base.text.encoding import PLAIN_TEMPLATE, Encoding
from reward.base.text.turn_form import ANSWER, USER

PROBE = "Dear Mina, it's 12 o'clock.\n\n\tNaïve 한국어 <|end|> </s> x1y2  ..."
BLOCK, STRIDES = 64, 192
"""Numbers in a block at the start, middle and end of a tensor, and numbers that lie evenly between them."""


def weights_hash(model: PreTrainedModel) -> str:
    """Return a hash of every tensor's name, shape, and sampled numbers: three blocks and some at a fixed stride.

    The numbers are rounded to bfloat16, so that the hash does not depend on the dtype of loading.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(
            _sampled(_gathered(tensor).flatten()).to("cpu", torch.bfloat16).view(torch.uint8).numpy().tobytes()
        )
    return digest.hexdigest()[:16]


def _gathered(tensor: torch.Tensor) -> torch.Tensor:
    """Return the whole of a sharded tensor; all processes must call it together."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _sampled(numbers: torch.Tensor) -> torch.Tensor:
    """Return the first, middle and last numbers, and others at a fixed stride; all of a small tensor."""
    count = len(numbers)
    if count <= 3 * BLOCK + STRIDES:
        return numbers
    middle = (count - BLOCK) // 2
    blocks = numbers[:BLOCK], numbers[middle : middle + BLOCK], numbers[-BLOCK:]
    return torch.cat([*blocks, numbers[:: count // STRIDES]])


def former_weights_hash(model: PreTrainedModel) -> str:
    """Return the hash of every tensor's name, shape and first 8 numbers, as earlier reward models record it."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        head = _gathered(tensor).flatten()[:8].to("cpu", torch.bfloat16).float()
        digest.update(f"{name} {tuple(tensor.shape)} {head.tolist()}".encode())
    return digest.hexdigest()[:16]


def text_fingerprint(encoding: Encoding) -> dict[str, str]:
    """Return hashes of the tokenizer (its vocabulary, and the ids of a probe text) and of the template.

    The template's hash covers its text, its arguments and what it writes, so that another date is another template.
    """
    tokenizer = encoding.tokenizer
    vocabulary = sorted(tokenizer.get_vocab().items())
    template = [_template_text(encoding), dict(encoding.template_kwargs), _rendered_probe(encoding)]
    return {
        "tokenizer": _hash(json.dumps([vocabulary, tokenizer(PROBE, add_special_tokens=True)["input_ids"]])),
        "template": _hash(json.dumps(template, sort_keys=True)),
    }


def former_template_hash(encoding: Encoding) -> str:
    """Return the hash of the template's text alone, as earlier reward models record it."""
    return _hash(_template_text(encoding))


def _template_text(encoding: Encoding) -> str:
    return str(encoding.tokenizer.chat_template or PLAIN_TEMPLATE)


def _rendered_probe(encoding: Encoding) -> list[str]:
    """Return what the template writes for a system and a user turn, a user turn, and an answered one."""
    if encoding.chat is None:
        return []
    system = {"role": "system", "content": "System 12"}
    user, answer = {"role": "user", "content": USER}, {"role": "assistant", "content": ANSWER}
    rendered = []
    for messages, prompt in (([system, user], True), ([user], True), ([user, answer], False)):
        try:
            rendered.append(encoding.chat.text(messages, prompt=prompt))
        except BadInput as refused:  # a template without system turns has its refusal here
            rendered.append(refused.error)
    return rendered


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
