# SPDX-License-Identifier: Apache-2.0
"""Heads as reward models: what they read, a whole run that trains them, and the choice between them and LoRA."""

from __future__ import annotations

import pytest
import torch

from data import Store
from data.errors import BadInput
from data.run_context import Cancelled
from reward.about import HEADS, LORA
from reward.base.architecture import decoder_layers
from reward.base.frozen_base import Base
from reward.heads.features import answer_features
from reward.member import Member
from reward.model import RewardModel
from reward.settings import RewardSettings
from reward.training.fit import training_passes
from reward.training.method import FEW, Choice, choose_method
from reward.training.rows import RowEncoder, run_rows
from reward.training.run import run, starting_point
from rlhf.export import export_reward_model
from tests.support.labeled_notes import BAD, GOOD, context_of, fill
from tests.support.tiny_families import FAMILIES, make_family
from tests.support.tiny_model import make_tiny_model

NOTE = "Write a note to Mina."


@pytest.fixture(scope="module")
def finished(tmp_path_factory, base_folder):
    """(store, result) of a run with the default settings on 60 comparisons."""
    store = fill(Store(tmp_path_factory.mktemp("home")), base_folder)
    yield store, run(context_of(store, RewardSettings()), RewardSettings())
    store.close()


@pytest.mark.parametrize("family", ["llama", *FAMILIES])
def test_features_are_the_states_that_transformers_returns(tmp_path, family):
    """The state at the end, the answer's mean of the last states and of those in the middle, from a pass of its own."""
    make = make_family if family in FAMILIES else make_tiny_model
    base = Base.load(make(family, tmp_path / family))
    prompts = [base.encode_prompt(NOTE), base.encode_prompt("Hi")]
    answers = [base.encoding.append_end(base.encode_completion(text)) for text in (GOOD, BAD)]
    features = answer_features(base, prompts, answers)
    for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        with torch.no_grad():
            states = base.causal(input_ids=torch.tensor([prompt + answer]), output_hidden_states=True).hidden_states
        last = states[-1][0]
        expected = torch.cat([last[-1], last[len(prompt) :].mean(0)]).float()
        ours, middle = features[number].split([len(expected), features.shape[1] - len(expected)])
        torch.testing.assert_close(ours, expected, atol=2e-5, rtol=1e-4)
        if len(middle):  # a model of several lists of layers has no middle
            states = states if family.startswith("mamba") else states[1:]  # Mamba's list has no embeddings
            expected = states[len(decoder_layers(base.causal)) // 2 - 1][0, len(prompt) :].mean(0).float()
            torch.testing.assert_close(middle, expected, atol=2e-5, rtol=1e-4)


def test_few_labels_train_heads_that_order_test_prompts(finished):
    store, result = finished
    record = store.reward_models.get(result.produced[0])
    method = record.report["method"]
    assert (method["method"], method["reason"]) == (HEADS, f"heads on the frozen base: fewer than {FEW} comparisons")
    assert result.report["accuracy"] == 1.0
    crossed = method["cross_validated"]
    assert crossed["accuracy"] == 1.0
    assert 0 < crossed["comparisons"] <= result.report["trained_on"]  # all but ties
    assert crossed["length_baseline"] == float(len(GOOD) > len(BAD))
    model = RewardModel.load(store.home / record.adapter)
    good, bad = model.score([NOTE] * 2, [GOOD, BAD])
    assert good > bad
    assert not model.base.adapters


def test_the_learning_curve_of_heads_is_always_there(finished):
    points = finished[1].report["learning_curve"]["points"]
    assert [point["labels"] for point in points] == sorted(point["labels"] for point in points)
    assert len(points) == 4
    assert points[-1]["labels"] == finished[1].report["trained_on"]


def test_an_ensemble_of_heads_scores_as_its_members_do_and_reads_the_base_once(labeled, monkeypatch):
    settings = RewardSettings(members=3)
    result = run(context_of(labeled, settings), settings)
    model = RewardModel.load(labeled.home / labeled.reward_models.get(result.produced[0]).adapter)
    ids = model.encode([NOTE] * 2, [GOOD, BAD])
    alone = torch.stack([model.alone(number).raw_scores(*ids) for number in range(3)])
    units = [(member.offset, member.scale) for member in model.members]
    standardised = torch.stack([(row - offset) / scale for row, (offset, scale) in zip(alone, units, strict=True)])
    expected = standardised.mean(0) * sum(scale for _, scale in units) / 3
    torch.testing.assert_close(model.raw_scores(*ids), expected, atol=1e-5, rtol=1e-4)
    assert standardised.std(0).min() > 0
    passes, read = [], Member.read_states
    monkeypatch.setattr(Member, "read_states", lambda *given: passes.append(given) or read(*given))
    model.raw_scores(*ids)
    assert len(passes) == 1
    assert (result.report["members"], result.report["mean_deviation"] > 0) == (3, True)


def test_heads_are_exported_with_what_loads_them(finished, tmp_path):
    store, result = finished
    document = export_reward_model(store, result.produced[0], tmp_path / "out")
    assert "reward.RewardModel.load" in document["note"]
    ours = RewardModel.load(store.home / store.reward_models.get(result.produced[0]).adapter)
    theirs = RewardModel.load(tmp_path / "out")
    assert theirs.score([NOTE], [GOOD]) == pytest.approx(ours.score([NOTE], [GOOD]), abs=1e-6)
    with pytest.raises(BadInput, match="no adapter to merge"):
        export_reward_model(store, result.produced[0], tmp_path / "merged", merge=True)


def choice(store: Store, monkeypatch, settings: RewardSettings, few: int) -> Choice:
    monkeypatch.setattr("reward.training.method.FEW", few)
    context = context_of(store, settings)
    _, training, _ = run_rows(context, settings)
    start = starting_point(store, settings)
    base = Base.load(start.source)
    chosen = choose_method(context, settings, base, start, training.map(RowEncoder(base).encode_training))
    assert not base.adapters
    return chosen


def test_between_few_and_many_labels_held_out_prompts_decide_and_a_resumed_run_keeps_that(labeled, monkeypatch):
    chosen = choice(labeled, monkeypatch, RewardSettings(), few=10)
    assert chosen.held_out_loss.keys() == {HEADS, LORA}
    assert chosen.method == min(chosen.held_out_loss, key=chosen.held_out_loss.get)
    assert f"{chosen.held_out_loss[HEADS]:.3f}" in chosen.reason


def test_labels_of_a_few_prompts_train_heads_since_none_can_be_held_out(labeled, monkeypatch):
    monkeypatch.setattr("reward.training.method.HELD_OUT", 1000)
    chosen = choice(labeled, monkeypatch, RewardSettings(), few=10)
    assert (chosen.method, chosen.reason) == (HEADS, "heads on the frozen base: fewer than 1000 prompts")


def test_a_setting_that_only_lora_has_chooses_lora_and_is_refused_for_heads(labeled, monkeypatch):
    assert choice(labeled, monkeypatch, RewardSettings(rank=4), few=100).reason == "LoRA: the run sets rank"
    with pytest.raises(BadInput, match="method=heads has no epochs and no rank"):
        choice(labeled, monkeypatch, RewardSettings(rank=4, epochs=2, method="heads"), few=100)


def test_heads_that_do_not_fit_the_memory_are_refused_with_both_sizes(labeled, monkeypatch):
    monkeypatch.setattr("reward.training.heads.free_host_bytes", lambda: 1000)
    with pytest.raises(BadInput, match=r"method=heads needs about 0.0 GB for \d+ comparisons, and 0.0 are free"):
        run(context_of(labeled, RewardSettings()), RewardSettings())


def test_a_cancelled_reading_of_answers_ends_the_run(labeled, monkeypatch):
    context = context_of(labeled, RewardSettings())
    monkeypatch.setattr(context, "cancelled", lambda: True)
    with pytest.raises(Cancelled):
        run(context, RewardSettings())
    assert labeled.reward_models.count() == 0


@pytest.mark.parametrize(("comparisons", "passes"), [(60, 4), (250, 4), (334, 3), (500, 2), (999, 2), (1000, 1)])
def test_lora_sees_a_thousand_comparisons_in_at_most_four_passes(comparisons, passes):
    assert training_passes(RewardSettings(), comparisons) == passes
    assert training_passes(RewardSettings(epochs=7), comparisons) == 7
