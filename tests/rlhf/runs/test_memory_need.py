# SPDX-License-Identifier: Apache-2.0
"""The memory of a run before it is queued: against measured runs, on the command line, on the form."""

from __future__ import annotations

import json

import gradio as gr
import pytest

import app
from data.errors import BadInput
from data.settings import parse_settings
from labeling.texts.reader import writing_in
from reward.base import memory
from reward.gpu_need import GpuNeed
from reward.memory_estimate import ELEMENTS, LIBRARIES, LOGIT_COPIES, SHARE, estimate_memory
from reward.model_shape import ModelShape
from reward.placement_settings import write_placement
from rlhf.kinds import KINDS, find_kind
from rlhf.pages.runs.form import RunForm
from rlhf.ppo.rollout import STATS_ROWS
from rlhf.ppo.run import PASS
from rlhf.runs.dry_run import describe_gpus, describe_memory, look_ahead
from rlhf.runs.memory_need import estimate_per_gpu, estimate_run, gpu_gigabytes, longest_rows
from rlhf.runs.preflight_rollouts import check_rollouts
from rlhf.runs.workloads import COUNTERS, PPO_PASS, READING_ROWS, Lengths
from tests.bench.memory import measure_shape
from tests.support.tiny_home import make_tiny_home
from tests.support.tiny_model import make_tiny_model


@pytest.fixture
def tiny_home(tmp_path):
    store = make_tiny_home(tmp_path / "home", make_tiny_model("llama", tmp_path / "model"), pairs=4, people=False)
    yield store
    store.close()


def estimate(store, kind, **settings):
    return estimate_run(store, kind, parse_settings(find_kind(kind).settings_class(), settings))


@pytest.mark.parametrize(("shape", "kind"), [("vocabulary", "sft"), ("deep", "dpo"), ("wide", "reward")])
def test_an_estimate_is_within_a_quarter_of_the_measured_peak(tmp_path, shape, kind):
    (line,) = measure_shape(tmp_path / shape, shape, (kind,))
    assert line["estimate"] == pytest.approx(line["measured"], rel=0.25), line


def test_the_sizes_of_passes_are_those_of_the_trainers():
    assert (ELEMENTS, LOGIT_COPIES, SHARE) == (memory.ELEMENTS, memory.LOGIT_COPIES, memory.SHARE)
    assert (PPO_PASS, READING_ROWS) == (PASS, STATS_ROWS)


@pytest.mark.parametrize("kind", COUNTERS)
def test_every_kind_that_loads_a_base_has_an_estimate(tiny_home, kind):
    assert estimate(tiny_home, kind).peak > LIBRARIES


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - COUNTERS.keys()))
def test_other_kinds_have_none(tiny_home, kind):
    assert estimate(tiny_home, kind) is None


def test_larger_passes_need_more_and_checkpoints_need_less(tiny_home):
    small, large = (estimate(tiny_home, "sft", batch_size=rows).activations for rows in (64, 4096))
    assert large > small
    assert estimate(tiny_home, "sft", batch_size=4096, per_device_batch_size=64).activations == small
    assert estimate(tiny_home, "sft", batch_size=4096, gradient_checkpointing=True).activations < large


def test_the_home_s_placement_decides_the_size_of_a_weight(tiny_home, tmp_path):
    wide = make_tiny_model("llama", tmp_path / "wide", hidden=512)
    tiny_home.policies.add(name="wide", kind="base", base=str(wide))
    whole = estimate(tiny_home, "sft").weights
    write_placement(tiny_home.home, {"device": "cuda", "dtype": "bfloat16"})
    assert estimate(tiny_home, "sft").weights == pytest.approx(whole / 2, abs=1)
    assert estimate(tiny_home, "sft").libraries == 0


def test_a_full_fine_tuning_counts_float32_weights_gradients_and_moments(tiny_home, tmp_path):
    wide = make_tiny_model("llama", tmp_path / "wide", hidden=512)
    tiny_home.policies.add(name="wide", kind="base", base=str(wide))
    weight = ModelShape.read(wide).weights / 2**20
    for kind in ("sft", "dpo"):
        full = estimate(tiny_home, kind, finetuning="full")
        assert (full.weights, full.optimizer) == pytest.approx((4 * weight, 12 * weight), abs=1)
        assert full.adapters == 0
    write_placement(tiny_home.home, {"device": "cuda", "dtype": "bfloat16"})
    assert estimate(tiny_home, "sft", finetuning="full").weights == pytest.approx(6 * weight, abs=1)


def test_rows_are_counted_by_the_tokenizer_of_the_base(tiny_home, tmp_path):
    long = "What is 12 plus 7? " * 20
    tiny_home.prompts.add(long, source="test")
    from transformers import AutoTokenizer

    tokens = len(AutoTokenizer.from_pretrained(tmp_path / "model")(long, add_special_tokens=False)["input_ids"])
    assert longest_rows(tiny_home, tmp_path / "model", 0).prompt - tokens in range(20)
    assert longest_rows(tiny_home, tmp_path / "model", 64).prompt == 64


GIGABYTES = 1000**3 / 2**20
SMALL_LAYER, LARGE_LAYER = 15_728_640, 192_938_240
"""Weights of a decoder layer of Qwen3-0.6B: 2 x 1024 x 2048 + 2 x 1024 x 1024 + 3 x 1024 x 3072; and of Qwen3-8B."""
SMALL = ModelShape(
    28, 1024, 3072, 2048, 2048, 151_936, 40_960, 28 * SMALL_LAYER + 155_582_464, 28 * SMALL_LAYER, 630_784
)
LARGE = ModelShape(
    36, 4096, 12_288, 4096, 2048, 151_936, 40_960, 36 * LARGE_LAYER + 1_244_659_712, 36 * LARGE_LAYER, 2_727_936
)


@pytest.mark.parametrize(
    ("shape", "quantize", "gigabytes"), [(SMALL, "none", 24), (LARGE, "4bit", 24), (LARGE, "none", 80)]
)
def test_ppo_with_long_answers_fits_the_gpu(shape, quantize, gigabytes):
    settings = parse_settings(find_kind("ppo").settings_class(), {"max_new_tokens": 1024})
    work = COUNTERS["ppo"](settings, Lengths(*[lambda: 64] * 3))
    available = gigabytes * GIGABYTES
    need = estimate_memory(shape, work, dtype="bfloat16", quantize=quantize, gpu=True, available=available)
    assert need.peak < available, need


def test_a_base_that_is_not_here_has_no_estimate(store):
    store.policies.add(name="far", kind="base", base="org/never-downloaded")
    assert estimate(store, "sft") is None


def test_an_empty_start_is_the_policy_that_such_a_run_resolves_it_to(tiny_home, tmp_path):
    """SFT starts from the first policy, PPO from the newest."""
    wide = make_tiny_model("llama", tmp_path / "wide", hidden=512)
    tiny_home.policies.add(name="wide", kind="base", base=str(wide))
    tiny_home.instructions.add("Name a dog.", "Rex.", source="test")
    first = look_ahead(tiny_home, "sft", {})
    assert first["settings"]["from"] == "p1"
    with gr.Blocks():
        form = RunForm(tiny_home, find_kind("sft"))
    assert f"about {first['memory']['peak']:,} MB" in form.memory({})


def test_only_the_lengths_that_a_kind_needs_are_counted(tiny_home, monkeypatch):
    read = []
    monkeypatch.setattr(tiny_home, "rows", lambda query, values=(): read.append(query) or [])
    estimate(tiny_home, "sft")
    assert len(read) == 1


def test_a_dry_run_shows_settings_and_memory_and_queues_nothing(tiny_home, capsys):
    assert app.main(["sample", "--dry-run", "--home", str(tiny_home.home), "--set", "seed=7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "sample would run with:"
    assert {"  from = p1", "  seed = 7"} <= set(lines)
    assert lines[-2].startswith("Memory: about ")
    assert lines[-1] == "Nothing was queued."
    assert tiny_home.runs.all() == []


def test_a_dry_run_as_json_has_every_part_and_what_is_free(tiny_home, capsys):
    assert app.main(["sample", "--dry-run", "--json", "--home", str(tiny_home.home)]) == 0
    found = json.loads(capsys.readouterr().out)["memory"]
    parts = ("libraries", "weights", "adapters", "optimizer", "activations", "cache")
    assert found["peak"] == sum(found[name] for name in parts)
    assert found["free"] > 0


@pytest.mark.parametrize(
    "wrong", [("--set", "prompts=0"), ("--policy", "p9"), ("--endpoint", "http://x", "--model", "m")]
)
def test_a_dry_run_refuses_what_a_run_would(tiny_home, capsys, wrong):
    assert app.main(["sample", "--dry-run", "--home", str(tiny_home.home), *wrong]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_run_that_does_not_fit_is_told_what_to_lower():
    memory = {"libraries": 1, "weights": 9000, "adapters": 0, "optimizer": 0, "activations": 1, "cache": 0}
    line = describe_memory(memory | {"peak": 9002, "free": 8000})
    assert line == (
        "about 9,002 MB (libraries 1, weights 9,000, activations 1); 8,000 MB are free on this machine. "
        "That is more than is free: lower batch_size or per_device_batch_size, or set gradient_checkpointing."
    )
    with writing_in("ko"):
        korean = describe_memory(memory | {"peak": 9002, "free": 9002})
    assert korean == "약 9,002 MB(라이브러리 1, 가중치 9,000, 활성값 1). 이 컴퓨터의 남은 메모리는 9,002 MB입니다."


def test_the_form_estimates_the_settings_that_stand_in_it(tiny_home):
    with gr.Blocks():
        form = RunForm(tiny_home, KINDS["sft"])
    assert "Memory: about" in form.memory({"batch_size": 4})
    assert form.memory({"batch_size": 4}) != form.memory({"batch_size": 40_000})
    assert "batch_size" in form.memory({"batch_size": 0})


EIGHT = (80.0,) * 8


def test_the_need_of_each_gpu_has_a_line_for_each_strategy_that_the_run_can_take(tiny_home):
    def strategies(kind, gpus=EIGHT, **settings):
        parsed = parse_settings(find_kind(kind).settings_class(), settings)
        return [need.strategy for need in estimate_per_gpu(tiny_home, kind, parsed, gpus)]

    assert strategies("sft") == ["ddp", "sharded"]
    assert strategies("ppo") == ["ddp", "sharded", "sharded, rollouts"]
    assert strategies("ppo", rollouts="http://gpu1:8000") == ["ddp", "sharded"]
    assert strategies("sft", gpus=()) == strategies("sft", finetuning="full") == ["ddp"]
    assert strategies("ppo", quantize="4bit") == strategies("sample") == ["ddp"]
    assert strategies("simulate") == []


def test_the_form_says_what_a_gpu_needs_and_what_is_here(tiny_home, monkeypatch):
    gpu_gigabytes.cache_clear()
    with gr.Blocks():
        form = RunForm(tiny_home, find_kind("sft"))
    assert "On a GPU it needs about 0.0 GB (an estimate). Here there is no NVIDIA GPU." in form.memory({})
    monkeypatch.setattr("rlhf.runs.memory_need.GPU_QUERY", ("printf", "81559\n81559\n"))
    gpu_gigabytes.cache_clear()
    assert "with strategy=ddp, and" in form.memory({})
    assert "Here there are 2 GPU(s) of 86 GB." in form.memory({})
    served = [GpuNeed("ddp", 150.0), GpuNeed("sharded", 159.0), GpuNeed("sharded, rollouts", 30.0)]
    assert "With sharded and rollouts on other GPUs it is about 30.0 GB. Here" in describe_gpus(served, EIGHT)
    with writing_in("ko"):
        assert "86 GB GPU가 2개" in form.memory({})
    gpu_gigabytes.cache_clear()


def test_a_sharded_base_larger_than_a_gpu_needs_rollouts_on_servers(tiny_home, monkeypatch):
    def check(**settings):
        check_rollouts(tiny_home, parse_settings(find_kind("ppo").settings_class(), {"strategy": "sharded"} | settings))

    size = {"size": 0.1}
    monkeypatch.setattr("rlhf.runs.preflight_rollouts.gpu_gigabytes", lambda: (80.0, size["size"]))
    check()
    size["size"] = 1e-6
    with pytest.raises(BadInput, match="PPO gathers a sharded base to sample") as problem:
        check()
    assert problem.value.field == "rollouts"
    assert "rollouts=URL" in problem.value.remedy
    check(rollouts="http://gpu1:8000")
    check(strategy="ddp")
