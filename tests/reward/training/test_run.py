# SPDX-License-Identifier: Apache-2.0
"""A whole run that trains a reward model: real store, real TRL trainer, random two-layer base."""

from __future__ import annotations

import math
from dataclasses import asdict

import pytest
import torch

from data import Store
from data.errors import BadInput
from data.run_context import Cancelled
from data.settings import parse_settings
from data.tables.adjudications import Decision
from data.views.preferences import preference_rows
from reward.about import read_about
from reward.base.adapters import read_adapter
from reward.model import RewardModel
from reward.settings import RewardSettings
from reward.training.rows import run_rows
from reward.training.run import run
from reward.training.run_report import agreement_of
from rlhf.runs.launch import launch
from tests.support.labeled_notes import BAD, GOOD, context_of, fill
from tests.support.tiny_model import make_tiny_model

FAST = RewardSettings(learning_rate=1e-2, epochs=3, batch_size=8, rank=4)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, base_folder):
    """(store, context, result) of one whole run."""
    store = fill(Store(tmp_path_factory.mktemp("home")), base_folder)
    context = context_of(store, FAST)
    yield store, context, run(context, FAST)
    store.close()


def test_a_run_publishes_a_reward_model_that_orders_test_prompts(finished):
    store, context, result = finished
    model = store.reward_models.get(result.produced[0])
    assert result.report["accuracy"] == 1.0
    assert result.report["loss"] < math.log(2)
    assert result.report["seconds"] > 0
    assert model.report["peak_mb"] > 0
    assert (model.run_id, model.seed) == (context.run.id, 0)
    good, bad = RewardModel.load(store.home / model.adapter).score(["Write a note to Mina."] * 2, [GOOD, BAD])
    assert good > bad


def test_only_training_prompts_are_trained_on_and_only_test_prompts_reported(finished):
    store, _, result = finished
    assert result.report["trained_on"] == store.prompts.count("train")
    assert result.report["test_comparisons"] == store.prompts.count("test")


def test_the_snapshot_leads_back_to_every_label(finished):
    store, _, result = finished
    rows = store.snapshots.rows(store.reward_models.get(result.produced[0]).snapshot_id)
    assert {row["comparison_id"] for row in rows} == {f"c{number}" for number in range(60)}


def test_the_curves_of_a_run_are_kept_and_its_checkpoint_is_not(finished):
    store, context, _ = finished
    assert {"loss", "accuracy", "margin"} <= set(store.metrics.keys(context.run.id))
    assert not (context.folder / "checkpoint").exists()


def test_training_is_deterministic_by_seed(labeled):
    short = parse_settings(RewardSettings, ["max_steps=3", "batch_size=8"])
    heads = [
        read_adapter(
            labeled.home / labeled.reward_models.get(run(context_of(labeled, short), short).produced[0]).adapter
        )[1]
        for _ in range(2)
    ]
    assert all(torch.equal(heads[0][name], heads[1][name]) for name in heads[0])


def test_a_cancelled_run_saves_and_goes_on_exactly(labeled, monkeypatch):
    whole = run(context_of(labeled, FAST), FAST)
    first = context_of(labeled, FAST)
    monkeypatch.setattr(first, "cancelled", lambda: True)
    with pytest.raises(Cancelled):
        run(first, FAST)
    assert labeled.reward_models.count() == 1
    labeled.prompts.add("A prompt that came later.", source="test")
    second = run(context_of(labeled, FAST, resumes=first.run.id), FAST)
    one, two = (tensors(labeled, result) for result in (whole, second))
    assert all(torch.equal(one[name], two[name]) for name in one)


PAIR_OF_MODELS = RewardSettings(
    learning_rate=1e-2, max_steps=4, batch_size=8, rank=4, members=2, likelihood="rao-kupper"
)


def test_an_ensemble_cancelled_in_its_second_member_goes_on_exactly(labeled, monkeypatch):
    whole = run(context_of(labeled, PAIR_OF_MODELS), PAIR_OF_MODELS)
    first = context_of(labeled, PAIR_OF_MODELS)
    monkeypatch.setattr(first, "cancelled", lambda: (first.folder / "checkpoint" / "member-0" / "adapter").exists())
    with pytest.raises(Cancelled):
        run(first, PAIR_OF_MODELS)
    second = run(context_of(labeled, PAIR_OF_MODELS, resumes=first.run.id), PAIR_OF_MODELS)
    for member in ("member-0", "member-1"):
        one, two = (tensors(labeled, result, member) for result in (whole, second))
        assert all(torch.equal(one[name], two[name]) for name in one)
    assert whole.report["cut_points"] == second.report["cut_points"]


def test_an_ensemble_s_members_differ_and_score_as_one_with_a_deviation(labeled):
    result = run(context_of(labeled, PAIR_OF_MODELS), PAIR_OF_MODELS)
    folder = labeled.home / labeled.reward_models.get(result.produced[0]).adapter
    one, two = (tensors(labeled, result, member) for member in ("member-0", "member-1"))
    assert not any(torch.equal(one[name], two[name]) for name in one)
    assert read_about(folder).members == result.report["members"] == 2
    model = RewardModel.load(folder)
    assert len(model.members) == 2
    scores, deviations = model.score_with_deviation(*model.encode(["Write a note to Mina."] * 2, [GOOD, BAD]))
    assert scores[0] > scores[1]
    assert deviations.min() > 0
    assert result.report["mean_deviation"] > 0
    assert [len(points) for points in result.report["cut_points"]] == [1, 1]


def test_the_first_member_is_the_reward_model_that_the_seed_gives_alone(labeled):
    alone = parse_settings(RewardSettings, ["max_steps=2", "batch_size=8", "rank=2"])
    both = parse_settings(RewardSettings, ["max_steps=2", "batch_size=8", "rank=2", "members=2"])
    one, two = (
        tensors(labeled, run(context_of(labeled, alone), alone)),
        tensors(labeled, run(context_of(labeled, both), both), "member-0"),
    )
    assert all(torch.equal(one[name], two[name]) for name in one)


def tensors(store, result, member="."):
    return read_adapter(store.home / store.reward_models.get(result.produced[0]).adapter / member)[1]


def test_no_labels_names_what_to_do(store, base_folder):
    store.policies.add(name="base", kind="base", base=str(base_folder))
    with pytest.raises(BadInput, match="no comparisons"):
        run(context_of(store, FAST), FAST)


def test_a_snapshot_that_passes_a_test_prompt_off_as_training_is_refused(labeled):
    rows = [asdict(row) for row in preference_rows(labeled)]
    tested = next(row for row in rows if row["split"] == "test")
    lying = labeled.snapshots.freeze(
        "preferences", [row | {"split": "train"} for row in rows if row["split"] == "train" or row is tested], {}
    )
    settings = parse_settings(RewardSettings, [f"snapshot={lying.public}"])
    refusal = f"1 of {lying.row_count} rows are of test prompts in snapshot {lying.public}"
    with pytest.raises(BadInput, match=refusal):
        run(context_of(labeled, settings), settings)
    with pytest.raises(BadInput, match=refusal):
        launch(labeled, "reward", {"snapshot": lying.public}, by="test")
    assert labeled.reward_models.count() == 0


@pytest.mark.parametrize(("source", "named"), [("simulated", "simulated"), ("ai", "AI")])
def test_a_snapshot_that_mixes_people_s_labels_with_others_is_refused_unless_asked_for(labeled, source, named):
    rows = [asdict(row) for row in preference_rows(labeled)]
    mixed = labeled.snapshots.freeze("preferences", [*rows[:20], *(row | {"source": source} for row in rows[20:])], {})
    settings = parse_settings(RewardSettings, [f"snapshot={mixed.public}", "max_steps=1", "rank=2"])
    with pytest.raises(BadInput, match=f"snapshot {mixed.public} mixes 40 {named} labels with 20 others"):
        run_rows(context_of(labeled, settings), settings)
    asked = settings.model_copy(update={"labels": "all"})
    _, training, held_out = run_rows(context_of(labeled, asked), asked)
    assert len(training) + len(held_out.validation) + len(held_out.test) == 60


def test_a_snapshot_trains_on_its_training_rows_and_is_measured_on_its_test_rows(labeled):
    rows = [asdict(row) for row in preference_rows(labeled)]
    frozen = labeled.snapshots.freeze("preferences", rows[:30], {})
    settings = parse_settings(RewardSettings, [f"snapshot={frozen.public}", "max_steps=1", "rank=2"])
    report = run(context_of(labeled, settings), settings).report
    splits = [row["split"] for row in rows[:30]]
    assert (report["trained_on"], report["test_comparisons"]) == (splits.count("train"), splits.count("test"))


@pytest.mark.parametrize("kind", ["gpt2", "gemma", "qwen2"])
def test_other_kinds_of_base_without_pad_or_template_train_too(labeled, kind, tmp_path):
    folder = make_tiny_model(kind, tmp_path, pad=False, chat=False)
    settings = parse_settings(RewardSettings, [f"base={folder}", "max_steps=2", "rank=4"])
    assert run(context_of(labeled, settings), settings).report["accuracy"] is not None


def test_comparisons_beyond_the_context_are_cut_and_counted(labeled, tmp_path):
    settings = parse_settings(
        RewardSettings, [f"base={make_tiny_model('llama', tmp_path, context=32)}", "max_steps=1", "rank=2"]
    )
    report = run(context_of(labeled, settings), settings).report
    assert report["trained_on"] == labeled.prompts.count("train")
    assert report["test_comparisons"] == labeled.prompts.count("test")
    assert report["truncated"]["comparisons"] == 60


def test_the_agreement_of_imported_labels_is_measured_where_a_run_learns_from_them(store, add_pairs):
    for name, verdicts in (("mina", ("left", "left")), ("jun", ("left", "right"))):
        labeler = store.accounts.add(name, "labeler")
        for pair, verdict in zip(store.pairs.all() or add_pairs(2), verdicts, strict=True):
            store.comparisons.record(
                id=f"{name}-{pair.id}",
                pair_id=pair.id,
                labeler_id=labeler.id,
                left_id=pair.first_id,
                right_id=pair.second_id,
                verdict=verdict,
                source="import",
            )
    result = agreement_of(store, preference_rows(store))
    assert (result["rate"], result["pairs"], result["source"]) == (0.5, 2, "import")
    rae = store.accounts.add("rae", "researcher")
    for pair, source in zip(store.pairs.all(), ("import", "person"), strict=True):
        store.adjudications.decide(
            Decision(f"d{pair.id}", pair.id, rae.id, pair.first_id, pair.second_id, "left", False)
        )
        assert agreement_of(store, preference_rows(store))["source"] == source
