# SPDX-License-Identifier: Apache-2.0
"""A run's processes are planned from the home's accelerate.yaml and the settings; what cannot be is refused by name."""

from __future__ import annotations

import pytest

from data.errors import BadInput
from data.settings import parse_settings
from reward.placement_settings import write_placement
from reward.settings import RewardSettings
from rlhf.methods.simulate import SimulateSettings
from rlhf.ppo.settings import PPOSettings
from rlhf.runs import supervisor
from rlhf.runs.launch import launch, resume
from rlhf.runs.processes.plan import plan_processes
from rlhf.settings import DPOSettings, SampleSettings, SFTSettings
from tests.support import ROOT
from tests.support.tiny_home import make_clinic_home
from tests.support.tiny_model import make_tiny_model

TWO = (ROOT / "docs" / "accelerate" / "two-cpus.yaml").read_text()
SHARDED = {"strategy": "sharded"}
ZERO_2 = (ROOT / "docs" / "accelerate" / "deepspeed.yaml").read_text()


def planned(home, text=None, gpus=0, kind=SFTSettings, resumes=False, **settings):
    """Return the number of processes and accelerate's type for a run of a home with that file; None for one."""
    if text is not None:
        (home / "accelerate.yaml").write_text(text)
    config = plan_processes(home, parse_settings(kind, settings), gpus, resumes=resumes)
    return (config["num_processes"], config["distributed_type"]) if config else None


def test_auto_takes_the_number_of_the_file_else_a_process_for_each_gpu(tmp_path):
    assert planned(tmp_path) is None
    assert planned(tmp_path, gpus=4) == (4, "MULTI_GPU")
    assert planned(tmp_path, gpus=4, device="cpu") is None
    assert planned(tmp_path, TWO) == (2, "MULTI_GPU")
    assert planned(tmp_path, ZERO_2) == (2, "DEEPSPEED")
    assert planned(tmp_path, ZERO_2, strategy="ddp") == (2, "MULTI_GPU")


def test_auto_takes_the_most_processes_that_can_share_a_step_and_one_for_a_device_with_a_number(tmp_path):
    assert planned(tmp_path, gpus=3, kind=PPOSettings) == (2, "MULTI_GPU")  # a minibatch of 32 rows
    assert planned(tmp_path, gpus=4, batch_size=3) == (3, "MULTI_GPU")
    assert planned(tmp_path, gpus=4, device="cuda:1") is None


def test_a_number_of_processes_goes_before_the_file(tmp_path):
    assert planned(tmp_path, processes=2) == (2, "MULTI_GPU")
    assert planned(tmp_path, TWO, processes="3") == (3, "MULTI_GPU")
    assert planned(tmp_path, TWO, processes=1) is None
    assert plan_processes(tmp_path, SimulateSettings()) == {}  # a kind without models


@pytest.mark.parametrize("kind", [PPOSettings, SFTSettings, DPOSettings, RewardSettings])
def test_trainings_on_a_frozen_base_can_shard_it(tmp_path, kind):
    assert planned(tmp_path, gpus=2, kind=kind, strategy="sharded") == (2, "MULTI_GPU")


def test_a_home_that_quantises_its_bases_shards_none(tmp_path):
    write_placement(tmp_path, {"quantize": "8bit"})
    with pytest.raises(BadInput, match="quantize=8bit packs weights"):
        planned(tmp_path, TWO, strategy="sharded")


def test_before_a_run_is_queued_the_number_of_gpus_is_unknown_and_nothing_is_said_of_it(tmp_path):
    assert plan_processes(tmp_path, parse_settings(SFTSettings, SHARDED), None) == {}


@pytest.mark.parametrize(
    ("text", "settings", "problem"),
    [
        (TWO.replace("MULTI_GPU", "FSDP"), {}, "asks for FSDP"),
        (ZERO_2.replace("zero_stage: 2", "zero_stage: 3"), {}, "asks for ZeRO stage 3"),
        (ZERO_2, {"resumes": True}, "asks for DeepSpeed, which restores no checkpoint"),
        (TWO.replace("MULTI_GPU", "XLA"), {}, "asks for distributed_type XLA"),
        (TWO.replace("num_machines: 1", "num_machines: 2"), {}, "asks for 2 machines"),
        (TWO.replace('"no"', "bf16"), {}, "asks for mixed_precision bf16"),
        ("num_processes: [", {}, "cannot be read"),
        ("num_processes: none", {}, "cannot be read"),
        (TWO, {"kind": PPOSettings, "processes": 3}, "3 processes cannot share minibatch=32 evenly"),
        (TWO, {"batch_size": 1}, "2 processes cannot share a step of 1 row"),
        (TWO, {"processes": 3, "gpus": 2}, "processes=3, and this machine has 2 GPU"),
        (TWO, {"device": "cuda:1", "gpus": 2}, "2 processes cannot share the one device cuda:1"),
        (TWO, {"processes": "two"}, "processes='two' is no number"),
        (TWO, {"strategy": "zero"}, "strategy"),
        (TWO, SHARDED | {"processes": 1}, "needs several processes"),
        (None, SHARDED, "needs several processes"),
        (TWO, SHARDED | {"kind": SampleSettings}, "of this kind cannot shard"),
        (TWO, SHARDED | {"finetuning": "full"}, "finetuning=full trains all weights"),
        (TWO, SHARDED | {"quantize": "4bit"}, "quantize=4bit packs weights"),
        (ZERO_2, SHARDED, "asks for DeepSpeed, and strategy=sharded"),
    ],
)
def test_what_cannot_be_shared_is_refused_by_name(tmp_path, text, settings, problem):
    with pytest.raises(BadInput, match=problem):
        planned(tmp_path, text, **settings)


def test_a_sharded_run_that_resumes_in_one_process_is_no_longer_sharded(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "ensure", lambda home: None)
    store = make_clinic_home(tmp_path / "home", make_tiny_model("llama", tmp_path / "model"), rows=10)
    run = launch(store, "sft", SHARDED | {"processes": "2"}, by="test")
    store.runs.finish(run.id, "cancelled")
    (store.home / "runs" / str(run.id) / "checkpoint" / "checkpoint-1").mkdir(parents=True)
    settings = [resume(store, run.id, by="test", processes=count).settings for count in ("1", "3")]
    assert [(each["processes"], each["strategy"]) for each in settings] == [("1", "auto"), ("3", "sharded")]
    store.close()
