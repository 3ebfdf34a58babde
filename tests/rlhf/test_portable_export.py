# SPDX-License-Identifier: Apache-2.0
"""Exported models load on another machine: in another folder, without the home and the base they came from."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
import yaml
from peft import AutoPeftModelForCausalLM, PeftModel
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from data import Store
from data.starter import register
from data.transfer.adopt_model import adopt_policy
from reward.about import describe_base
from reward.base.frozen_base import Base
from reward.member import Member
from reward.model import RewardModel
from rlhf.export import export_policy, export_reward_model
from tests.rlhf.exported_folder import names_no_path_of
from tests.support.tiny_model import make_tiny_model

PROMPT, ANSWER = "Name two animals.", "a fox and a lamp"
LICENSED = "---\nlanguage: en\nlicense: cc-by-4.0\n---\n# Tiny\n"


def perturb(base: Base, name: str) -> None:
    """Give LoRA's second matrices values, so that the adapter has an effect."""
    torch.manual_seed(3)
    for matrix in base.parameters(name):
        matrix.data += 0.1 * torch.randn_like(matrix)


@pytest.fixture
def trained(store, tmp_path):
    """A home with a policy, a reward model and their base; the policy's logits, and the reward of an answer."""
    folder = make_tiny_model("llama", tmp_path / "origin")
    (folder / "README.md").write_text(LICENSED)
    base = Base.load(folder)
    base.add_adapter("mine")
    perturb(base, "mine")
    base.save_adapter("mine", store.home / "policy")
    config = json.loads((store.home / "policy" / "adapter_config.json").read_text())
    (store.home / "policy" / "adapter_config.json").write_text(json.dumps(config | {"task_type": None}))
    ids = torch.tensor([base.encode_prompt(PROMPT)])
    with torch.no_grad(), base.role("mine"):
        logits = base.logits(base.hidden(ids, torch.ones_like(ids, dtype=torch.bool)))
    base.add_adapter("judge")
    perturb(base, "judge")
    judge = RewardModel(base, [Member("judge", torch.linspace(-1, 1, base.hidden_size))], describe_base(base))
    judge.save(store.home / "judge")
    rows = [{"source": source, "n": n} for n, source in enumerate(("person", "person", "import"))]
    data = store.snapshots.freeze("preferences", rows, {})
    start = store.policies.add(name="start", kind="base", base=str(folder))
    report = {"accuracy": 0.75, "ci": [0.6, 0.85], "skill": 0.5}
    reward = store.reward_models.publish(
        store.home / "judge", name="r", base=str(folder), snapshot_id=data.id, report=report
    )
    policy = store.policies.publish(
        store.home / "policy",
        name="ppo",
        kind="ppo",
        base=str(folder),
        parent_id=start.id,
        reward_model_id=reward.id,
        seed=7,
    )
    figures = {"win_rate": 0.7, "win_rate_ci": [0.65, 0.75], "prompts": 300, "kl": 2.5}
    store.evaluations.add(policy.id, start.id, "rubric", figures)
    return policy, reward, ids, logits, judge.score([PROMPT], [ANSWER])


def moved(store, tmp_path, name="out"):
    """Move an exported folder away, and delete the home and the base."""
    target = shutil.move(tmp_path / name, tmp_path / "elsewhere")
    store.close()
    shutil.rmtree(tmp_path / "origin")
    shutil.rmtree(store.home)
    return target


def test_an_adapter_loads_in_another_folder_after_home_and_base_are_gone(store, trained, tmp_path, monkeypatch):
    policy, _, ids, logits, _ = trained
    document = export_policy(store, policy.public, tmp_path / "out")
    assert "a copy is in the folder base (" in document["note"]
    folder = moved(store, tmp_path)
    assert names_no_path_of(folder, tmp_path)
    with torch.no_grad():
        wrapped = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder / "base"), folder)
        assert torch.allclose(wrapped(ids).logits, logits, atol=1e-5)
        monkeypatch.chdir(folder)
        assert torch.allclose(AutoPeftModelForCausalLM.from_pretrained(".")(ids).logits, logits, atol=1e-5)


def test_an_adapter_has_what_vllm_reads(store, trained, tmp_path):
    export_policy(store, trained[0].public, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert (config["peft_type"], config["task_type"], config["bias"]) == ("LORA", "CAUSAL_LM", "none")
    assert config["r"] > 0
    assert config["lora_alpha"] > 0
    assert config["target_modules"]
    assert (config["modules_to_save"], config["use_dora"], config["inference_mode"]) == (None, False, True)
    assert not config["base_model_name_or_path"].startswith("/")


def test_a_merged_policy_loads_after_home_and_base_are_gone(store, trained, tmp_path):
    policy, _, ids, logits, _ = trained
    assert "note" not in export_policy(store, policy.public, tmp_path / "out", merge=True)
    folder = moved(store, tmp_path)
    assert names_no_path_of(folder, tmp_path)
    with torch.no_grad():
        assert torch.allclose(AutoModelForCausalLM.from_pretrained(folder)(ids).logits, logits, atol=1e-5)


@pytest.mark.parametrize("merge", [False, True])
def test_a_reward_model_loads_after_home_and_base_are_gone(store, trained, tmp_path, merge):
    _, reward, _, _, score = trained
    export_reward_model(store, reward.public, tmp_path / "out", merge=merge)
    folder = moved(store, tmp_path)
    assert names_no_path_of(folder, tmp_path)
    if merge:
        assert AutoModelForSequenceClassification.from_pretrained(folder).num_labels == 1
    else:
        assert json.loads((folder / "adapter_config.json").read_text())["task_type"] == "SEQ_CLS"
        assert RewardModel.load(folder).score([PROMPT], [ANSWER]) == pytest.approx(score, rel=1e-4, abs=1e-5)


def test_an_exported_policy_can_be_imported_into_another_home(store, trained, tmp_path, monkeypatch):
    policy, _, ids, logits, _ = trained
    export_policy(store, policy.public, tmp_path / "out")
    folder = moved(store, tmp_path)
    monkeypatch.setattr("data.transfer.adopt_model._ensure_usable", lambda *_: None)  # has tests of its own
    other = Store(tmp_path / "other")
    found = other.policies.get(adopt_policy(other, folder)["produced"][0])
    assert found.base == str(folder / "base")
    base = Base.load(found.base)
    base.add_adapter("mine", other.home / found.adapter)
    other.close()
    with torch.no_grad(), base.role("mine"):
        assert torch.allclose(base.logits(base.hidden(ids, torch.ones_like(ids, dtype=torch.bool))), logits, atol=1e-5)


def test_the_starters_adapter_is_exported_with_its_base(store, tmp_path, monkeypatch):
    register(store)
    sft = next(policy for policy in store.policies.all() if policy.adapter)
    export_policy(store, sft.public, tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    model = AutoPeftModelForCausalLM.from_pretrained(".")
    asked = AutoTokenizer.from_pretrained(".")(PROMPT, return_tensors="pt")
    assert model.generate(**asked, max_new_tokens=4).shape[1] > asked["input_ids"].shape[1]
    assert yaml.safe_load((tmp_path / "out" / "README.md").read_text().split("---")[1])["license"] == "apache-2.0"


def test_a_base_of_the_hub_is_named_by_its_id(store, trained, tmp_path, monkeypatch):
    policy = trained[0]
    monkeypatch.setattr("rlhf.packed_base.locate", lambda source: "me/tiny")
    document = export_policy(store, policy.public, tmp_path / "out")
    assert "note" not in document
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "me/tiny"
    assert not (tmp_path / "out" / "base").exists()
    header = yaml.safe_load((tmp_path / "out" / "README.md").read_text().split("---")[1])
    assert header["base_model"] == "me/tiny"


def test_the_card_tells_lineage_licence_data_by_source_and_figures_with_intervals(store, trained, tmp_path):
    policy, reward, *_ = trained
    export_policy(store, policy.public, tmp_path / "policy")
    export_reward_model(store, reward.public, tmp_path / "reward")
    cards = [(tmp_path / name / "README.md").read_text() for name in ("policy", "reward")]
    headers = [yaml.safe_load(card.split("---")[1]) for card in cards]
    assert [(header["license"], header["library_name"]) for header in headers] == [("cc-by-4.0", "peft")] * 2
    assert [header["pipeline_tag"] for header in headers] == ["text-generation", "text-classification"]
    for line in (
        "- p2, ppo: from p1, reward model r1, seed 7",
        "- p1, base: no training here",
        "- s1, 3 preferences by source: person: 2, import: 1",
        "- win rate against p1, judge rubric: 70.0% (95 %: 65.0% to 75.0%) on 300 prompts",
        "- KL to p1: 2.50 nats",
    ):
        assert line in cards[0]
    for line in (
        "- s1, 3 preferences by source: person: 2, import: 1",
        "- accuracy on held-out prompts: 75.0% (95 %: 60.0% to 85.0%)",
        "- skill: 0.50",
    ):
        assert line in cards[1]
