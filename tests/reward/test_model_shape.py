# SPDX-License-Identifier: Apache-2.0
"""The shape of a base as its files say, against the model that torch makes of them."""

from __future__ import annotations

import json
import shutil

import pytest
from torch import nn
from transformers import AutoModelForCausalLM

from data.errors import BadInput
from reward.model_shape import ModelShape
from tests.support.tiny_model import KINDS, make_tiny_model


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_tell_every_size_of_the_model(tmp_path, kind):
    folder = make_tiny_model(kind, tmp_path)
    shape, model = ModelShape.read(folder), AutoModelForCausalLM.from_pretrained(folder)
    assert shape.weights == sum(parameter.numel() for parameter in model.parameters())
    assert (shape.layers, shape.width, shape.vocabulary) == (2, 32, 320)
    assert shape.context == 256
    assert 0 < shape.layer_weights < shape.weights


def test_rows_and_columns_of_the_layers_matrices_are_the_size_of_an_adapter_of_rank_1(tmp_path):
    folder = make_tiny_model("llama", tmp_path)
    layers = AutoModelForCausalLM.from_pretrained(folder).model.layers
    linear = [module for module in layers.modules() if isinstance(module, nn.Linear)]
    assert ModelShape.read(folder).lora_width == sum(layer.in_features + layer.out_features for layer in linear)


def test_experts_in_one_tensor_count_each():
    shape = ModelShape.of({}, {"model.layers.0.experts.gate": (4, 6, 10), "model.norm.weight": (10,)})
    assert shape.lora_width == 4 * (6 + 10)


def test_shards_are_read_as_their_index_names_them(tmp_path):
    folder = make_tiny_model("llama", tmp_path)
    whole = ModelShape.read(folder)
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    shutil.copy(folder / "model.safetensors", tmp_path / "shards" / "consolidated.safetensors")
    assert ModelShape.read(tmp_path / "shards") == whole


def test_a_damaged_file_is_one_line(tmp_path):
    folder = make_tiny_model("llama", tmp_path)
    (folder / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0not json")
    with pytest.raises(BadInput, match="the model's files cannot be read"):
        ModelShape.read(folder)


def test_the_text_part_of_a_wrapper_is_the_model(tmp_path):
    folder = make_tiny_model("llama", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({"model_type": "wrapper", "text_config": config}))
    assert ModelShape.read(folder).layers == 2
