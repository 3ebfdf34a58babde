# SPDX-License-Identifier: Apache-2.0
"""Preflight checks: a refusal is one line with the value and the remedy, and queues no run."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from data.errors import BadInput
from data.splits import split_of
from data.starter import BASE
from data.store import Store
from data.texts import translate_line
from labeling.texts.reader import writing_in
from reward.report.view import error_html
from rlhf.common import locks
from rlhf.kinds import KINDS
from rlhf.models.reward_sources import add_sources
from rlhf.runs.launch import launch
from rlhf.runs.preflight import CHECKS, context_length


@pytest.fixture
def store_with_policies(store: Store, tmp_path: Path) -> Store:
    """Return a store with a policy, its child and prompts; the supervisor's lock is held, so no run starts."""
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 64}))
    store.policies.add(name="first", kind="base", base=str(folder))
    store.policies.add(name="second", kind="base", base=str(folder), parent_id=1)
    store.policies.add(name="elsewhere", kind="base", base="some/hub-id", parent_id=1)
    store.prompts.add_many({"text": f"Say {number}.", "source": "test"} for number in range(40))
    return store


def queued(store: Store, kind: str, **settings: object) -> int:
    with locks.acquire_lock(store.home / locks.SUPERVISOR):
        return launch(store, kind, settings, by="test").id


def refused(store: Store, kind: str, **settings: object) -> BadInput:
    with pytest.raises(BadInput) as caught:
        queued(store, kind, **settings)
    assert store.runs.all() == []
    return caught.value


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("sample", {"from": "p2"}),
        ("sample", {"from": "p3", "against": "p1"}),
        ("compare", {"policies": "p2"}),
        ("compare", {"policies": "p3"}),
        ("compare", {"policies": "p3", "against": "p2"}),
    ],
)
def test_answers_longer_than_a_context_are_refused(store_with_policies: Store, kind: str, settings: dict) -> None:
    problem = refused(
        store_with_policies, kind, **settings, max_new_tokens=63
    )  # 64, less a token of prompt and one for the end
    assert "max_new_tokens=63" in problem.error
    assert "64 tokens" in problem.error
    assert "at most 62" in problem.remedy
    assert problem.field == "max_new_tokens"
    assert queued(store_with_policies, kind, **settings, max_new_tokens=62)


def test_a_page_says_in_the_readers_language_what_a_run_needs(store_with_policies: Store) -> None:
    with writing_in("ko"):
        problem = refused(store_with_policies, "compare", policies="p2", judge="reward", max_new_tokens=8)
        assert error_html(problem) == "judge=reward 설정에는 보상 모델이 필요합니다. 보상 모델을 정하세요: reward=r1"
        missing = error_html(refused(store_with_policies, "best-of-n"))
    link = "<a href='#reward'>보상</a>"
    assert missing == f"아직 보상 모델이 없습니다(설정 &#x27;reward&#x27;). 먼저 학습하세요: {link}"
    assert str(refused(store_with_policies, "best-of-n")) == (
        "there is no reward model yet (field 'reward'). Train one: preference-loop train reward"
    )


@pytest.mark.parametrize(
    ("kind", "settings", "shown"),
    [
        (
            "ppo",
            {"estimator": "gae", "batch_size": 12, "minibatch": 8},
            "batch_size=12은(는) minibatch=8의 배수가 아닙니다. batch_size를 8 또는 16(으)로 하세요.",
        ),
        (
            "sample",
            {"from": "p3", "per_prompt": 1},
            "per_prompt=1(으)로는 쌍을 만들 수 없습니다. 2 이상을 쓰세요.",
        ),
        (
            "sft",
            {"finetuning": "full", "dora": True},
            "dora=True은(는) LoRA 설정인데, finetuning=full은 LoRA를 학습하지 않습니다. dora 설정을 빼거나 finetuning=lora로 하세요.",
        ),
    ],
)
def test_a_refused_form_answers_a_korean_reader_in_korean_and_the_log_in_english(
    store_with_policies: Store, kind: str, settings: dict, shown: str
) -> None:
    problem = refused(store_with_policies, kind, **settings)
    with writing_in("ko"):
        assert error_html(problem) == shown
    assert str(problem).isascii()
    assert problem.in_language("ko").remedy in translate_line(str(problem), "ko")


def test_a_base_with_an_unknown_context_passes_the_check(store_with_policies: Store) -> None:
    assert queued(store_with_policies, "sample", **{"from": "p3"}, max_new_tokens=10_000)


def test_the_context_is_read_under_each_name_in_configs(tmp_path: Path) -> None:
    for config in ({"n_positions": 48}, {"text_config": {"max_position_embeddings": 48}}, {"max_seq_len": 48}):
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert context_length(str(tmp_path)) == 48
    assert context_length("starter") == json.loads((BASE / "config.json").read_text())["max_position_embeddings"]
    assert context_length(str(tmp_path / "none")) is None


def test_a_comparison_by_a_reward_model_needs_one(store_with_policies: Store) -> None:
    problem = refused(store_with_policies, "compare", policies="p2", judge="reward", max_new_tokens=8)
    assert (problem.field, "reward=r1" in problem.remedy) == ("reward", True)
    assert "r7" in str(refused(store_with_policies, "compare", policies="p2", reward="r7", max_new_tokens=8))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"per_prompt": 1}, "per_prompt"),
        ({"pairs": "ranking"}, "per_prompt"),
        ({"from": "p1", "against": "p1"}, "against"),
        ({"against": "p1", "split": "train"}, "split"),
        ({"project": "Nope"}, "project"),
        ({"temperature": 0}, "temperature"),
    ],
)
def test_impossible_sampling_settings_are_refused(store_with_policies: Store, given: dict, field: str) -> None:
    assert refused(store_with_policies, "sample", **given, max_new_tokens=8).field == field


def test_a_split_without_prompts_cannot_be_sampled(store: Store) -> None:
    store.policies.add(name="first", kind="base", base="some/hub-id")
    store.prompts.add(next(text for text in map(str, range(100)) if split_of(text) == "train"), source="test")
    assert "no prompts in the test split" in refused(store, "sample", split="test").error
    assert queued(store, "sample")


@pytest.mark.parametrize(
    "kind", ["sample", "compare", "ppo", "dpo", "rejection", "best-of-n", "sft", "embed", "quantity"]
)
@pytest.mark.parametrize("gone", ["base", "adapter"])
def test_a_policy_with_missing_files_is_refused(
    store_with_policies: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, gone: str
) -> None:
    """Pass every other check, so that only the missing files are left."""
    for need in ("reward", "labels", "instructions", "rows", "judge", "guard", "uncertainty"):
        monkeypatch.setitem(CHECKS, need, lambda store, settings: None)
    base = tmp_path / ("gone" if gone == "base" else "base")
    store_with_policies.policies.add(
        name="of old", kind="sft", base=str(base), adapter="policies/p4" if gone == "adapter" else None, parent_id=1
    )
    named = {"policies": "p4"} if kind == "compare" else {"from": "p4"}
    room = {} if kind in ("sft", "dpo", "embed") else {"max_new_tokens": 8}
    problem = refused(store_with_policies, kind, **named, **room)
    assert (str(base) if gone == "base" else "policies/p4") in problem.error
    assert problem.remedy


@pytest.mark.parametrize(("heads", "width", "near"), [(3, 256, 252), (5, 8, 10), (8, 8, 16)])
def test_heads_that_do_not_divide_the_width_are_refused(
    store_with_policies: Store, heads: int, width: int, near: int
) -> None:
    problem = refused(store_with_policies, "pretrain", heads=heads, hidden_size=width)
    assert f"heads={heads}" in problem.error
    assert f"hidden_size={near}" in problem.remedy


def test_an_uncertainty_penalty_needs_an_ensemble(store_with_policies: Store) -> None:
    for members in (1, 4):
        store_with_policies.reward_models.add(
            name=f"of {members}", base="starter", adapter="a", config={"members": members}
        )
    add_sources(store_with_policies.home, ["rule=math:fsum"])
    for reward in ("r1", "rule"):
        problem = refused(store_with_policies, "ppo", reward=reward, uncertainty=1, max_new_tokens=8)
        assert "uncertainty=1 is the price" in problem.error
        assert (problem.field, "members=4" in problem.remedy) == ("uncertainty", True)
    assert queued(store_with_policies, "ppo", reward="r1", max_new_tokens=8)
    assert queued(store_with_policies, "ppo", uncertainty=1, max_new_tokens=8)  # by the newest, which has four


@pytest.mark.parametrize("kind", ["sample", "compare", "pretrain", "sft"])
@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(store_with_policies: Store, kind: str, seed: int) -> None:
    assert f"seed={seed} is out of range" in refused(store_with_policies, kind, seed=seed).error


@pytest.mark.parametrize("kind", ["sft", "dpo", "rejection", "reward"])
def test_a_dora_on_top_of_an_adapter_is_refused_before_it_is_queued(store_with_policies: Store, kind: str) -> None:
    store = store_with_policies
    place = store.home / "made"
    place.mkdir()
    (place / "adapter_config.json").write_text('{"use_dora": false}')
    policy = store.policies.publish(place, name="plain", kind="imported", base=store.policies.get("p1").base)
    (need,) = (need for need in KINDS[kind].needs if need.endswith("adapter"))
    with pytest.raises(BadInput, match="no DoRA can be added") as problem:
        CHECKS[need](store, SimpleNamespace(from_=policy.public, dora=True))
    assert problem.value.field == "dora"
    assert CHECKS[need](store, SimpleNamespace(from_=policy.public, dora=False)) is None


@pytest.mark.parametrize("kind", ["sft", "dpo", "rejection", "reward", "quantity", "ab"])
def test_training_on_a_dora_adapter_is_refused_before_it_is_queued(store_with_policies: Store, kind: str) -> None:
    store = store_with_policies
    place = store.home / "made"
    place.mkdir()
    (place / "adapter_config.json").write_text('{"use_dora": true}')
    base = store.policies.get("p1").base
    policy = store.policies.publish(place, name="dora", kind="imported", base=base)
    settings = SimpleNamespace(from_=policy.public)
    (need,) = (need for need in KINDS[kind].needs if need.endswith("adapter"))
    with pytest.raises(BadInput, match=f"the adapter of {policy.public} is DoRA") as problem:
        CHECKS[need](store, settings)
    assert f"policies merge {policy.public}" in problem.value.remedy


def test_the_check_of_labels_reads_one_row_of_many(store, add_pairs, monkeypatch):
    """The Runs page checks the needs of every form each time it opens."""
    labeler = store.accounts.add("lea", "labeler")
    for pair in add_pairs(5):
        about = {"pair_id": pair.id, "labeler_id": labeler.id, "left_id": pair.first_id, "right_id": pair.second_id}
        store.comparisons.record(id=f"c{pair.id}", verdict="left", source="import", **about)
    read, stream = [], store.stream
    monkeypatch.setattr(store, "stream", lambda *query: (read.append(row) or row for row in stream(*query)))
    CHECKS["labels"](store, SimpleNamespace())
    assert len(read) == 1
