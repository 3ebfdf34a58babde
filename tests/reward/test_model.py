# SPDX-License-Identifier: Apache-2.0
"""A reward model's folder: the same scores after reloading, from either library, and only with its own base."""

from __future__ import annotations

import json

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification

from data.errors import BadInput
from reward.about import describe_base
from reward.base.frozen_base import Base
from reward.member import Member
from reward.model import RewardModel
from reward.training.classifier import scoring_pad
from tests.support.tiny_model import make_tiny_model, make_tiny_tokenizer

KINDS = ("llama", "qwen2", "gpt2", "gemma")
PROMPTS = ["Write a note to Mina.", "Name two animals.", "What is 12 plus 7?"]
ANSWERS = ["Dear Mina, thank you so much.", "no.", "The answer is 19. I hope this helps you."]


def random_reward(folder, seed=0):
    """A reward model with random adapter and head on the base in `folder`."""
    base = Base.load(folder)
    base.add_adapter("reward")
    torch.manual_seed(seed)
    for matrix in base.parameters("reward"):
        matrix.data.normal_(std=0.3)
    return RewardModel(base, [Member("reward", torch.randn(base.hidden_size) / base.hidden_size)], describe_base(base))


@pytest.mark.parametrize("pad", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_trl_s_classifier_and_the_shared_base_give_the_same_scores(kind, pad, tmp_path):
    folder = make_tiny_model(kind, tmp_path / "base", pad=pad)
    model = random_reward(folder)
    model.save(tmp_path / "r1")
    classifier = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    classifier = PeftModel.from_pretrained(classifier, tmp_path / "r1").eval()
    classifier.config.pad_token_id = scoring_pad(model.base)
    for prompt, answer in zip(PROMPTS, ANSWERS, strict=True):
        row = torch.tensor([model.base.encode_prompt(prompt) + model.base.encode_completion(answer)])
        assert classifier(input_ids=row).logits.item() == pytest.approx(
            model.score([prompt], [answer])[0], rel=1e-5, abs=1e-6
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_reloaded_reward_model_gives_the_same_scores(kind, tmp_path):
    folder = make_tiny_model(kind, tmp_path / "base", chat=kind != "gpt2")
    model = random_reward(folder)
    reference = [model.base.encode_prompt(p) for p in PROMPTS], [model.base.encode_completion(a) for a in ANSWERS]
    model.calibrate(*reference)
    model.save(tmp_path / "r1")
    again = RewardModel.load(tmp_path / "r1")
    assert again.score(PROMPTS, ANSWERS) == pytest.approx(model.score(PROMPTS, ANSWERS), rel=1e-5, abs=1e-6)


def test_a_score_does_not_depend_on_its_batch(tmp_path):
    model = random_reward(make_tiny_model("gpt2", tmp_path))
    together = model.score(PROMPTS * 40, ANSWERS * 40)
    alone = [model.score([p], [a])[0] for p, a in zip(PROMPTS, ANSWERS, strict=True)]
    assert together[-3:] == pytest.approx(alone, rel=1e-5, abs=1e-4)


def test_an_end_token_is_appended_where_it_is_missing(tmp_path):
    model = random_reward(make_tiny_model("llama", tmp_path))
    ended = model.base.encode_completion("Sure.")
    prompt = model.base.encode_prompt("Hi")
    assert model.score_ids([prompt], [ended]).equal(model.score_ids([prompt], [ended[:-1]]))
    assert model.score(["Hi"], ["Sure."]) == model.score(["Hi"], [ended])


def test_reference_samples_get_mean_0_and_deviation_1(tmp_path):
    model = random_reward(make_tiny_model("llama", tmp_path))
    prompts, answers = (
        [model.base.encode_prompt(p) for p in PROMPTS],
        [model.base.encode_completion(a) for a in ANSWERS],
    )
    model.calibrate(prompts, answers)
    scores = model.score_ids(prompts, answers)
    assert scores.mean().item() == pytest.approx(0, abs=1e-5)
    assert scores.std(correction=0).item() == pytest.approx(1, abs=1e-5)


def test_reward_model_and_policy_share_one_base(tmp_path):
    folder = make_tiny_model("llama", tmp_path / "base")
    model = random_reward(folder)
    model.save(tmp_path / "r1")
    base = Base.load(folder)
    base.add_adapter("policy", trainable=True)
    shared = [RewardModel.load(tmp_path / "r1", base) for _ in range(2)]
    with base.role("policy"):
        scores = [each.score(PROMPTS, ANSWERS) for each in shared]
    assert scores[0] == scores[1] == pytest.approx(model.score(PROMPTS, ANSWERS), rel=1e-5, abs=1e-6)
    assert all(matrix.requires_grad for matrix in base.parameters("policy"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"seed": 1}, "another base"), ({"chat": False}, "another template"), ({"vocab": 318}, "another base")],
)
def test_a_changed_base_is_refused_by_name(changed, said, tmp_path):
    random_reward(make_tiny_model("llama", tmp_path / "base")).save(tmp_path / "r1")
    other = Base.load(make_tiny_model("llama", tmp_path / "other", **changed))
    with pytest.raises(BadInput, match=f"'r1' was trained with {said}"):
        RewardModel.load(tmp_path / "r1", other)


def test_a_changed_tokenizer_on_the_same_weights_is_refused_by_name(tmp_path):
    folder = make_tiny_model("llama", tmp_path / "base")
    random_reward(folder).save(tmp_path / "r1")
    make_tiny_tokenizer(
        texts=["Quite other words than before, so that other pieces of words are merged."]
    ).save_pretrained(folder)
    with pytest.raises(BadInput, match="'r1' was trained with another tokenizer than"):
        RewardModel.load(tmp_path / "r1", folder)


def test_a_folder_that_is_no_reward_model_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no reward model"):
        RewardModel.load(tmp_path)


def test_answers_beyond_the_context_are_refused(tmp_path):
    model = random_reward(make_tiny_model("gpt2", tmp_path, context=64))
    with pytest.raises(BadInput, match="context is 64"):
        model.score(["Hi"], ["word " * 80])


def test_reward_json_holds_what_a_reader_needs(tmp_path):
    random_reward(make_tiny_model("llama", tmp_path / "base")).save(tmp_path / "r1")
    about = json.loads((tmp_path / "r1" / "reward.json").read_text())
    template = {"chat_template", "template_kwargs", "template_date"}
    assert set(about) == {"base", "fingerprint", "offset", "scale", "members", "cut_points", "method"} | template
    assert set(about["fingerprint"]) == {"base", "tokenizer", "template"}
