# SPDX-License-Identifier: Apache-2.0
"""The check refuses what a run would die of, by name and with a remedy; what it cannot decide is a note."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoTokenizer

from reward.base.frozen_base import Base
from rlhf.probe.check import CheckRequest, check_model
from rlhf.probe.document import render_check
from tests.rlhf.probe.broken_models import NO_SYSTEM, REFUSALS, THINKING, make_broken, set_template
from tests.support.tiny_model import make_tiny_model


def check(model, **about):
    return check_model(CheckRequest(str(model), **about))


def states(document) -> dict[str, str]:
    return {line["name"]: line["state"] for line in document["lines"]}


def detail(document, name) -> str:
    return next(line["detail"] for line in document["lines"] if line["name"] == name)


@pytest.fixture
def model(tmp_path):
    return make_tiny_model("llama", tmp_path / "model")


def test_a_whole_model_passes_every_question(model):
    document = check(model)
    assert document["status"] == "ok"
    assert set(states(document).values()) == {"ok"}
    assert list(states(document)) == [
        "class",
        "files",
        "weights",
        "template",
        "roles",
        "base",
        "tokenizer",
        "context",
        "end tokens",
        "logits",
        "sampling",
        "LoRA",
        "merging",
        "reward head",
    ]


@pytest.mark.parametrize("fault", REFUSALS)
def test_a_fault_is_refused_in_its_line_with_a_remedy(tmp_path, fault):
    _, name, reason, remedy = REFUSALS[fault]
    document = check(make_broken(tmp_path / "model", fault))
    [refused] = [line for line in document["lines"] if line["state"] == "refused"]
    assert (document["status"], refused["name"]) == ("refused", name)
    assert reason in refused["detail"]
    assert remedy in refused["remedy"]
    assert "REFUSED" in render_check(document)


def test_a_refused_role_and_an_opened_thought_are_notes(model):
    set_template(model, NO_SYSTEM)
    document = check(model)
    assert (document["status"], states(document)["roles"]) == ("ok", "note")
    assert "a system message (System role not supported)" in detail(document, "roles")
    set_template(model, THINKING)
    assert "answers begin with thoughts" in detail(check(model), "template")


def test_a_given_template_is_checked_in_place_of_the_models_own(model):
    document = check(model, chat_template="{{ messages[0].content }}\n{% endif %}")
    assert document["status"] == "refused"
    assert "chat_template.jinja:2" in detail(document, "template")


def test_unknown_tokens_in_the_template_are_counted(tmp_path):
    """A word-level tokenizer knows the words of the prompt and none of the template's own."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    model = make_tiny_model("llama", tmp_path / "model", chat=False)
    words = Tokenizer(models.WordLevel({"</s>": 0, "<unk>": 1, "Hi": 2, ".": 3}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", eos_token="</s>").save_pretrained(model)
    document = check(model)
    ids = AutoTokenizer.from_pretrained(model)("### Instruction:\nHi.\n\n### Response:\n")["input_ids"]
    assert f"{ids.count(1)} of {len(ids)} tokens of a prompt 'Hi.' are <unk>" in detail(document, "tokenizer")


def test_a_layer_that_the_model_never_calls_gets_no_adapter(model, monkeypatch):
    """Read the weight itself instead of calling the layer, as Jamba does with dt_proj."""
    import torch.nn.functional as F
    from transformers.models.llama.modeling_llama import LlamaMLP

    def bare(self, x):
        up = F.linear(x, self.up_proj.weight)
        return self.down_proj(self.act_fn(self.gate_proj(x)) * up)

    assert "up_proj" in detail(check(model), "LoRA")
    monkeypatch.setattr(LlamaMLP, "forward", bare)
    document = check(model)
    assert "up_proj" not in detail(document, "LoRA")
    assert states(document)["merging"] == states(document)["reward head"] == "ok"


def test_other_logits_than_the_models_own_are_refused(model, monkeypatch):
    monkeypatch.setattr(Base, "logits", lambda self, hidden: 2 * self.causal.get_output_embeddings()(hidden).float())
    document = check(model)
    assert states(document)["logits"] == "refused"
    assert "PPO cannot train" in next(line["remedy"] for line in document["lines"] if line["name"] == "logits")


def test_a_cache_that_is_not_exact_is_refused(model, monkeypatch):
    from rlhf.sampling import growing_batch

    forward = growing_batch.next_logits
    monkeypatch.setattr(growing_batch, "next_logits", lambda *args: forward(*args) * torch.linspace(0.5, 1.5, 320))
    assert states(check(model))["sampling"] == "refused"


def test_the_layers_are_as_they_were_after_the_check_of_merging(model):
    from rlhf.probe.layer_checks import check_lora, check_merging

    base = Base.load(model)
    before = {name: tensor.clone() for name, tensor in base.causal.state_dict().items()}
    check_lora(base)
    check_merging(base)
    base.drop_adapter("check")
    assert all(torch.equal(tensor, before[name]) for name, tensor in base.causal.state_dict().items())


def test_an_adapter_is_checked_on_its_base(model, tmp_path):
    base = Base.load(model)
    base.add_adapter("mine")
    base.save_adapter("mine", tmp_path / "adapter")
    assert states(check(model, adapter=str(tmp_path / "adapter")))["adapter"] == "ok"
    other = make_tiny_model("llama", tmp_path / "other", hidden=64)
    document = check(other, adapter=str(tmp_path / "adapter"))
    assert states(document)["adapter"] == "refused"
    assert "does not fit" in detail(document, "adapter")
