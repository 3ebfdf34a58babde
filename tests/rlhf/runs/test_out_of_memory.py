# SPDX-License-Identifier: Apache-2.0
"""Memory that runs out in a run of any kind: once more with half the pass, then one line that names its settings."""

from __future__ import annotations

import pytest
import torch
import transformers

from data.settings import as_dict, keys, parse_settings
from data.store import Store
from reward.about import describe_base
from reward.base import out_of_memory
from reward.base.adapters import read_adapter
from reward.base.frozen_base import Base
from reward.member import Member
from reward.model import RewardModel
from rlhf.clinic import reading
from rlhf.common.out_of_memory import SIZES
from rlhf.kinds import KINDS
from rlhf.runs.worker import work
from rlhf.sampling import sampler
from tests.support.labeled_notes import fill
from tests.support.tiny_model import make_ending_model

SHORT = {"max_new_tokens": 4, "batch_size": 8}
SETTINGS = {
    "sample": {"prompts": 6, **SHORT},
    "compare": {
        "policies": "p1",
        "against": "p2",
        "judge": "reward",
        "reward": "r1",
        "prompts": 4,
        "best_of": 0,
        **SHORT,
    },
    "best-of-n": {"n": 2, "validation_prompts": 4, **SHORT},
    "rejection": {
        "n": 2,
        "prompts_per_round": 8,
        "rounds": 1,
        "epochs": 1,
        "rank": 2,
        "batch_size": 8,
        "max_new_tokens": 40,
    },
    "ppo": {"max_steps": 1, "batch_size": 8, "minibatch": 4, "epochs": 1, "max_new_tokens": 4, "validation_prompts": 4}
    | {"rank": 2},
    "sft": {"from": "p1", "epochs": 1, "rank": 2, "batch_size": 8},
    "dpo": {"from": "p1", "epochs": 1, "rank": 2, "batch_size": 8, "labels": "import"},
    "reward": {"rank": 2, "batch_size": 8, "epochs": 1, "labels": "import"},
    "pretrain": {"max_steps": 2, "hidden_size": 16, "layers": 1, "heads": 2, "vocab_size": 300, "batch_size": 4}
    | {"context": 64},
    "embed": {"clusters": 2, "batch_size": 8},
}


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store with labels, instruction rows, two policies and a reward model on one base, for a fresh process."""
    monkeypatch.setattr(out_of_memory, "_halvings", 0)
    folder = make_ending_model(tmp_path / "model")  # or no answer to imitate would end
    store = fill(Store(tmp_path / "home"), folder)
    store.policies.add(name="second", kind="base", base=str(folder))
    for number in range(24):
        store.instructions.add(f"Thank Mina for thing {number}.", f"Dear Mina, thank you. {number}", source="test")
    base = Base.load(folder)
    base.add_adapter("judge")
    judge = RewardModel(base, [Member("judge", torch.linspace(-1, 1, base.hidden_size))], describe_base(base))
    judge.save(store.home / "made")
    store.reward_models.publish(store.home / "made", name="judge", base=str(folder), snapshot_id=None)
    yield store
    store.close()


def plant(monkeypatch, times):
    """Let memory run out in the first `times` training steps, batches of answers and readings of rows."""
    calls = []

    def failing(real, *given, **options):
        calls.append(real)
        if len(calls) <= times:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return real(*given, **options)

    for owner, name in ((transformers.Trainer, "training_step"), (sampler, "decode"), (reading, "_losses")):
        monkeypatch.setattr(owner, name, bound_to(failing, getattr(owner, name)))
    return calls


def bound_to(failing, real):
    """Return a function, so that a class binds it as a method."""
    return lambda *given, **options: failing(real, *given, **options)


def finished(store, kind):
    run = store.runs.enqueue(kind, as_dict(parse_settings(KINDS[kind].settings_class(), SETTINGS[kind])), "test")
    with store.transaction():
        store.runs.claim()
    work(store, store.runs.get(run.id), KINDS[kind])
    return store.runs.get(run.id)


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_run_tries_once_more_with_half_the_pass(store, monkeypatch, kind):
    plant(monkeypatch, times=1)
    run = finished(store, kind)
    assert (run.state, run.error) == ("done", None)
    assert out_of_memory.halved(8) == 4


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_run_that_fails_again_names_settings_of_its_kind(store, monkeypatch, kind):
    calls = plant(monkeypatch, times=10**9)
    run = finished(store, kind)
    assert len(calls) == 2
    assert run.state == "failed"
    assert run.error.startswith("memory ran out, also with passes of half the size")
    assert "\n" not in run.error
    assert all(f"{name} (" in run.error for name in SIZES[kind])


def test_the_named_settings_exist():
    assert SIZES.keys() >= SETTINGS.keys()
    unknown = {kind: set(names) - set(keys(KINDS[kind].settings_class())) for kind, names in SIZES.items()}
    assert {kind: names for kind, names in unknown.items() if names} == {}


def test_a_sampling_run_stores_no_answer_twice(store, monkeypatch):
    before = len(store.completions.of_policy(1))
    plant(monkeypatch, times=1)
    finished(store, "sample")
    assert len(store.completions.of_policy(2)) + len(store.completions.of_policy(1)) - before == 12


@pytest.mark.parametrize("kind", ["sft", "dpo", "reward"])
def test_half_the_pass_and_twice_the_passes_train_the_same_adapter(store, monkeypatch, kind):
    """The rows of each optimizer step stay; Adam enlarges the rounding of small gradients."""

    def trained():
        run = finished(store, kind)
        assert run.state == "done", run.error
        row = (store.reward_models if kind == "reward" else store.policies).get(run.produced[0])
        return read_adapter(store.home / row.adapter)[1]

    whole = trained()
    plant(monkeypatch, times=1)
    halved = trained()
    assert whole.keys() == halved.keys()
    for name, matrix in whole.items():
        assert (matrix - halved[name]).norm() <= 0.02 * matrix.norm(), name
