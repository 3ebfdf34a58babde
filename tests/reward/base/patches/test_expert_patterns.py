# SPDX-License-Identifier: Apache-2.0
"""Patterns of experts are applied without a warning; a pattern without a target is still reported."""

from __future__ import annotations

import warnings

import pytest
from peft import LoraConfig

from reward.base.frozen_base import Base
from reward.base.lora_targets import lora_config
from tests.support.tiny_families import make_family
from tests.support.tiny_model import make_tiny_model

REPORT = "did not match any targeted module"


def test_upstream_peft_reports_experts_and_the_filter_hides_it(tmp_path):
    folder = make_family("qwen3moe", tmp_path)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        base = Base.load(folder)  # sets the filter
        base.add_adapter("one", config=lora_config(base.causal, 2))
        assert not [str(w.message) for w in seen if REPORT in str(w.message)]
        warnings.simplefilter("always")
        base.add_adapter("two", config=lora_config(base.causal, 2))
    assert [w for w in seen if REPORT in str(w.message)], "PEFT is quiet: delete patches/expert_patterns.py"


@pytest.mark.parametrize("pattern", ["no_such_proj", r"model\.layers\.0\.mlp\.down_proj"])
def test_a_pattern_without_a_target_is_reported(tmp_path, pattern):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        base = Base.load(make_tiny_model("llama", tmp_path))
        base.add_adapter("one", config=LoraConfig(r=2, target_modules=["q_proj"], rank_pattern={pattern: 3}))
    assert any(REPORT in str(w.message) for w in seen)
