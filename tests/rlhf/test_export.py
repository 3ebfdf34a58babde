# SPDX-License-Identifier: Apache-2.0
"""Exported policies and reward models load in transformers and PEFT, and answer as they do here."""

from __future__ import annotations

import json
import re
import shlex
from html import unescape

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

import app
from data.errors import BadInput
from reward.about import describe_base
from reward.base.frozen_base import Base
from reward.member import Member
from reward.model import RewardModel
from rlhf.export import export_policy, export_reward_model
from rlhf.models.policy_loading import Bases
from rlhf.pages.export import draw_models, newest_policy
from tests.rlhf.exported_folder import names_no_path_of
from tests.support.tiny_families import FAMILIES, make_family
from tests.support.tiny_model import make_tiny_model

PROMPT, ANSWER = "Name two animals.", "a fox and a lamp"


def perturb(base: Base, name: str) -> None:
    """LoRA starts at no effect: give the second matrices values, so that merging has something to merge."""
    torch.manual_seed(3)
    for matrix in base.parameters(name):
        matrix.data += 0.1 * torch.randn_like(matrix)


@pytest.fixture(params=["llama", "gpt2"])
def folder(request, tmp_path):
    make = make_family if request.param in FAMILIES else make_tiny_model
    return make(request.param, tmp_path / "base")


@pytest.fixture
def judged(store, folder):
    """A reward model on the base, its raw score of an answer, and the ids of prompt and answer."""
    base = Base.load(folder)
    base.add_adapter("judge")
    perturb(base, "judge")
    torch.manual_seed(5)
    ours = RewardModel(base, [Member("judge", torch.randn(base.hidden_size))], describe_base(base))
    ours.save(store.home / "new")
    found = store.reward_models.publish(store.home / "new", name="r", base=str(folder))
    asked, answered = base.encode_prompt(PROMPT), base.encode_completion(ANSWER)
    return found, ours.raw_scores([asked], [answered]), asked, answered


@pytest.fixture
def policy(store, folder):
    """A policy with an adapter that changes its answers, and its logits on the prompt."""
    base = Base.load(folder)
    base.add_adapter("mine")
    perturb(base, "mine")
    base.save_adapter("mine", store.home / "new")
    ids = torch.tensor([base.encode_prompt(PROMPT)])
    with torch.no_grad(), base.role("mine"):
        logits = base.logits(base.hidden(ids, torch.ones_like(ids, dtype=torch.bool)))
    found = store.policies.publish(store.home / "new", name="ppo", kind="ppo", base=str(folder))
    return found, ids, logits


def test_a_merged_policy_is_a_plain_folder_with_equal_logits(store, policy, tmp_path):
    found, ids, logits = policy
    export_policy(store, found.public, tmp_path / "out", merge=True)
    assert not (tmp_path / "out" / "adapter_config.json").exists()
    with torch.no_grad():
        assert torch.allclose(AutoModelForCausalLM.from_pretrained(tmp_path / "out")(ids).logits, logits, atol=1e-5)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    asked = [{"role": "user", "content": PROMPT}]
    assert tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=False) == ids[0].tolist()


def test_an_export_writes_prompts_as_the_policy_did_and_names_its_ends(store, tmp_path):
    """An export has no place for the arguments of a template, so they are set inside it."""
    folder = make_tiny_model("llama", tmp_path / "base")
    template = "{% if thinking %}think {% endif %}{% for m in messages %}{{ m.content }}{% endfor %}"
    versions = {"chat_template": template, "template_kwargs": {"thinking": True, "name": None}}
    found = store.policies.add(name="base", kind="base", base=str(folder), versions=versions)
    base = Bases().of(found)
    export_policy(store, found.public, tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    asked = [{"role": "user", "content": PROMPT}]
    assert tokenizer.apply_chat_template(asked, return_dict=False) == base.encode_prompt(PROMPT)
    assert tokenizer.decode(base.encode_prompt(PROMPT)).startswith("think ")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert model.generation_config.eos_token_id == sorted(base.eos_ids)


def test_a_bare_base_is_exported_whole(store, folder, tmp_path):
    found = store.policies.add(name="base", kind="base", base=str(folder))
    export_policy(store, found.public, tmp_path / "out")
    AutoModelForCausalLM.from_pretrained(tmp_path / "out")


def test_the_export_page_shows_the_command_that_writes_the_newest_policy_with_weights(
    store, folder, tmp_path, monkeypatch
):
    start = store.policies.add(name="base", kind="base", base=str(folder))
    store.policies.add(name="best", kind="best-of-n", base=str(folder), parent_id=start.id, config={"n": 2})
    command = unescape(re.search("<code>(.*?)</code>", draw_models(store.home, newest_policy(store)))[1])
    monkeypatch.chdir(tmp_path)
    program, *argv = shlex.split(command)
    assert (program, app.main(argv)) == ("preference-loop", 0)
    AutoModelForCausalLM.from_pretrained(tmp_path / "p1")


def test_without_a_policy_the_export_page_shows_no_command(store):
    assert draw_models(store.home, newest_policy(store)) == ""


def test_a_base_without_a_template_is_exported_with_the_plain_one(store, tmp_path):
    folder = make_tiny_model("llama", tmp_path / "base", chat=False)
    found = store.policies.add(name="base", kind="base", base=str(folder))
    export_policy(store, found.public, tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": PROMPT}], add_generation_prompt=True, return_dict=False
    )
    assert ids == Base.load(folder).encode_prompt(PROMPT)


@pytest.mark.parametrize("folder", ["llama", "gpt2", "opt350"], indirect=True)
def test_a_reward_model_scores_the_same_in_transformers(store, folder, judged, tmp_path):
    found, expected, asked, answered = judged
    ids = torch.tensor([[*asked, *answered]])
    export_reward_model(store, found.public, tmp_path / "adapter")
    export_reward_model(store, found.public, tmp_path / "whole", merge=True)
    classifier = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    with torch.no_grad():
        wrapped = PeftModel.from_pretrained(classifier, tmp_path / "adapter")
        assert torch.allclose(wrapped(ids).logits[0], expected, atol=1e-5)
        whole = AutoModelForSequenceClassification.from_pretrained(tmp_path / "whole")
        assert torch.allclose(whole(ids).logits[0], expected, atol=1e-5)
        padded = torch.nn.functional.pad(ids, (0, 3), value=whole.config.pad_token_id)
        assert torch.allclose(whole(padded).logits[0], expected, atol=1e-5)
    assert torch.allclose(RewardModel.load(tmp_path / "adapter").raw_scores([asked], [answered]), expected, atol=1e-6)


@pytest.mark.parametrize("folder", ["granite"], indirect=True)
def test_without_a_class_in_transformers_a_merged_reward_model_is_one_that_we_load(store, folder, judged, tmp_path):
    found, expected, asked, answered = judged
    for name, merge in (("adapter", False), ("whole", True)):
        document = export_reward_model(store, found.public, tmp_path / name, merge=merge)
        assert document["note"].startswith("transformers has no sequence classifier for granite")
    moved = (tmp_path / "whole").rename(tmp_path / "moved")
    for place in (tmp_path / "adapter", moved):
        assert torch.allclose(RewardModel.load(place).raw_scores([asked], [answered]), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(BadInput, match="was trained with another base"):
        RewardModel.load(moved, str(folder))


def test_impossible_exports_are_refused_and_leave_no_file(store, policy, tmp_path):
    found, *_ = policy
    with pytest.raises(BadInput, match="there is no policy p9"):
        export_policy(store, "p9", tmp_path / "out")
    with pytest.raises(BadInput, match="'x' is not the id of a policy"):
        export_policy(store, "x", tmp_path / "out")
    (tmp_path / "taken").mkdir()
    with pytest.raises(BadInput, match="this file or folder exists"):
        export_policy(store, found.public, tmp_path / "taken")
    (store.home / found.adapter / "adapter_config.json").unlink()
    with pytest.raises(BadInput, match="has no adapter"):
        export_policy(store, found.public, tmp_path / "out")
    with pytest.raises(BadInput, match="there is no reward model r1"):
        export_reward_model(store, "r1", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_ensemble_is_exported_member_by_member_and_never_merged(store, tmp_path):
    model = make_tiny_model("llama", tmp_path / "base")
    base, members = Base.load(model), []
    for number in range(2):
        base.add_adapter(f"m{number}")
        perturb(base, f"m{number}")
        members.append(Member(f"m{number}", torch.linspace(-1, 1 + number, base.hidden_size)))
    ensemble = RewardModel(base, members, describe_base(base))
    ensemble.save(store.home / "made")
    found = store.reward_models.publish(store.home / "made", name="two", base=str(model))
    export_reward_model(store, found.public, tmp_path / "out")
    assert RewardModel.load(tmp_path / "out").score([PROMPT], [ANSWER]) == pytest.approx(
        ensemble.score([PROMPT], [ANSWER]), rel=1e-5, abs=1e-6
    )
    assert names_no_path_of(tmp_path / "out", tmp_path)
    config = json.loads((tmp_path / "out" / "member-1" / "adapter_config.json").read_text())
    assert (tmp_path / "out" / "member-1" / config["base_model_name_or_path"]).resolve() == tmp_path / "out" / "base"
    with pytest.raises(BadInput, match="r1 has 2 members, which cannot be merged"):
        export_reward_model(store, found.public, tmp_path / "whole", merge=True)
    assert not (tmp_path / "whole").exists()
