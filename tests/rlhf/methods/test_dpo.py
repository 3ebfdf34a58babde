# SPDX-License-Identifier: Apache-2.0
"""DPO: the loss by hand, the start as reference, sampled ids, held-out test prompts, and exact resumption."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from data import Store
from data.errors import BadInput
from data.run_context import Cancelled, RunContext
from data.settings import as_dict, parse_settings
from data.views.preferences import preference_rows
from reward.base.adapters import read_adapter
from reward.base.frozen_base import Base
from rlhf.methods.dpo import EncodedComparison, build_trainer, encode_comparisons, run
from rlhf.models.finetuning import merge_parent, save_trained_adapter
from rlhf.runs.launch import launch
from rlhf.settings import DPOSettings
from tests.support.labeled_notes import fill

FAST = DPOSettings(learning_rate=1e-2, epochs=3, rank=2, batch_size=8, labels="import")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, base_folder):
    store = fill(Store(tmp_path_factory.mktemp("home")), base_folder)
    context = context_of(store, FAST)
    yield store, context, run(context, FAST)
    store.close()


def context_of(store, settings, **about):
    return RunContext(store, store.runs.enqueue("dpo", as_dict(settings), "test", **about))


def trainer_on(base, folder, settings, parent, pairs):
    return build_trainer(folder, settings, base, merge_parent(base, parent), pairs)


def logp(base, role, prompt, answer):
    """Return the sum of the answer's log-probabilities, by a plain forward pass."""
    ids = torch.tensor([[*prompt, *answer]])
    with torch.no_grad(), base.role(role):
        table = base.logits(base.hidden(ids, torch.ones_like(ids, dtype=torch.bool)))[0].log_softmax(-1)
    return sum(table[len(prompt) - 1 + place, token].item() for place, token in enumerate(answer))


@pytest.fixture
def parent(base_folder, tmp_path):
    """An adapter that changes the base a lot."""
    torch.manual_seed(1)
    base = Base.load(base_folder)
    base.add_adapter("parent")
    for matrix in base.parameters("parent"):
        matrix.data.normal_(std=0.2)
    base.save_adapter("parent", tmp_path / "parent")
    return tmp_path / "parent"


@pytest.mark.parametrize(
    ("settings", "loss"),
    [
        (FAST.model_copy(update={"beta": 0.3}), lambda d, n: math.log1p(math.exp(-0.3 * d))),
        (
            FAST.model_copy(update={"beta": 0.3, "label_smoothing": 0.2}),
            lambda d, n: 0.8 * math.log1p(math.exp(-0.3 * d)) + 0.2 * math.log1p(math.exp(0.3 * d)),
        ),
        (FAST.model_copy(update={"beta": 0.5, "loss": "ipo"}), lambda d, n: (n - 1.0) ** 2),  # 1 / (2 beta)
    ],
    ids=["sigmoid", "conservative", "ipo"],
)
def test_the_loss_matches_the_paper_with_the_start_as_reference(base_folder, parent, tmp_path, settings, loss):
    """Compute both roles by a plain forward pass over each unpadded answer, on another copy of the base."""
    pair = EncodedComparison(1, [5, 9, 17, 2], [30, 41, 7], [12, 80, 33, 21, 0])
    trainer = trainer_on(Base.load(base_folder), tmp_path / "trainer", settings, parent, [pair])
    rows = [pair.columns()]
    for name, matrix in trainer.model.named_parameters():
        if "lora_B" in name:
            matrix.data.normal_(std=0.2, generator=torch.Generator().manual_seed(len(name)))
    trainer.model.eval()
    computed = trainer.compute_loss(
        trainer.model, trainer._prepare_inputs(trainer.data_collator([pair.columns()]))
    ).item()
    base = Base.load(base_folder)
    base.add_adapter("start", parent)
    base.add_adapter("policy", save_trained_adapter(trainer.model, tmp_path / "policy", parent))
    chosen, rejected = (
        logp(base, "policy", pair.prompt, ids) - logp(base, "start", pair.prompt, ids)
        for ids in (pair.chosen, pair.rejected)
    )
    assert abs(chosen - rejected) > 0.2  # nats: the roles differ clearly
    assert computed == pytest.approx(loss(chosen - rejected, chosen / 3 - rejected / 5), rel=1e-3)
    assert trainer.implicit_rewards(rows, trainer.reference_logps(rows))[0] == pytest.approx(
        np.array([chosen, rejected]) * settings.beta, abs=2e-3
    )


def test_before_the_first_step_the_policy_equals_the_reference(base_folder, parent, tmp_path):
    rows = [EncodedComparison(1, [5, 9], [30, 41, 7], [12]), EncodedComparison(2, [5, 9, 4], [3], [12, 0])]
    trainer = trainer_on(Base.load(base_folder), tmp_path, FAST, parent, rows)
    columns = [pair.columns() for pair in rows]
    assert np.abs(trainer.implicit_rewards(columns, trainer.reference_logps(columns))).max() < 1e-5


def test_a_run_raises_the_better_answers_on_held_out_prompts(finished):
    store, context, result = finished
    assert result.report["accuracy"] == 1.0
    assert result.report["margin"] > 0.5
    policy = store.policies.get(result.produced[0])
    assert (policy.kind, policy.parent_id, policy.run_id, policy.seed) == ("dpo", 1, context.run.id, 0)
    assert {"torch", "trl", "fingerprint", "chat_template"} <= set(policy.versions)
    assert policy.config["beta"] == 0.1
    assert list(context.folder.iterdir()) == []  # no checkpoint stays behind


def test_only_decided_comparisons_of_training_prompts_are_learned_from(finished):
    store, _, result = finished
    rows = preference_rows(store, source="import")
    decided = Counter(row.split for row in rows if row.label != 0.5)
    assert result.report["trained_on"] == decided["train"]
    assert result.report["test_comparisons"] == decided["test"] > 0
    assert result.report["left_out"]["ties"] == sum(row.label == 0.5 and row.split != "validation" for row in rows)
    frozen = store.snapshots.rows(store.policies.get(result.produced[0]).snapshot_id)
    assert {row["comparison_id"] for row in frozen} == {row.comparison_id for row in rows}


def test_the_run_page_has_the_curves_of_training_and_held_out_pairs(finished):
    store, context, _ = finished
    assert {"loss", "accuracy", "margin", "eval_accuracy", "eval_margin", "eval_loss"} <= set(
        store.metrics.keys(context.run.id)
    )


def test_sampled_ids_are_trained_as_they_were_sampled(base_folder):
    base = Base.load(base_folder)
    letters = [base.encode_completion(letter)[0] for letter in "the"]
    text = base.decode(letters)
    assert base.encode_completion(text)[:-1] != letters  # the tokenizer itself would write the word in fewer tokens
    assert base.encoding.stored_answer(letters, text) == letters  # cut before its end: none is added
    assert base.encoding.stored_answer(None, text) == base.encode_completion(text)
    assert base.encoding.stored_answer([*letters, 10**6], text) == base.encode_completion(text)  # of another tokenizer


def test_a_pair_beyond_the_context_is_left_out_and_counted(labeled, base_folder):
    base, left_out = Base.load(base_folder), Counter()
    rows = [row for row in preference_rows(labeled, source="import") if row.label != 0.5][:2]
    long = replace(rows[0], prompt="very long " * 200)
    assert len(encode_comparisons(base, [long, rows[1]], left_out)) == 1
    assert left_out == {"longer than the context": 1}


def test_a_resumed_run_ends_at_the_weights_of_an_uninterrupted_one(labeled, monkeypatch):
    settings = FAST.model_copy(update={"from_": "p1"})
    whole = run(context_of(labeled, settings), settings)
    first = context_of(labeled, settings)
    monkeypatch.setattr(first, "cancelled", lambda: first.store.runs.get(first.run.id).done >= 3)
    monkeypatch.setattr("data.run_context.PROGRESS_SECONDS", 0.0)
    with pytest.raises(Cancelled):
        run(first, settings)
    assert labeled.policies.count() == 2
    second = run(context_of(labeled, settings, resumes=first.run.id), settings)
    one, two = (
        read_adapter(labeled.home / labeled.policies.get(result.produced[0]).adapter)[1] for result in (whole, second)
    )
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_without_labels_of_people_the_run_is_refused_and_names_the_setting(store, base_folder):
    store.policies.add(name="base", kind="base", base=str(base_folder))
    with pytest.raises(BadInput, match="there are no comparisons to learn from"):
        launch(store, "dpo", {}, by="test")
    assert store.runs.all() == []


@pytest.mark.parametrize("kind", ["dpo", "ppo"])
def test_a_training_does_not_start_from_best_of_n(labeled, kind):
    labeled.policies.add(name="best", kind="best-of-n", base=labeled.policies.get(1).base, parent_id=1, config={"n": 4})
    with pytest.raises(
        BadInput, match="p2 chooses among answers of p1 and has no weights of its own .*Name p1 instead"
    ):
        launch(labeled, kind, {"from": "p2"}, by="test")


def test_smoothing_is_a_share_below_a_half():
    with pytest.raises(BadInput, match="label_smoothing=0.5 is out of range"):
        parse_settings(DPOSettings, ["label_smoothing=0.5"])
