# SPDX-License-Identifier: Apache-2.0
"""Two processes of a run share the requests to a server, and get what one process gets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from data import Store
from data.settings import as_dict, parse_settings
from rlhf.kinds import KINDS
from tests.support import PATIENCE, ROOT
from tests.support.processes.run_processes import fix_what_varies
from tests.support.tiny_home import make_judged_home
from tests.support.tiny_model import make_ending_model
from tests.support.vllm.server import vllm_server

TWO = ROOT / "docs" / "accelerate" / "two-cpus.yaml"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
PPO = {"from": "p1", "reward": "r1", "guard": "none", "max_steps": 2, "batch_size": 16, "minibatch": 8, "rank": 2}
PPO |= {"group_size": 4, "epochs": 1, "max_new_tokens": 6, "validation_prompts": 5, "validate_every": 1}
PPO |= {"judge_pairs": 0}
RUNS = [
    ("sample", {"from": "p1", "prompts": 5, "per_prompt": 3, "max_new_tokens": 6, "batch_size": 16}),
    ("ppo", PPO),
    ("ppo", PPO | {"strategy": "sharded"}),
]
CURVES = ("reward", "kl", "sampler_difference")


def command(home, ids):
    """Return the arguments that do the runs of a home in two processes."""
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(TWO)]
    return [*launcher, "-m", "tests.support.processes.run_processes", str(home), "0", *ids]


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """Return the stores of the home whose runs had one process, and of the one whose runs had two."""
    folder = tmp_path_factory.mktemp("served")
    model = make_ending_model(folder / "model")
    with vllm_server(model) as server:
        store = make_judged_home(folder / "one", model)
        store.prompts.add_many({"text": f"Name {number} trees.", "source": "test"} for number in range(60))
        for kind, given in RUNS:
            settings = parse_settings(KINDS[kind].settings_class(), given | {"rollouts": server.url})
            store.runs.enqueue(kind, as_dict(settings), "test")
        ids = [str(run.id) for run in reversed(store.runs.all())]
        store.close()
        shutil.copytree(folder / "one", folder / "two")
        ended = subprocess.run(
            command(folder / "two", ids), cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE
        )
        assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-5000:]
        shared = [body for verb, body in server.admin if verb == "load_lora_adapter"]
        stores = Store(folder / "one"), Store(folder / "two")
        with pytest.MonkeyPatch.context() as patch:
            fix_what_varies(stores[0], True, patch.setattr)
            stores[0].execute(
                "UPDATE runs SET settings = replace(settings, '\"sharded\"', '\"auto\"')"
            )  # one has no parts
            do_alone(stores[0], ids)
        alone = [body for verb, body in server.admin if verb == "load_lora_adapter"][len(shared) :]
        assert server.adapters == {}
    yield *stores, shared, alone
    for store in stores:
        store.close()


def do_alone(store, ids):
    """Do the runs in this process."""
    from rlhf.runs.worker import work

    for id in ids:
        run = store.runs.get(int(id))
        assert work(store, run, KINDS[run.kind]) == "done"


def test_two_processes_sample_the_answers_of_one(homes):
    one, two, *_ = homes
    answers = [
        store.rows("SELECT prompt_id, number, text, token_ids FROM completions ORDER BY prompt_id, number")
        for store in (one, two)
    ]
    assert len(answers[0]) == 15
    assert answers[0] == answers[1]


def test_a_shared_training_has_the_curves_of_one_process_and_loads_each_version_once(homes):
    """The main process alone loads adapters: bare base, so only the policy's versions."""
    one, two, shared, alone = homes
    curves = [store.metrics.all_series(2) for store in (one, two)]
    for name in CURVES:
        values = [[value for _, value in curve[name]] for curve in curves]
        assert values[1] == pytest.approx(values[0], rel=1e-3, abs=1e-4)
    loads = [[body["lora_name"] for body in loaded if "run2" in body["lora_name"]] for loaded in (shared, alone)]
    versions = [[name.rpartition("-")[2] for name in names] for names in loads]
    assert versions[0] == versions[1]
    assert len(set(versions[0])) == len(versions[0]) >= 2


def test_a_sharded_base_samples_on_servers_what_a_whole_one_samples(homes):
    _, two, *_ = homes
    whole, sharded = (two.metrics.all_series(run) for run in (2, 3))
    for name in CURVES:
        assert [value for _, value in sharded[name]] == [value for _, value in whole[name]]
