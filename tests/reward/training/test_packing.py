# SPDX-License-Identifier: Apache-2.0
"""Answers packed behind their prompt have the scores that they have alone; models that cannot do it are found out."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModel

from reward.training.packing import Planner, can_pack, last_hidden, packed, separate
from reward.training.prompt_groups import PromptGroup
from tests.support.tiny_model import make_tiny_model

PROMPTS = [[5, 6, 7, 8, 9, 10, 11], [12, 13], [14, 15, 16]]
ANSWERS = [
    [[20, 21, 1], [22, 23, 24, 25, 1]],
    [[26, 1], [27, 28, 29, 30, 31, 32, 1], [33, 34, 1]],
    [[35, 36, 37, 1], [38, 1]],
]
LONG = PromptGroup(list(range(5, 25)), [[30, 31, 32, 1], [33, 34, 35, 36, 37, 1]])
SIZES = {
    "vocab_size": 64,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "initializer_range": 0.2,
}


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2", "gemma"])
def test_packed_scores_are_the_separate_ones(kind, tmp_path):
    model = AutoModel.from_pretrained(make_tiny_model(kind, tmp_path)).eval()
    head = torch.linspace(-1, 1, model.config.hidden_size)
    with torch.no_grad():
        together = last_hidden(model, packed(PROMPTS, ANSWERS, pad_id=0)) @ head
        alone = last_hidden(model, separate(PROMPTS, ANSWERS, pad_id=0)) @ head
        one_by_one = [
            model(torch.tensor([p + a])).last_hidden_state[0, -1] @ head
            for p, texts in zip(PROMPTS, ANSWERS, strict=True)
            for a in texts
        ]
    assert together.tolist() == pytest.approx(torch.stack(one_by_one).tolist(), rel=1e-5, abs=1e-5)
    assert alone.tolist() == pytest.approx(torch.stack(one_by_one).tolist(), rel=1e-5, abs=1e-5)
    assert can_pack(model, LONG, 0)


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("bloom", {"n_head": 2, "n_layer": 2}),
        ("gemma2", {"intermediate_size": 16, "num_key_value_heads": 2, "head_dim": 8, "sliding_window": 8}),
    ],
    ids=["positions without ids", "a window shorter than the row"],
)
def test_a_model_that_cannot_pack_is_found_out(kind, about):
    torch.manual_seed(0)
    assert not can_pack(AutoModel.from_config(AutoConfig.for_model(kind, **SIZES | about)).eval(), LONG, 0)


def test_a_packed_row_holds_its_prompt_once_and_counts_on_from_its_end():
    batch = packed([[5, 6]], [[[7, 1], [8, 9, 1]]], pad_id=0)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 1, 8, 9, 1]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 2, 3, 4]]
    assert batch["ends"].tolist() == [[0, 0], [3, 6]]
    assert batch["attention_mask"][0, 0].int().tolist() == [
        [1, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0],
        [1, 1, 0, 0, 1, 0, 0],
        [1, 1, 0, 0, 1, 1, 0],
        [1, 1, 0, 0, 1, 1, 1],
    ]


@pytest.mark.parametrize(
    ("plan", "prompt", "answers", "expected"),
    [
        (Planner(0, True, per_token=1, per_pair=0), 10, (2, 2), True),  # 14 tokens against 2 * 12
        (Planner(0, True, per_token=1, per_pair=0), 0, (9, 1), True),  # 10 against 2 * 9
        (Planner(0, True, per_token=0, per_pair=1), 1, (9, 9), False),  # 2 * 19^2 against 2 * 10^2
        (Planner(0, False, per_token=1, per_pair=0), 10, (2, 2), False),
    ],
)
def test_a_batch_is_packed_where_that_multiplies_less(plan, prompt, answers, expected):
    assert plan.prefers_packed([[5] * prompt], [[[6] * length for length in answers]]) is expected
