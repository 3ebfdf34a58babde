# SPDX-License-Identifier: Apache-2.0
"""Fingerprints cover all weights and what the template writes; those of earlier versions are still accepted."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import pytest
import torch

from data.errors import BadInput
from reward.about import About, check_fingerprint, describe_base
from reward.base.frozen_base import Base
from reward.base.placement import Placement
from reward.base.text.fingerprint import text_fingerprint, weights_hash
from tests.reward.base.text.chat_forms import CHAT_ML, FORMS, make_encoding
from tests.support.tiny_model import make_tiny_model

DATED = FORMS["ChatML"]._replace(template="{{ strftime_now('%d %b %Y') }}" + CHAT_ML)


@pytest.mark.parametrize("place", [0, 0.5, 0.999])
def test_the_hash_of_the_weights_sees_blocks_of_every_tensor(base, place):
    before = weights_hash(base.causal)
    for name, tensor in base.causal.state_dict().items():
        numbers = tensor.flatten()
        position = int(place * (len(numbers) - 1))
        former = numbers[position].item()
        numbers[position] = former + 1
        assert weights_hash(base.causal) != before, name
        numbers[position] = former
    assert weights_hash(base.causal) == before


def test_the_hash_does_not_depend_on_the_dtype_of_loading(tmp_path):
    folder = make_tiny_model("llama", tmp_path)
    half = Base.load(folder, placement=Placement(dtype=torch.bfloat16))
    assert half.weights == Base.load(folder).weights


def template_hash(form, **options) -> str:
    return text_fingerprint(make_encoding(form, **options))["template"]


def test_the_template_s_hash_covers_its_arguments_and_the_date_that_it_writes():
    other = {"template_date": "2025-12-24"}
    assert template_hash(DATED) == template_hash(DATED)
    assert template_hash(DATED) != template_hash(DATED, **other)
    assert template_hash(FORMS["ChatML"]) == template_hash(FORMS["ChatML"], **other)
    assert template_hash(FORMS["Qwen 3"]) != template_hash(FORMS["Qwen 3"], template_kwargs={"enable_thinking": False})


def earlier_fingerprint(base: Base) -> dict[str, str]:
    """Return the fingerprint that the first version recorded."""
    lines = []
    for name, tensor in sorted(base.causal.state_dict().items()):
        head = tensor.flatten()[:8].to(torch.bfloat16).float()
        lines.append(f"{name} {tuple(tensor.shape)} {head.tolist()}")
    texts = {"base": "".join(lines), "template": base.tokenizer.chat_template}
    hashes = {part: hashlib.sha256(text.encode()).hexdigest()[:16] for part, text in texts.items()}
    return hashes | {"tokenizer": base.fingerprint["tokenizer"]}


@pytest.mark.parametrize("source", ["tiny", "starter"])
def test_fingerprints_of_earlier_versions_are_accepted(source, tmp_path):
    base = Base.load("starter" if source == "starter" else make_tiny_model("llama", tmp_path))
    check_fingerprint("r1", About(base.name, earlier_fingerprint(base)), base)
    check_fingerprint("r1", describe_base(base), base)
    with pytest.raises(BadInput, match="another base and another template"):
        check_fingerprint("r1", About(base.name, earlier_fingerprint(base) | {"base": "0", "template": "1"}), base)


def test_a_base_is_loaded_again_with_the_options_that_a_reward_model_records(tmp_path):
    folder = make_tiny_model("llama", tmp_path)
    options = {"chat_template": DATED.template, "template_kwargs": {"a": 1}, "template_date": "2025-12-24"}
    base = Base.load(folder, **options)
    about = asdict(describe_base(base))
    assert {name: about[name] for name in options} == options
    assert Base.load(folder, **options).fingerprint == base.fingerprint
    assert json.loads(json.dumps(about)) == about | {"cut_points": []}
