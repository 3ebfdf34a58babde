"""A whole run that trains a reward model: real store, real TRL trainer, random two-layer base."""

from __future__ import annotations

import math
from dataclasses import asdict

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
from reward.judge import Answer, fit_pairs
from reward.model import RewardModel
from reward.report import FitPair
from reward.rows import RowEncoder, training_set
from reward.settings import RewardSettings
from reward.train import build_trainer, run, starting_point
from reward.trainer import BucketSampler, collator, preference_loss
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
    one, two = (read_adapter(labeled.home / labeled.reward_models.get(result.produced[0]).adapter)[1] for result in (whole, second))
    assert all(torch.equal(one[name], two[name]) for name in one)


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
def _classifier_scores(trainer, rows):
    model = trainer.model.eval()
    return [model(input_ids=torch.tensor([each.prompt + each.a])).logits.item() for each in rows]


@pytest.mark.parametrize("kind", ["gpt2", "gemma", "qwen2"])
def test_other_kinds_of_base_without_pad_or_template_train_too(labeled, kind, tmp_path):
    folder = make_tiny_model(kind, tmp_path, pad=False, chat=False)
    settings = parse_settings(RewardSettings, [f"base={folder}", "max_steps=2", "rank=4"])
    assert run(context_of(labeled, settings), settings).report["accuracy"] is not None


def test_the_sequence_fed_to_training_is_the_one_that_is_scored(labeled, base_folder):
    base = Base.load(base_folder)
    (each, *_) = RowEncoder(base).encode(_rows(labeled))
    row = training_set([each])[0]
    assert row["chosen_ids"] == base.encode_prompt(each.row.prompt) + each.row.a_token_ids
    assert row["chosen_ids"][-1] in base.eos_ids


def test_ids_of_another_tokenizer_are_replaced_by_the_text_s(base_folder):
    base = Base.load(base_folder)
    encoder = RowEncoder(base)
    ids = base.encode_completion("Sure.")
    assert encoder.answer(ids, "Sure.") == ids
    assert encoder.answer([5, 6, 7], "Sure.") == ids
    assert encoder.answer([10**6], "Sure.") == ids
    assert encoder.answer(None, "Sure.") == ids


def test_comparisons_beyond_the_context_are_left_out_and_counted(labeled, tmp_path):
    encoder = RowEncoder(Base.load(make_tiny_model("llama", tmp_path, context=32)))
    rows = _rows(labeled)
    kept = encoder.encode(rows)
    assert len(kept) + encoder.omitted == len(rows)
    assert encoder.omitted > 0


def test_a_tie_is_the_half_half_loss_and_weights_scale_it():
    difference = torch.tensor([2.0, -1.0])
    expected = (-2 * 0.5 * (math.log(1 / (1 + math.exp(-2))) + math.log(1 / (1 + math.exp(2)))) + math.log(1 + math.e)) / 2
    assert preference_loss(difference, torch.tensor([0.5, 1.0]), torch.tensor([2.0, 1.0])).item() == pytest.approx(expected)


def test_weights_average_one_over_the_data(labeled, base_folder):
    weights = training_set(RowEncoder(Base.load(base_folder)).encode(_rows(labeled)))["weight"]
    assert sum(weights) / len(weights) == pytest.approx(1.0)


def test_batches_hold_similar_lengths_and_every_row_once():
    lengths = [(37 * n) % 101 for n in range(100)]
    order = list(BucketSampler(lengths, 8, seed=0))
    assert sorted(order) == list(range(100))
    spread = [max(lengths[i] for i in order[at : at + 8]) - min(lengths[i] for i in order[at : at + 8]) for at in range(0, 64, 8)]
    assert max(spread) < 40
    assert order == list(BucketSampler(lengths, 8, seed=0))
    assert order != list(BucketSampler(lengths, 8, seed=1))


def test_the_collator_masks_by_length_even_where_the_pad_id_is_text():
    batch = collator(7)([{"chosen_ids": [7, 7], "rejected_ids": [5], "label": 1.0, "weight": 1.0}])
    assert batch["input_ids"].tolist() == [[7, 7], [5, 7]]
    assert batch["attention_mask"].tolist() == [[1, 1], [1, 0]]


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
