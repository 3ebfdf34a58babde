# SPDX-License-Identifier: Apache-2.0
"""Where the reward of a PPO run may come from, and who may watch it: from the settings to the run's report."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import app
from data.errors import BadInput
from data.run_context import RunContext
from data.settings import parse_settings
from data.store import Store
from reward.about import describe_base
from reward.base.frozen_base import Base
from reward.member import Member
from reward.model import RewardModel
from reward.prompt_parts import position_of, trained_comparison_ids
from rlhf.common import locks
from rlhf.models.reward_sources import add_sources, read_sources
from rlhf.ppo.run import run
from rlhf.ppo.settings import PPOSettings
from rlhf.runs.preflight import check_guard, check_reward
from tests.support.tiny_home import make_judged_home
from tests.support.tiny_model import make_tiny_model

SETTINGS = {
    "max_steps": 1,
    "batch_size": 32,
    "epochs": 1,
    "max_new_tokens": 4,
    "validation_prompts": 4,
    "validate_every": 1,
    "rank": 2,
}
RULE = "def short(prompts, completions):\n    return [-float(len(text)) for text in completions]\n"


@pytest.fixture
def home(tmp_path):
    """A bare base as the only policy, r1 on the same base, and a rule called short."""
    store = make_judged_home(tmp_path / "home", make_tiny_model("llama", tmp_path / "model"))
    (tmp_path / "rules.py").write_text(RULE)
    add_sources(store.home, [f"short={tmp_path / 'rules.py'}:short"])
    yield store
    store.close()


def done(store: Store, **settings):
    queued = store.runs.enqueue("ppo", SETTINGS | settings, "test")
    context = RunContext(store, store.runs.get(queued.id))
    return context.run, run(context, parse_settings(PPOSettings, context.run.settings))


def publish(store: Store, model: RewardModel, base: str) -> str:
    model.save(store.home / "made")
    return store.reward_models.publish(store.home / "made", name="judge", base=base, snapshot_id=None).public


def test_a_rule_drives_and_a_reward_model_watches(home):
    started, result = done(home, reward="short", guard="r1")
    assert result.report["end"] == "all updates are done"
    assert isinstance(result.report["guard"], float)
    assert len(home.metrics.series(started.id, "eval_guard")) == 1
    policy = home.policies.get(result.produced[0])
    assert (policy.reward_model_id, policy.config["reward"], policy.config["guard"]) == (None, "short", "r1")


def test_a_reward_model_on_a_base_of_its_own_reads_the_texts(home, tmp_path):
    other = make_tiny_model("gpt2", tmp_path / "other", vocab=300)
    base = Base.load(other)
    base.add_adapter("judge")
    name = publish(
        home,
        RewardModel(base, [Member("judge", torch.linspace(-1, 1, base.hidden_size))], describe_base(base)),
        str(other),
    )
    _, result = done(home, reward=name)
    assert home.policies.get(result.produced[0]).reward_model_id == 2


def test_every_base_is_loaded_onto_the_device_that_is_trained_on(home, tmp_path, monkeypatch):
    other = make_tiny_model("gpt2", tmp_path / "other", vocab=300)
    base = Base.load(other)
    base.add_adapter("judge")
    name = publish(
        home,
        RewardModel(base, [Member("judge", torch.linspace(-1, 1, base.hidden_size))], describe_base(base)),
        str(other),
    )
    loaded, load = {}, Base.load.__func__

    def seen(cls, source, *, placement, **options):
        loaded[Path(source).name] = placement.device
        return load(cls, source, placement=placement, **options)

    monkeypatch.setattr(Base, "load", classmethod(seen))
    done(home, reward=name)
    assert loaded == {"model": torch.device("cpu"), "other": torch.device("cpu")}


def test_an_ensemble_drives_with_a_price_on_its_disagreement(home, tmp_path):
    base = Base.load(tmp_path / "model")
    members = []
    for number in range(2):
        base.add_adapter(f"m{number}")
        torch.manual_seed(number)
        members.append(Member(f"m{number}", torch.randn(base.hidden_size)))
    name = publish(home, RewardModel(base, members, describe_base(base)), str(tmp_path / "model"))
    _, result = done(home, reward=name, uncertainty=1.0)
    assert home.policies.get(result.produced[0]).config["uncertainty"] == 1.0
    with pytest.raises(BadInput, match="uncertainty=1 is the price of what an ensemble's members disagree on"):
        done(home, reward="r1", uncertainty=1.0)


def test_the_command_line_fills_the_list_before_the_run_is_checked(home, tmp_path, capsys):
    command = ["train", "ppo", "--home", str(home.home), "--set", "max_new_tokens=4"]
    with locks.acquire_lock(home.home / locks.SUPERVISOR):  # nobody starts what is queued
        assert app.main([*command, "--set", "reward=far"]) == 2
        assert "no reward called 'far'" in capsys.readouterr().err
        assert app.main([*command, "--set", "reward=far", "--reward-source", "far=http://127.0.0.1:9/"]) == 0
    assert [run.settings["reward"] for run in home.runs.all()] == ["far"]
    assert read_sources(home.home)["far"] == "http://127.0.0.1:9/"


def test_a_reward_that_is_nowhere_is_refused_with_what_there_is(home):
    with pytest.raises(BadInput, match="no reward called 'long'.*short"):
        check_reward(home, PPOSettings(reward="long"))
    with pytest.raises(BadInput, match="no reward model r7"):
        check_reward(home, PPOSettings(reward="r7"))
    check_reward(home, PPOSettings(reward="short"))


PROMPTS = [f"Write note {number}." for number in range(40)]


@pytest.fixture
def learned(home):
    """r2 and r3 of two halves of the prompts of one snapshot, r4 of all of it."""
    rows = [
        {"comparison_id": f"c{number}", "split": "train" if number else "test", "prompt": text}
        for number, text in enumerate(PROMPTS)
    ]
    snapshot = home.snapshots.freeze("preferences", rows, {})
    for part in ("0-0.5", "0.5-1", "0-1"):
        home.reward_models.add(name=part, base="starter", adapter="", snapshot_id=snapshot.id, config={"part": part})
    return home


def test_what_a_reward_model_learned_from_is_its_part_of_the_training_rows(learned):
    low, high, whole = (trained_comparison_ids(learned, learned.reward_models.get(name)) for name in ("r2", "r3", "r4"))
    assert low == {f"c{number}" for number, text in enumerate(PROMPTS) if number and position_of(text) < 0.5}
    assert (low | high, low & high) == (whole, set())
    assert whole == {f"c{number}" for number in range(1, 40)}
    assert trained_comparison_ids(learned, learned.reward_models.get("r1")) == set()


def test_a_guard_that_has_seen_the_reward_s_labels_is_refused(learned):
    check_guard(learned, PPOSettings(reward="r2", guard="r3"))
    check_guard(learned, PPOSettings(reward="short", guard="r4"))
    check_guard(learned, PPOSettings(reward="r2"))
    shared = len(trained_comparison_ids(learned, learned.reward_models.get("r3")))
    with pytest.raises(BadInput, match=f"r3 cannot guard r4: both were trained on {shared} of the same comparisons"):
        check_guard(learned, PPOSettings(guard="r3"))  # the newest one drives
    with pytest.raises(BadInput, match="r1 cannot guard r1"):
        check_guard(learned, PPOSettings(reward="r1", guard="r1"))
