# SPDX-License-Identifier: Apache-2.0
"""One training of a reward model, on the shared base: what it is fed, its loss, what it leaves behind."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from peft import get_peft_model
from peft.utils import get_peft_model_state_dict
from transformers import AutoModelForSequenceClassification

from data.settings import parse_settings
from data.views.frozen_rows import split_preferences
from data.views.preferences import preference_rows
from reward.about import describe_base, write_about
from reward.base.adapters import write_adapter
from reward.base.frozen_base import Base
from reward.base.placement import Placement
from reward.model import RewardModel
from reward.report.scored import FitPair
from reward.settings import RewardSettings
from reward.training.classifier import as_classifier, lora_for_scoring, remove_adapter, trunk_of
from reward.training.fit import Start, build_trainer, fit
from reward.training.rows import RowEncoder
from reward.training.run import run, starting_point
from reward.training.score_test import Answer, fit_pairs
from tests.support.labeled_notes import context_of
from tests.support.tiny_families import make_family
from tests.support.tiny_model import make_tiny_model


def test_training_leaves_the_shared_base_as_it_was(base_folder, tmp_path):
    base = Base.load(base_folder)
    batch = base.collate([base.encode_prompt("Name two animals.")])
    before = base.hidden(*batch)
    classifier = as_classifier(base, seed=0)
    classifier = get_peft_model(classifier, lora_for_scoring(classifier, RewardSettings(rank=4))).train()
    for name, matrix in classifier.named_parameters():
        if "lora_" in name:
            matrix.data.normal_()
    remove_adapter(base, classifier)
    assert torch.equal(base.hidden(*batch), before)
    assert not any(module.training for module in base.causal.modules())
    assert not any(matrix.requires_grad for matrix in base.causal.parameters())


def transformers_classifier(base, seed, start=None):
    """Return transformers' own sequence classifier on the base's layers, with the head of `as_classifier`."""
    head = as_classifier(base, seed).score
    config = copy.deepcopy(base.causal.config)
    config.num_labels = 1
    model = AutoModelForSequenceClassification.from_config(config)
    setattr(model, model.base_model_prefix, base.causal.base_model)
    model.score = head
    return model


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_it_trains_bit_for_bit_as_the_sequence_classifier_of_transformers(labeled, tmp_path, monkeypatch, kind):
    folder = make_tiny_model(kind, tmp_path / "base")
    rows = _rows(labeled).map(RowEncoder(Base.load(folder)).encode)
    settings = RewardSettings(batch_size=8, max_steps=3, rank=2, learning_rate=0.01)
    trained = []
    for name, classifier in (("ours", as_classifier), ("theirs", transformers_classifier)):
        monkeypatch.setattr("reward.training.fit.as_classifier", classifier)
        trained.append(fit(tmp_path / name, settings, Base.load(folder), Start(str(folder), None, None), rows).weights)
    ours, theirs = trained
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("kind", ["granite", "cohere2", "lfm2", "gemma4", "opt350"])
def test_a_family_without_a_sequence_classifier_or_of_another_width_trains(labeled, tmp_path, kind):
    folder = make_family(kind, tmp_path / "base")
    base = Base.load(folder)
    rows = _rows(labeled).map(RowEncoder(base).encode)
    settings = RewardSettings(batch_size=8, max_steps=2, rank=2)
    trainer = build_trainer(tmp_path / "run", settings, base, Start(str(folder), None, None), rows)
    trainer.train()
    expected, fitted = _classifier_scores(trainer, rows), trainer.model.peft_config["default"]
    write_adapter(tmp_path / "trained", fitted, get_peft_model_state_dict(trainer.model))
    remove_adapter(base, trainer.model)
    write_about(tmp_path / "trained", describe_base(base))
    model = RewardModel.load(tmp_path / "trained")
    scores = model.raw_scores([row.prompt for row in rows], [row.a for row in rows])
    assert scores.tolist() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_a_reward_model_can_start_from_a_policy(labeled, base_folder, tmp_path):
    base = Base.load(base_folder)
    base.add_adapter("sft")
    for matrix in base.parameters("sft"):
        matrix.data.normal_(std=0.1)
    base.save_adapter("sft", tmp_path / "sft")
    policy = labeled.policies.add(name="sft", kind="sft", base=str(base_folder), adapter=str(tmp_path / "sft"))
    settings = parse_settings(RewardSettings, [f"from={policy.public}", "max_steps=4", "batch_size=8", "rank=4"])
    start = starting_point(labeled, settings)
    rows = _rows(labeled).map(RowEncoder(base).encode)
    trainer = build_trainer(tmp_path / "run", settings, base, start, rows)
    trainer.train()
    expected = _classifier_scores(trainer, rows)
    model = labeled.reward_models.get(run(context_of(labeled, settings), settings).produced[0])
    loaded = RewardModel.load(labeled.home / model.adapter)
    result = loaded.raw_scores([row.prompt for row in rows], [row.a for row in rows])
    assert result.tolist() == pytest.approx(expected, rel=1e-5, abs=1e-4)


def _rows(store):
    return split_preferences(preference_rows(store))[0]


@torch.no_grad()
def _classifier_scores(trainer, rows, side="a"):
    classifier = trainer.model.eval().get_base_model()
    states = (trunk_of(classifier)(torch.tensor([row.prompt + getattr(row, side)])).last_hidden_state for row in rows)
    return [classifier.score(state[0, -1].float()).item() for state in states]


def test_the_sequence_fed_to_training_is_the_one_that_is_scored(labeled, base_folder):
    base = Base.load(base_folder)
    (each, *_) = _rows(labeled).map(RowEncoder(base).encode)
    assert each.prompt == base.encode_prompt(each.row.prompt)
    assert each.a == each.row.a_token_ids
    assert each.a[-1] in base.eos_ids


def test_reloaded_it_gives_the_scores_of_the_end_of_training(labeled, base_folder, tmp_path):
    base = Base.load(base_folder)
    rows = _rows(labeled).map(RowEncoder(base).encode)
    settings = parse_settings(RewardSettings, ["max_steps=4", "batch_size=8", "rank=4", "learning_rate=0.01"])
    trainer = build_trainer(tmp_path / "run", settings, base, Start(str(base_folder), None), rows)
    trainer.train()
    expected = _classifier_scores(trainer, rows)
    model = labeled.reward_models.get(run(context_of(labeled, settings), settings).produced[0])
    result = RewardModel.load(labeled.home / model.adapter).raw_scores(
        [row.prompt for row in rows], [row.a for row in rows]
    )
    assert result.tolist() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_weights_in_bfloat16_train_and_score_about_as_those_in_float32(labeled, base_folder, tmp_path):
    """The head and its sum stay float32; a bfloat16 number has 8 bits, so a score of size 1 is within about 0.02."""
    settings = parse_settings(RewardSettings, ["max_steps=4", "batch_size=8", "rank=4", "learning_rate=0.01"])
    scores = []
    for dtype in (torch.float32, torch.bfloat16):
        base = Base.load(base_folder, placement=Placement(dtype=dtype))
        rows = _rows(labeled).map(RowEncoder(base).encode)
        trainer = build_trainer(tmp_path / str(dtype), settings, base, Start(str(base_folder), None), rows)
        trainer.train()
        scores.append(_classifier_scores(trainer, rows))
    assert scores[1] == pytest.approx(scores[0], abs=0.1)


def test_a_step_s_loss_is_that_of_its_answers_scored_one_by_one(labeled, base_folder, tmp_path):
    base = Base.load(base_folder)
    training = _rows(labeled).map(RowEncoder(base).encode).take(range(6))
    rows = list(training)
    rows[1] = replace(rows[1], row=replace(rows[1].row, weight=3.0))
    rows.append(replace(rows[0], row=replace(rows[0].row, label=0.0, margin=3)))
    settings = RewardSettings(batch_size=7, rank=2, likelihood="bradley-terry", label_smoothing=0.1, centring=0.05)
    trainer = build_trainer(tmp_path, settings, base, Start(str(base_folder), None), training.map(lambda _: rows))
    (batch,) = trainer.get_train_dataloader()
    loss, _ = trainer.mean_loss(batch)
    assert batch["input_ids"].shape[0] == 6
    a, b = (np.array(_classifier_scores(trainer, rows, side), dtype=float) for side in ("a", "b"))
    label = np.array([each.row.label for each in rows]) * 0.8 + 0.1
    weight = np.array([each.row.weight for each in rows])
    each = label * np.logaddexp(0, b - a) + (1 - label) * np.logaddexp(0, a - b)
    each = weight / weight.mean() * each + 0.05 * (a + b) ** 2
    expected = (
        (each[0] + each[6]) / 2 + each[1:6].sum()
    ) / 6  # the first pair was judged twice: one element of two comparisons
    assert loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", ["rao-kupper", "graded"])
def test_every_likelihood_trains_and_moves_its_points(labeled, base_folder, tmp_path, name):
    base = Base.load(base_folder)
    rows = _rows(labeled).map(RowEncoder(base).encode)
    settings = RewardSettings(batch_size=8, max_steps=2, rank=2, likelihood=name)
    start = Start(str(base_folder), None)
    before = build_trainer(tmp_path / "before", settings, base, start, rows)
    points = before.likelihood.cut_points()
    remove_adapter(base, before.model)
    after = fit(tmp_path / "after", settings, base, start, rows).cut_points
    assert len(points) == (1 if name == "rao-kupper" else 3)
    assert all(one != two for one, two in zip(points, after, strict=True))


def test_only_answers_alike_in_all_but_fit_make_fit_pairs():
    def answer(prompt_id, score, **parts):
        return Answer(prompt_id, score, parts)

    fits, misses = answer(1, 0.3, fit=2.0, manner=0.25), answer(1, 0.9, fit=0.0, manner=0.25)
    rude, elsewhere = answer(1, 0.1, fit=0.0, manner=-0.8), answer(2, 0.2, fit=1.0, manner=0.25)
    assert fit_pairs([misses, fits, rude, elsewhere, Answer(1, 0.0, None)]) == [FitPair(1, 0.3, 0.9)]
