# SPDX-License-Identifier: Apache-2.0
"""PPO in two processes makes the same updates as in one. They run under `accelerate launch`, on CPUs, over gloo."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from data.run_context import RunContext
from data.settings import parse_settings
from reward.base.adapters import read_adapter
from rlhf.ppo.checkpoint import last_checkpoint
from rlhf.ppo.run import run
from rlhf.ppo.settings import PPOSettings
from tests.support import PATIENCE, ROOT
from tests.support.ppo_parts import starting_adapter, tiny_base
from tests.support.processes.ppo_process import main
from tests.support.tiny_home import make_judged_home
from tests.support.tiny_model import make_tiny_model

TWO = ROOT / "docs" / "accelerate" / "two-cpus.yaml"


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def test_check_14_two_processes_make_the_updates_of_one_with_the_same_global_batch(tmp_path):
    """A minibatch of 4: one pass of 4 in one process, two passes of 1 in each of two. Five fixed prompts: shares of 2
    and 3."""
    one, two = tmp_path / "one", tmp_path / "two"
    starting_adapter(tiny_base("llama", one), one)
    shutil.copytree(one, two)
    options = {
        "updates": 2,
        "learning_rate": 3e-3,
        "kl_target": 0.2,
        "kl_budget": 1e3,
        "eval_updates": 1,
        "max_new_tokens": 12,
    }
    split = options | {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 2}
    command = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--config_file",
        str(TWO),
        "-m",
        "tests.support.processes.ppo_process",
        str(two),
        json.dumps(split),
    ]
    ended = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 0, ended.stderr[-3000:]
    main(one, **options)
    for at in (
        "end.safetensors",
        "ppo/checkpoint-8/adapter_model.safetensors",
        "ppo/checkpoint-8/value_head.safetensors",
    ):
        tensors, others = load_file(one / at), load_file(two / at)
        assert tensors.keys() == others.keys()
        assert [name for name in tensors if not torch.allclose(tensors[name], others[name], rtol=1e-5, atol=1e-5)] == []
    moved = [
        load_file(folder / "adapter_model.safetensors") for folder in (one / "start", one / "ppo" / "checkpoint-8")
    ]
    assert (
        max((moved[0][name] - moved[1][name]).abs().max() for name in moved[0]) > 1e-3
    )  # or agreement would mean nothing
    ends = [json.loads((folder / "end.json").read_text()) for folder in (one, two)]
    assert ends[1]["best"] == pytest.approx(ends[0]["best"], rel=1e-5, abs=1e-5)
    assert [log.keys() for log in ends[1]["logs"]] == [log.keys() for log in ends[0]["logs"]]
    for log, other in zip(ends[0]["logs"], ends[1]["logs"], strict=True):
        assert other == pytest.approx(log, rel=1e-5, abs=1e-5)


def test_a_home_with_an_accelerate_file_trains_in_two_processes_and_one_of_them_writes(tmp_path):
    settings = {"from": "p1", "max_steps": 2, "batch_size": 32, "epochs": 1, "max_new_tokens": 4, "rank": 2}
    settings |= {"validation_prompts": 4, "validate_every": 1}
    store = make_judged_home(tmp_path / "home", make_tiny_model("llama", tmp_path / "model"))
    store.prompts.add_many(
        {"text": f"Name {number} animals.", "source": "test"} for number in range(40)
    )  # some of them to validate on
    shutil.copy(TWO, store.home / "accelerate.yaml")
    store.runs.enqueue("ppo", settings, "test")
    shared = store.runs.claim()
    command = [sys.executable, "-m", "rlhf.runs.worker", str(shared.id), "--home", str(store.home)]
    ended = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE)
    done = store.runs.get(shared.id)
    assert (ended.returncode, done.state, done.error) == (0, "done", None), ended.stderr[-3000:]
    assert len(done.produced) == 1
    assert len(store.metrics.series(shared.id, "reward")) == 2  # each point once
    context = RunContext(store, store.runs.get(store.runs.enqueue("ppo", settings, "test").id))
    alone = run(context, parse_settings(PPOSettings, settings))
    curves = [
        {key: store.metrics.series(made.id, key) for key in ("reward", "kl", "loss", "grad_norm", "eval_kl")}
        for made in (shared, context.run)
    ]
    for key, points in curves[0].items():
        assert [value for _, value in points] == pytest.approx(
            [value for _, value in curves[1][key]], rel=1e-5, abs=1e-5
        )
    two, one = (
        read_adapter(store.home / store.policies.get(made).adapter)[1] for made in (done.produced[0], alone.produced[0])
    )
    assert [name for name in one if not torch.allclose(one[name], two[name], rtol=1e-5, atol=1e-5)] == []
    store.close()


def test_a_run_shared_by_two_processes_is_cancelled_at_the_end_of_an_update_and_saved_whole(tmp_path):
    settings = {
        "from": "p1",
        "max_steps": 10_000,
        "batch_size": 32,
        "epochs": 1,
        "max_new_tokens": 4,
        "rank": 2,
        "validate_every": 10_000,
    }
    store = make_judged_home(tmp_path / "home", make_tiny_model("llama", tmp_path / "model"))
    store.prompts.add_many({"text": f"Name {number} animals.", "source": "test"} for number in range(40))
    shutil.copy(TWO, store.home / "accelerate.yaml")
    shared = store.runs.get(store.runs.enqueue("ppo", settings | {"validation_prompts": 4}, "test").id)
    store.runs.claim()
    command = [sys.executable, "-m", "rlhf.runs.worker", str(shared.id), "--home", str(store.home)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, start_new_session=True, **quiet) as worker:
        while store.runs.get(shared.id).done == 0 and worker.poll() is None:
            time.sleep(0.1)
        store.runs.request_cancel(shared.id)
        os.killpg(worker.pid, signal.SIGTERM)  # as the supervisor passes it on
        worker.wait(timeout=PATIENCE)
    ended = store.runs.get(shared.id)
    assert (ended.state, ended.error, ended.produced) == ("cancelled", None, [])
    saved = last_checkpoint(store.home / "runs" / str(shared.id) / "checkpoint")
    assert (
        int(saved.name.removeprefix("checkpoint-")) >= ended.done > 0
    )  # one step an update; progress is written now and then
    assert len(list(saved.glob("rng_state_*.pth"))) == 2
    store.close()


def test_what_one_process_finds_wrong_ends_them_all(tmp_path):
    """Two processes; the second one's reward is at fault, and both raise it instead of waiting for each other."""
    program = (
        "import torch, torch.distributed as dist\nfrom data.errors import BadInput\n"
        "from reward.base import distributed as ranks\n"
        "dist.init_process_group('gloo')\n"
        "rank = ranks.rank()\n"
        "def work():\n"
        "    if rank == 1:\n"
        "        raise BadInput('the reward gave nan', 'Return numbers', field='reward')\n"
        "    return 1\n"
        "assert ranks.gather_results(lambda: rank) == [0, 1]\n"
        "assert ranks.gather_results(ranks.world_size) == [1, 1]  # in its shard each is alone\n"
        "assert list(ranks.shard(5)) == [[0, 1], [2, 3, 4]][rank]\n"
        "assert ranks.map_shards(lambda own: [(rank, item) for item in own], 'abc') == [(0, 'a'), (1, 'b'), (0, 'c')]\n"
        "assert ranks.once(lambda: (rank, ranks.once(lambda: 7))) == (0, 7)\n"
        "assert ranks.any_rank(rank == 1) and ranks.sum_over_ranks({'a': rank + 1}) == {'a': 3}\n"
        "assert ranks.gather_rows(torch.arange(rank + 1)).tolist() == [0, 0, 1]\n"
        "try:\n    ranks.gather_results(work)\nexcept BadInput as problem:\n    print(problem)\n"
    )
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=ENVIRONMENT | place | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=PATIENCE)[0].strip() for process in started]
    assert outputs == ["the reward gave nan (field 'reward'). Return numbers"] * 2


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
