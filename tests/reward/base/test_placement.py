# SPDX-License-Identifier: Apache-2.0
"""The placement of a base: one object decides device, dtype, quantisation and attention."""

from __future__ import annotations

import ast
import json

import pytest
import torch

from data.errors import BadInput
from data.settings import parse_settings
from reward import optional_packages
from reward.base import bf16_probe, placement
from reward.base.bf16_probe import Rates, cpu_rates
from reward.base.frozen_base import Base
from reward.base.placement import Placement
from reward.placement_settings import DEFAULTS, FILE, PlacementSettings, read_placement, write_placement
from tests.support import ROOT
from tests.support.tiny_model import make_tiny_model

LOADERS = {
    "reward/base/loading.py": {"AutoModelForCausalLM", "AutoTokenizer"},
    "reward/base/adapters.py": {"LoraConfig"},
    "rlhf/methods/pretrain.py": {"PreTrainedTokenizerFast"},  # the tokenizer that the run has just trained
    "rlhf/probe/check.py": {"AutoConfig"},  # a configuration alone, to know its class before the weights are read
}
"""The classes that a file may load by `from_pretrained`."""


@pytest.fixture
def rates(monkeypatch):
    """Make the probe measure what a test says."""

    def measured(float32: float, bfloat16: float) -> None:
        monkeypatch.setattr(placement, "cpu_rates", lambda: Rates(float32, bfloat16))

    return measured


def chosen(**settings: str) -> Placement:
    return Placement.choose(PlacementSettings(**settings))


@pytest.mark.skipif(torch.accelerator.is_available(), reason="the defaults of a machine without a GPU")
def test_without_a_gpu_a_base_lies_on_the_cpu_in_float32_with_fused_attention():
    assert Placement.choose() == chosen(device="auto", dtype="auto") == Placement()
    assert Placement().describe() == {"device": "cpu", "dtype": "float32", "quantize": "none", "attention": "auto"}


def test_bfloat16_on_a_cpu_is_refused_with_the_measured_rates_where_it_is_slower(rates):
    rates(91.2, 12.4)
    with pytest.raises(BadInput, match=r"12 GFLOP/s against 91") as refused:
        chosen(device="cpu", dtype="bfloat16")
    assert refused.value.field == "dtype"


def test_bfloat16_on_a_cpu_is_taken_where_it_is_faster(rates):
    rates(91.2, 140.0)
    assert chosen(device="cpu", dtype="bfloat16").dtype is torch.bfloat16


def test_other_work_in_some_rounds_of_the_probe_does_not_decide(monkeypatch):
    """Both precisions are slowed in one round of two: float32 from 60 to 20, bfloat16 from 150 to 50."""
    measured = iter([60.0, 50.0, 20.0, 150.0])
    moments = iter([0.0, 0.5, 1.0])
    monkeypatch.setattr(bf16_probe, "_rate", lambda dtype: next(measured))
    monkeypatch.setattr(bf16_probe.time, "perf_counter", lambda: next(moments))
    assert cpu_rates.__wrapped__() == Rates(60.0, 150.0)


def test_the_probe_measures_both_precisions_once(monkeypatch):
    monkeypatch.setattr(bf16_probe, "SECONDS", 0.0)
    cpu_rates.cache_clear()
    first = cpu_rates()
    assert first.float32 > 0
    assert first.bfloat16 > 0
    assert cpu_rates() is first
    cpu_rates.cache_clear()


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"device": "cpu", "dtype": "float16"}, "is for GPUs"),
        ({"device": "cuda:77"}, "is not there"),
        ({"attention": "flash_attention_2"}, "needs flash_attn"),
        ({"quantize": "4bit"}, "needs bitsandbytes"),
    ],
)
def test_what_the_machine_lacks_is_refused_in_one_line_with_a_remedy(settings, error, monkeypatch):
    monkeypatch.setattr(optional_packages, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=error) as refused:
        chosen(**settings)
    assert refused.value.field in settings
    assert refused.value.remedy


def test_a_device_that_torch_does_not_know_is_refused_before_a_run():
    with pytest.raises(BadInput, match="device='gpu' is no device"):
        parse_settings(PlacementSettings, ["device=gpu"])


def test_a_base_is_loaded_in_the_dtype_and_attention_of_its_placement(tmp_path):
    make_tiny_model("llama", tmp_path)
    base = Base.load(tmp_path, placement=Placement(dtype=torch.bfloat16, attention="eager"))
    assert base.causal.dtype is torch.bfloat16
    assert base.causal.config._attn_implementation == "eager"
    assert base.placement.describe() == {"device": "cpu", "dtype": "bfloat16", "quantize": "none", "attention": "eager"}


def test_a_home_keeps_the_fields_that_are_given_and_no_others(tmp_path):
    assert read_placement(tmp_path) == DEFAULTS
    write_placement(tmp_path, {"device": "cpu", "dtype": None})
    assert write_placement(tmp_path, {"dtype": "float32"}) == DEFAULTS | {"device": "cpu", "dtype": "float32"}
    assert read_placement(tmp_path) == DEFAULTS | {"device": "cpu", "dtype": "float32"}


def test_a_home_without_a_placement_gets_no_file_by_reading_it(tmp_path):
    write_placement(tmp_path, dict.fromkeys(DEFAULTS))
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("content", ["{", json.dumps({"dtype": "int3"}), json.dumps([1])])
def test_a_damaged_placement_file_is_named(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(BadInput, match="placement cannot be read") as refused:
        read_placement(tmp_path)
    assert refused.value.file == str(tmp_path / FILE)


def test_a_wrong_placement_is_not_written(tmp_path):
    with pytest.raises(BadInput, match="none of the choices"):
        write_placement(tmp_path, {"dtype": "int3"})
    assert not (tmp_path / FILE).exists()


def test_every_model_is_loaded_where_the_placement_is_decided():
    """A load elsewhere would have a device and a dtype of its own."""
    found = {}
    for path in (path for layer in ("data", "labeling", "reward", "rlhf") for path in (ROOT / layer).rglob("*.py")):
        calls = [
            ast.unparse(node.func.value)
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "from_pretrained"
        ]
        if calls:
            found[str(path.relative_to(ROOT))] = set(calls)
    assert found == LOADERS


@pytest.mark.parametrize(("device", "chosen"), [("cuda", []), ("cuda:1", [torch.device("cuda:1")])])
def test_a_gpu_without_a_number_stays_the_processs_own(device, chosen, monkeypatch):
    """torch's default accelerator has no index, and `set_device` refuses a device without one."""
    calls = []
    monkeypatch.setattr(torch, "set_float32_matmul_precision", lambda precision: None)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: calls.append(device))
    Placement(torch.device(device)).prepare_torch()
    assert calls == chosen
    with pytest.raises(ValueError, match="specified index"):
        torch.cuda._utils._get_device_index(torch.device("cuda"))
