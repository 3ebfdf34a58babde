"""A whole run that trains a reward model: real store, real TRL trainer, random two-layer base."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model

from data import Store
from data.context import Cancelled, RunContext
from data.errors import BadInput
from data.preferences import preference_rows, training_rows
from data.settings import as_dict, parse_settings
from reward.adapters import read_adapter, stack, write_adapter
from reward.base import Base
from reward.classifier import as_classifier, give_back, lora_for_scoring
from reward.ensemble import RewardEnsemble
from reward.fit import Start, build_trainer, fit
from reward.judge import Answer, fit_pairs
from reward.model import RewardModel, read_about
from reward.report import FitPair
from reward.rows import RowEncoder
from reward.settings import RewardSettings
from reward.train import run, starting_point
from rlhf.launch import launch
from tests.tiny import make_tiny_model

GOOD, BAD = "Dear Mina, thank you so much for the lovely book {}.", "no. I do not care {}."
FAST = RewardSettings(learning_rate=1e-2, epochs=3, batch_size=8, rank=4)
VERDICTS = ("left", "left_much", "tie", "left_slightly")


@pytest.fixture(scope="module")
def base_folder(tmp_path_factory):
    return make_tiny_model("llama", tmp_path_factory.mktemp("base"))


@pytest.fixture
def labeled(store, base_folder):
    """A store with 60 prompts, each with a good and a bad answer and one imported label; every fourth a tie."""
    return fill(store, base_folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, base_folder):
    """(store, context, result) of one whole run."""
    store = fill(Store(tmp_path_factory.mktemp("home")), base_folder)
    context = context_of(store, FAST)
    yield store, context, run(context, FAST)
    store.close()


def fill(store, base_folder):
    base = Base.load(base_folder)
    policy = store.policies.add(name="base", kind="base", base=str(base_folder))
    mina = store.accounts.add("mina", "labeler")
    with store.transaction():
        for number in range(60):
            label(store, base, policy, mina, number)
    return store


def label(store, base, policy, labeler, number):
    prompt = store.prompts.add(f"Write note number {number} to Mina.", source="test")
    answers = [
        {"prompt_id": prompt.id, "policy_id": policy.id, "text": text, "token_ids": base.encode_completion(text),
         "sampling": {}, "seed": 0, "number": place, "ended": True}
        for place, text in enumerate((GOOD.format(number), BAD.format(number)))
    ]  # fmt: skip
    good, bad = store.completions.add_many(answers)
    pair = store.pairs.add(prompt.id, good, bad)
    store.comparisons.record(
        id=f"c{number}", pair_id=pair.id, labeler_id=labeler.id, left_id=good, right_id=bad,
        verdict=VERDICTS[number % 4], source="import",
    )  # fmt: skip


def context_of(store, settings, **about):
    return RunContext(store, store.runs.enqueue("reward", as_dict(settings), "test", **about))


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


def test_training_leaves_the_shared_base_as_it_was(base_folder, tmp_path):
    base = Base.load(base_folder)
    batch = base.collate([base.encode_prompt("Name two animals.")])
    before = base.hidden(*batch)
    classifier = get_peft_model(as_classifier(base, seed=0), lora_for_scoring(4)).train()
    for name, matrix in classifier.named_parameters():
        if "lora_" in name:
            matrix.data.normal_()
    give_back(base, classifier)
    assert torch.equal(base.hidden(*batch), before)
    assert not any(module.training for module in base.causal.modules())
    assert not any(matrix.requires_grad for matrix in base.causal.parameters())


def test_training_is_deterministic_by_seed(labeled):
    short = parse_settings(RewardSettings, ["max_steps=3", "batch_size=8"])
    heads = [read_adapter(labeled.home / labeled.reward_models.get(run(context_of(labeled, short), short).produced[0]).adapter)[1] for _ in range(2)]
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


PAIR_OF_MODELS = RewardSettings(learning_rate=1e-2, max_steps=4, batch_size=8, rank=4, members=2, likelihood="rao-kupper")


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
    assert isinstance(model, RewardEnsemble)
    scores, deviations = model.judge(*model.encode(["Write a note to Mina."] * 2, [GOOD, BAD]))
    assert scores[0] > scores[1]
    assert deviations.min() > 0
    assert result.report["mean_deviation"] > 0
    assert [len(points) for points in result.report["cut_points"]] == [1, 1]


def test_the_first_member_is_the_reward_model_that_the_seed_gives_alone(labeled):
    alone = parse_settings(RewardSettings, ["max_steps=2", "batch_size=8", "rank=2"])
    both = parse_settings(RewardSettings, ["max_steps=2", "batch_size=8", "rank=2", "members=2"])
    one, two = tensors(labeled, run(context_of(labeled, alone), alone)), tensors(labeled, run(context_of(labeled, both), both), "member-0")
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
    lying = labeled.snapshots.freeze("preferences", [row | {"split": "train"} for row in rows if row["split"] == "train" or row is tested], {})
    settings = parse_settings(RewardSettings, [f"snapshot={lying.public}"])
    refusal = f"1 of {lying.row_count} rows are of test prompts in snapshot {lying.public}"
    with pytest.raises(BadInput, match=refusal):
        run(context_of(labeled, settings), settings)
    with pytest.raises(BadInput, match=refusal):
        launch(labeled, "reward", {"snapshot": lying.public}, by="test")
    assert labeled.reward_models.count() == 0


def test_a_snapshot_trains_on_its_training_rows_and_is_measured_on_its_test_rows(labeled):
    rows = [asdict(row) for row in preference_rows(labeled)]
    frozen = labeled.snapshots.freeze("preferences", rows[:30], {})
    settings = parse_settings(RewardSettings, [f"snapshot={frozen.public}", "max_steps=1", "rank=2"])
    report = run(context_of(labeled, settings), settings).report
    splits = [row["split"] for row in rows[:30]]
    assert (report["trained_on"], report["test_comparisons"]) == (splits.count("train"), splits.count("test"))


def test_a_reward_model_can_start_from_a_policy(labeled, base_folder, tmp_path):
    base = Base.load(base_folder)
    base.add_adapter("sft")
    for matrix in base.parameters("sft"):
        matrix.data.normal_(std=0.1)
    base.save_adapter("sft", tmp_path / "sft")
    policy = labeled.policies.add(name="sft", kind="sft", base=str(base_folder), adapter=str(tmp_path / "sft"))
    settings = parse_settings(RewardSettings, [f"from={policy.public}", "max_steps=4", "batch_size=8", "rank=4"])
    start = starting_point(labeled, settings)
    rows = RowEncoder(base).encode(_rows(labeled))
    trainer = build_trainer(tmp_path / "run", settings, base, start, rows)
    trainer.train()
    expected = _classifier_scores(trainer, rows)
    model = labeled.reward_models.get(run(context_of(labeled, settings), settings).produced[0])
    loaded = RewardModel.load(labeled.home / model.adapter)
    found = loaded.raw_scores([each.prompt for each in rows], [each.a for each in rows])
    assert found.tolist() == pytest.approx(expected, abs=1e-4)


def _rows(store):
    return training_rows(store)


@torch.no_grad()
def _classifier_scores(trainer, rows, side="a"):
    model = trainer.model.eval()
    return [model(input_ids=torch.tensor([each.prompt + getattr(each, side)])).logits.item() for each in rows]


@pytest.mark.parametrize("kind", ["gpt2", "gemma", "qwen2"])
def test_other_kinds_of_base_without_pad_or_template_train_too(labeled, kind, tmp_path):
    folder = make_tiny_model(kind, tmp_path, pad=False, chat=False)
    settings = parse_settings(RewardSettings, [f"base={folder}", "max_steps=2", "rank=4"])
    assert run(context_of(labeled, settings), settings).report["accuracy"] is not None


def test_the_sequence_fed_to_training_is_the_one_that_is_scored(labeled, base_folder):
    base = Base.load(base_folder)
    (each, *_) = RowEncoder(base).encode(_rows(labeled))
    assert each.prompt == base.encode_prompt(each.row.prompt)
    assert each.a == each.row.a_token_ids
    assert each.a[-1] in base.eos_ids


def test_reloaded_it_gives_the_scores_of_the_end_of_training(labeled, base_folder, tmp_path):
    base = Base.load(base_folder)
    rows = RowEncoder(base).encode(_rows(labeled))
    settings = parse_settings(RewardSettings, ["max_steps=4", "batch_size=8", "rank=4", "learning_rate=0.01"])
    trainer = build_trainer(tmp_path / "run", settings, base, Start(str(base_folder), None, None), rows)
    trainer.train()
    expected = _classifier_scores(trainer, rows)
    model = labeled.reward_models.get(run(context_of(labeled, settings), settings).produced[0])
    found = RewardModel.load(labeled.home / model.adapter).raw_scores([each.prompt for each in rows], [each.a for each in rows])
    assert found.tolist() == pytest.approx(expected, abs=1e-6)


def test_a_step_s_loss_is_that_of_its_answers_scored_one_by_one(labeled, base_folder, tmp_path):
    base = Base.load(base_folder)
    rows = RowEncoder(base).encode(_rows(labeled))[:6]
    rows[1] = replace(rows[1], row=replace(rows[1].row, weight=3.0))
    rows.append(replace(rows[0], row=replace(rows[0].row, label=0.0, margin=3)))
    settings = RewardSettings(batch_size=7, rank=2, label_smoothing=0.1, centring=0.05)
    trainer = build_trainer(tmp_path, settings, base, Start(str(base_folder), None, None), rows)
    (batch,) = trainer.get_train_dataloader()
    loss = trainer.compute_loss(trainer.model, dict(batch))
    assert batch["input_ids"].shape[0] == 6
    a, b = (np.array(_classifier_scores(trainer, rows, side), dtype=float) for side in ("a", "b"))
    label = np.array([each.row.label for each in rows]) * 0.8 + 0.1
    weight = np.array([each.row.weight for each in rows])
    each = label * np.logaddexp(0, b - a) + (1 - label) * np.logaddexp(0, a - b)
    each = weight / weight.mean() * each + 0.05 * (a + b) ** 2
    expected = ((each[0] + each[6]) / 2 + each[1:6].sum()) / 6  # the first pair was judged twice: one element of two comparisons
    assert loss.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["rao-kupper", "graded"])
def test_every_likelihood_trains_and_moves_its_points(labeled, base_folder, tmp_path, name):
    base = Base.load(base_folder)
    rows = RowEncoder(base).encode(_rows(labeled))
    settings = RewardSettings(batch_size=8, max_steps=2, rank=2, likelihood=name)
    start = Start(str(base_folder), None, None)
    before = build_trainer(tmp_path / "before", settings, base, start, rows).model
    points = before.likelihood.cut_points()
    give_back(base, before)
    after = fit(tmp_path / "after", settings, base, start, rows).cut_points
    assert len(points) == (1 if name == "rao-kupper" else 3)
    assert all(one != two for one, two in zip(points, after, strict=True))


def test_comparisons_beyond_the_context_are_cut_and_counted(labeled, tmp_path):
    settings = parse_settings(RewardSettings, [f"base={make_tiny_model('llama', tmp_path, context=32)}", "max_steps=1", "rank=2"])
    report = run(context_of(labeled, settings), settings).report
    assert report["trained_on"] == labeled.prompts.count("train")
    assert report["test_comparisons"] == labeled.prompts.count("test")
    assert report["truncated"]["comparisons"] == 60


def test_two_stacked_adapters_do_what_both_do(base_folder, tmp_path):
    base = Base.load(base_folder)
    for name, rank, modules in (("one", 2, ["q_proj", "up_proj"]), ("two", 3, ["q_proj", "v_proj"])):
        base.add_adapter(name, config=LoraConfig(r=rank, lora_alpha=8, target_modules=modules))
        for matrix in base.parameters(name):
            matrix.data.normal_(std=0.3)
        base.save_adapter(name, tmp_path / name)
    write_adapter(tmp_path / "both", *stack(read_adapter(tmp_path / "one"), read_adapter(tmp_path / "two")))
    base.add_adapter("both", tmp_path / "both")
    batch = base.collate([base.encode_prompt("Name two animals.")])
    with base.role("both"):
        found = base.hidden(*batch)
    for layer in base._layers:
        layer._active_adapter = ["one", "two"]
    assert torch.allclose(found, base.hidden(*batch), atol=1e-5)


def test_only_answers_alike_in_all_but_fit_make_fit_pairs():
    def answer(prompt_id, score, **parts):
        return Answer(prompt_id, score, parts)

    fits, misses = answer(1, 0.3, fit=2.0, manner=0.25), answer(1, 0.9, fit=0.0, manner=0.25)
    rude, elsewhere = answer(1, 0.1, fit=0.0, manner=-0.8), answer(2, 0.2, fit=1.0, manner=0.25)
    assert fit_pairs([misses, fits, rude, elsewhere, Answer(1, 0.0, None)]) == [FitPair(1, 0.3, 0.9)]
