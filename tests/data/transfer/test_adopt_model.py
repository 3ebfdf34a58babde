# SPDX-License-Identifier: Apache-2.0
"""Model folders made elsewhere become policies, once; what is no model is refused in words."""

from __future__ import annotations

import json

import pytest

from data.errors import BadInput
from data.transfer.adopt_model import adopt_policy
from rlhf.probe import process


@pytest.fixture(autouse=True)
def checked(monkeypatch):
    """The bases and adapters that were checked. The folders of these tests hold no weights."""
    checked = []
    monkeypatch.setattr(
        process,
        "ensure_usable",
        lambda home, source, chat_template=None, adapter=None: checked.append((source, adapter)),
    )
    return checked


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    return folder


def write_adapter(folder, **config) -> None:
    (folder / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": "gpt2"} | config)
    )
    (folder / "adapter_model.safetensors").write_bytes(b"weights")


def write_model(folder, architecture: str = "LlamaForCausalLM") -> None:
    (folder / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    (folder / "model.safetensors").write_bytes(b"weights")


def test_an_adapter_is_copied_into_the_home_once(store, folder):
    write_adapter(folder)
    assert adopt_policy(store, folder) == {"read": 1, "added": 1, "duplicate": 0, "rejected": 0, "produced": ["p1"]}
    assert adopt_policy(store, folder)["duplicate"] == 1
    [policy] = store.policies.all()
    assert (policy.name, policy.kind, policy.base, policy.adapter) == ("mine", "imported", "gpt2", "policies/p1")
    assert (store.home / policy.adapter / "adapter_model.safetensors").read_bytes() == b"weights"
    assert list(store.home.glob(".import*")) == []


def test_an_adapter_of_a_local_base_names_it_by_its_whole_path(store, folder, tmp_path, monkeypatch):
    (tmp_path / "base").mkdir()
    write_adapter(folder, base_model_name_or_path="base")
    monkeypatch.chdir(tmp_path)
    adopt_policy(store, "mine")
    assert store.policies.get("p1").base == str(tmp_path / "base")


def test_a_model_is_recorded_where_it_lies_once(store, folder):
    write_model(folder)
    assert adopt_policy(store, folder)["produced"] == ["p1"]
    assert adopt_policy(store, folder)["duplicate"] == 1
    [policy] = store.policies.all()
    assert (policy.kind, policy.base, policy.adapter) == ("base", str(folder), None)


def test_what_is_no_such_model_is_refused_and_nothing_recorded(store, folder, tmp_path):
    def refused(error: str) -> None:
        with pytest.raises(BadInput, match=error):
            adopt_policy(store, folder)

    refused("neither adapter_config.json nor config.json")
    write_model(folder, "BertForSequenceClassification")
    refused("not a causal language model")
    write_model(folder)
    (folder / "model.safetensors").unlink()
    refused(r"no \*.safetensors weights")
    (folder / "config.json").write_text("{cut")
    refused("cannot be read")
    (folder / "config.json").write_text("[]")
    refused("not a JSON object")
    write_adapter(folder, peft_type="IA3")
    refused("the adapter is 'IA3'")
    write_adapter(folder, base_model_name_or_path=None)
    refused("does not name its base")
    write_adapter(folder)
    (folder / "adapter_model.safetensors").unlink()
    refused("adapter_model.safetensors is missing")
    with pytest.raises(BadInput, match="there is no such folder"):
        adopt_policy(store, tmp_path / "none")
    assert store.policies.all() == []


def test_a_new_model_is_checked_and_a_refused_one_is_not_recorded(store, folder, tmp_path, checked, monkeypatch):
    write_model(folder)
    adopt_policy(store, folder)
    adopt_policy(store, folder)
    assert checked == [(str(folder), None)]
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    write_adapter(adapter)
    adopt_policy(store, adapter)
    assert checked[1:] == [("gpt2", adapter)]

    def refuse(home, source, chat_template=None, adapter=None):
        raise BadInput("the weights hold NaN")

    monkeypatch.setattr(process, "ensure_usable", refuse)
    (adapter / "adapter_model.safetensors").write_bytes(b"others")
    with pytest.raises(BadInput, match="hold NaN"):
        adopt_policy(store, adapter)
    assert len(store.policies.all()) == 2
    assert list(store.home.glob(".import*")) == []
