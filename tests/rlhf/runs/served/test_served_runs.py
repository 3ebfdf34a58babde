# SPDX-License-Identifier: Apache-2.0
"""Every kind of run that samples gives with a server, for the same noise, what it gives in its own process."""

from __future__ import annotations

import shutil

import pytest

from data import Store
from data.errors import BadInput
from data.run_context import Cancelled, RunContext
from data.settings import as_dict, parse_settings
from data.tables.process_identity import identify_process
from reward.base.frozen_base import Base
from rlhf.kinds import KINDS
from rlhf.online.labels import LabelStream
from rlhf.ppo.run import run as run_ppo
from rlhf.runs.launch import launch
from rlhf.runs.preflight_rollouts import check_rollouts
from rlhf.sampling.served.opening import listed_servers
from rlhf.sampling_settings import KEYS
from rlhf.settings import SampleSettings
from tests.support.online import TINY, Desk
from tests.support.ppo_parts import shake
from tests.support.tiny_home import make_judged_home
from tests.support.tiny_model import make_ending_model
from tests.support.vllm.server import share_noise, vllm_server

ANSWERS = {"from": "p2", "max_new_tokens": 6}
CHOICE = ANSWERS | {"reward": "r1", "n": 2, "judge_pairs": 0}
RUNS = {
    "sample": ANSWERS | {"prompts": 6, "per_prompt": 2, "temperature": 0.8},
    "compare": {"policies": "p2", "against": "p1", "judge": "reward", "reward": "r1", "max_new_tokens": 6}
    | {"prompts": 4, "draws": 1, "best_of": 2},
    "best-of-n": CHOICE | {"validation_prompts": 4},
    "rejection": CHOICE | {"prompts_per_round": 6, "rounds": 2, "rank": 2, "max_steps": 2, "max_new_tokens": 12},
    "ppo": ANSWERS
    | {"max_steps": 2, "batch_size": 16, "minibatch": 8, "group_size": 4, "epochs": 1, "reward": "r1", "guard": "none"}
    | {"validation_prompts": 4, "validate_every": 1, "judge_pairs": 0},
    "online": TINY | {"from": "p2", "labels": "person", "max_labels": 16, "judge_pairs": 0},
}
TIMES = ("seconds", "peak_mb", "rollouts", "name")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A folder with a base, and a home with an adapter on it as the policy p2."""
    folder = tmp_path_factory.mktemp("start")
    model = make_ending_model(folder / "model")
    store, base = make_judged_home(folder / "home", model), Base.load(model)
    base.add_adapter("moved")
    shake(base, "moved")
    base.save_adapter("moved", store.home / "made-policy")
    store.policies.publish(
        store.home / "made-policy", name="moved", kind="sft", base=str(model), parent_id=1, seed=0, config={}
    )
    store.close()
    return folder


@pytest.fixture
def home(start, tmp_path):
    """Return a function that opens another copy of the home."""
    opened = []

    def copy(name):
        shutil.copytree(start / "home", tmp_path / name)
        opened.append(Store(tmp_path / name))
        return opened[-1]

    yield copy
    for store in opened:
        store.close()


@pytest.fixture
def server(start):
    with vllm_server(start / "model") as running:
        yield running


def context_of(store, kind, **settings):
    parsed = parse_settings(KINDS[kind].settings_class(), RUNS[kind] | settings)
    queued = store.runs.enqueue(kind, as_dict(parsed), "test")
    store.runs.start(queued.id, *identify_process())
    return RunContext(store, store.runs.get(queued.id)), parsed


def done(store, kind, **settings):
    """Do a run and return its report and its curves."""
    context, parsed = context_of(store, kind, **settings)
    result = KINDS[kind].runner()(context, parsed)
    curves = store.metrics.all_series(context.run.id)
    return result.report, {
        name: curves[name] for name in ("reward", "kl", "best_of", "sampled_reward") if name in curves
    }


def about(value):
    """Return the value without times, to compare with: a batch of one rounds in another way."""
    if isinstance(value, dict):
        return {key: about(part) for key, part in value.items() if key not in TIMES}
    if isinstance(value, list | tuple):
        return [about(part) for part in value]
    return pytest.approx(value, rel=1e-2, abs=1e-3) if isinstance(value, float) else value


def plain(value):
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items() if key not in TIMES}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("kind", RUNS)
def test_a_served_run_is_the_run_in_process_and_leaves_nothing_behind(home, server, monkeypatch, kind):
    share_noise(server, monkeypatch)
    results = []
    for name, rollouts in (("served", server.url), ("own", "")):
        store = home(name)
        monkeypatch.setattr(LabelStream.__init__, "__defaults__", (Desk(store, labelers=1).answer,))
        results.append(done(store, kind, rollouts=rollouts))
        assert bool(rollouts) == bool(server.requests)
        assert not list(store.home.glob("runs/*/served"))
        sent, server.requests[:] = len(server.requests), []
    (report, curves), (own_report, own_curves) = results
    assert plain(report) == about(own_report)
    assert plain(curves) == about(own_curves)
    assert sent == 0
    assert report["rollouts"]["servers"] == [server.url]
    assert all(found["difference"] < 1e-4 for found in report["rollouts"]["checks"].values())
    assert server.adapters == {}


def test_stored_answers_say_that_a_server_sampled_them(home, server):
    """Their seed alone does not repeat them in process."""
    store = home("served")
    done(store, "sample", rollouts=server.url)
    answers = store.completions.of_policy(2)
    assert {answer.sampling["sampler"] for answer in answers} == {"served"}
    done(store, "sample")
    assert "sampler" not in store.completions.of_policy(2)[-1].sampling


def test_a_run_that_waits_for_its_servers_says_so_on_its_page_and_can_be_cancelled(home, server):
    store = home("served")
    context, settings = context_of(store, "ppo", rollouts=server.url)
    notes = []
    server.asked.clear()
    real = context.cancelled

    def cancelled():
        if len(server.requests) > 20 and server.alive:  # in the first rollout
            server.die()
        notes.append(store.runs.get(context.run.id).note)
        if notes[-1].startswith("waiting for vLLM"):
            store.runs.request_cancel(context.run.id)
            context._asked_at = 0.0
        return real()

    context.cancelled = cancelled
    with pytest.raises(Cancelled):
        run_ppo(context, settings)
    assert f"waiting for vLLM: {server.url} could not be reached" in notes[-1]
    assert not (context.folder / "served").exists()


def test_a_run_may_resume_with_other_servers_but_not_without_any(home, server):
    store = home("served")
    settings = RUNS["ppo"] | {"rollouts": server.url}
    queued = launch_paused(store, settings)
    with pytest.raises(BadInput, match=r"has rollouts=http.* and cannot be resumed with rollouts="):
        launch(store, "ppo", settings | {"rollouts": ""}, by="test", resumes=queued.id)
    other = launch_paused(store, settings | {"rollouts": "http://other:8000"}, resumes=queued.id)
    assert other.settings["rollouts"] == "http://other:8000"
    alone = launch_paused(store, settings | {"rollouts": ""})
    with pytest.raises(BadInput, match=r"has rollouts= and cannot be resumed with rollouts=http"):
        launch(store, "ppo", settings, by="test", resumes=alone.id)


def launch_paused(store, settings, resumes=None):
    """Queue a run without a supervisor."""
    from rlhf.runs.launch import enqueue

    return enqueue(store, "ppo", settings, by="test", resumes=resumes)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://a:8000/v1, http://b:8000/", "http://a:8000,http://b:8000"),
        ("http://a:8000,http://a:8000/v1", "http://a:8000"),
        (" start ", "start"),
        ("", ""),
    ],
)
def test_addresses_have_one_form(given, kept):
    assert SampleSettings(rollouts=given).rollouts == kept


@pytest.mark.parametrize("given", ["gpu1:8000", "ftp://a", "http://user:secret@a:8000", "http://a:8000/v1?key=secret"])
def test_an_address_that_is_none_or_carries_a_secret_is_refused_without_showing_it(given):
    with pytest.raises(BadInput) as refused:
        SampleSettings(rollouts=given)
    assert refused.value.field == "rollouts"
    assert "secret" not in str(refused.value)


def test_a_key_goes_only_to_the_address_that_it_was_given_for(monkeypatch):
    monkeypatch.setenv(KEYS, "http://a:8000/v1=one, http://b:8000=two==")
    servers = listed_servers("http://b:8000,http://c:8000,http://a:8000")
    assert [(server.url, server.key) for server in servers] == [
        ("http://b:8000", "two=="),
        ("http://c:8000", ""),
        ("http://a:8000", "one"),
    ]


def test_a_dora_is_refused_before_the_run_is_queued(home):
    settings = parse_settings(KINDS["ppo"].settings_class(), RUNS["ppo"] | {"rollouts": "http://a:8000", "dora": True})
    with pytest.raises(BadInput, match="vLLM cannot serve the adapter of this run: it has dora"):
        check_rollouts(home("served"), settings)


def test_start_without_the_command_is_refused_before_the_run_is_queued(home, monkeypatch):
    monkeypatch.setenv("PREFERENCE_LOOP_VLLM", "/nowhere/vllm")
    settings = parse_settings(KINDS["sample"].settings_class(), {"rollouts": "start"})
    with pytest.raises(BadInput, match=r"needs the command '/nowhere/vllm'.*PREFERENCE_LOOP_VLLM"):
        check_rollouts(home("served"), settings)
