# SPDX-License-Identifier: Apache-2.0
"""Pre-training: the loss falls, a resumed run ends at the same weights, and an existing base is trained further."""

from __future__ import annotations

import math
from itertools import islice

import pytest
import torch
import trl.trainer.utils

from data.errors import BadInput
from data.run_context import Cancelled
from data.settings import parse_settings
from data.starter import corpus
from docs.metrics import CURVES
from reward.base import placement
from reward.base.bf16_probe import Rates
from reward.base.frozen_base import Base
from rlhf.methods.pretrain import build_trainer, held_out_loss, run
from rlhf.methods.pretraining_rows import PretrainingRows, collate, pack
from rlhf.methods.pretraining_text import read_text
from rlhf.settings import PretrainSettings
from tests.support.ppo_parts import MostRows
from tests.support.pretraining import LINES, TINY, context_of, pretrained, write_lines
from tests.support.tiny_model import make_tiny_model


@pytest.fixture
def text(tmp_path):
    return write_lines(tmp_path)


def weights(policy):
    return Base.load(policy.base).causal.state_dict()


def test_the_loss_falls_on_a_text_file(store, text):
    policy, report, context = pretrained(store, text=text, max_steps=100, learning_rate=1e-2)
    (_, early), (_, late) = store.metrics.series(context.run.id, "loss")
    assert late < early / 2
    assert set(store.metrics.keys(context.run.id)) == set(CURVES["pretrain"])
    assert 0 < report["held_out_loss"] < early
    assert list(context.folder.iterdir()) == []  # no checkpoint and no second copy stay behind
    assert (policy.kind, policy.adapter, policy.run_id, policy.config["text"]) == ("base", None, context.run.id, text)
    base = Base.load(policy.base)
    assert base.decode(base.encode_completion(LINES[0])) == LINES[0]
    assert report["parameters"] == sum(matrix.numel() for matrix in base.causal.parameters())


def test_the_generated_corpus_trains_too(store):
    _, report, _ = pretrained(store, text="starter", max_steps=2)
    assert report["held_out_loss"] > 0


def test_a_resumed_run_ends_at_the_weights_of_an_uninterrupted_one(store, text, monkeypatch):
    monkeypatch.setattr("data.run_context.PROGRESS_SECONDS", 0.0)
    whole, _, _ = pretrained(store, text=text, max_steps=6)
    settings = parse_settings(PretrainSettings, TINY | {"text": text, "max_steps": 6})
    first = context_of(store, settings)
    monkeypatch.setattr(first, "cancelled", lambda: store.runs.get(first.run.id).done >= 3)
    with pytest.raises(Cancelled):
        run(first, settings)
    assert [folder.name for folder in (first.folder / "checkpoint").iterdir()] == ["checkpoint-3"]
    assert store.policies.count() == 1
    second = store.policies.get(run(context_of(store, settings, resumes=first.run.id), settings).produced[0])
    one, two = weights(whole), weights(second)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_equal_seeds_give_equal_bases(store, text):
    made = [weights(pretrained(store, text=text, max_steps=2, seed=seed)[0]) for seed in (0, 0, 1)]
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])
    assert not all(torch.equal(made[0][name], made[2][name]) for name in made[0])


def test_padding_is_no_label():
    batch = collate([{"input_ids": [5, 6, 7]}, {"input_ids": [8]}])
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert batch["labels"].tolist() == [[5, 6, 7], [8, -100, -100]]


def test_packed_rows_are_the_documents_end_to_end():
    rows = list(pack(iter([[1, 2, 9], [3, 9], [4, 5, 6, 7, 9]]), 4))
    assert rows == [[1, 2, 9, 3], [9, 4, 5, 6], [7, 9]]


def test_packing_trains_on_full_rows_and_cuts_nothing_off(store, text):
    policy, report, context = pretrained(store, text=text, max_steps=3, packing=True, context=16)
    assert report["perplexity"] == pytest.approx(math.exp(report["held_out_loss"]), rel=1e-3)
    tokenizer = Base.load(policy.base).tokenizer
    settings = parse_settings(PretrainSettings, context.run.settings)
    rows = [row["input_ids"] for row in islice(PretrainingRows(read_text(text), tokenizer, settings), 40)]
    assert {len(row) for row in rows} == {16}
    mark = tokenizer.get_vocab()[corpus.DOCUMENT]
    assert any(mark in row[:-1] for row in rows)  # a document ends inside a row, and another begins


def test_a_base_is_continued_with_its_own_tokenizer_and_all_its_weights(store, text, tmp_path):
    store.policies.add(name="theirs", kind="base", base=str(make_tiny_model("gpt2", tmp_path / "gpt2", context=32)))
    theirs = Base.load(tmp_path / "gpt2")
    policy, report, _ = pretrained(store, **{"from": "p1"}, text=text, max_steps=40, learning_rate=2e-3, context=64)
    assert (policy.kind, policy.parent_id, policy.adapter) == ("base", 1, None)
    base = Base.load(policy.base)
    assert base.fingerprint["tokenizer"] == theirs.fingerprint["tokenizer"]
    assert base.config.model_type == "gpt2"
    old, new = theirs.causal.state_dict(), base.causal.state_dict()
    assert not any(torch.equal(old[name].bfloat16(), new[name].bfloat16()) for name in old if old[name].dim() == 2)
    before = held_out_loss(
        theirs.causal,
        PretrainingRows(read_text(text), theirs.tokenizer, parse_settings(PretrainSettings, TINY | {"context": 32})),
    )
    assert report["held_out_loss"] < before - 0.5


@pytest.fixture(params=["llama", "gemma2", "gpt2"])  # gemma2 caps its logits, gpt2 shares its head with the embedding
def continued(request, tmp_path):
    """(trainer of a base in float32, a batch of three rows with padding)."""
    model = Base.load(make_tiny_model(request.param, tmp_path / "model")).causal.requires_grad_(True)
    rows = [{"input_ids": torch.arange(5, 5 + length).tolist()} for length in (12, 7, 9)]
    settings = parse_settings(PretrainSettings, TINY | {"context": 16, "device": "cpu"})
    return build_trainer(tmp_path / "trainer", settings, model, None), collate(rows)


def loss_and_gradients(model, loss):
    names, weights = zip(*model.named_parameters(), strict=True)
    return loss.item(), dict(zip(names, torch.autograd.grad(loss, weights), strict=True))


def test_the_chunked_loss_has_the_value_and_gradients_of_the_whole_one(continued, monkeypatch):
    monkeypatch.setattr(trl.trainer.utils, "_CHUNKED_LOGPROB_CHUNK_SIZE", 96)
    trainer, batch = continued
    model = trainer.model.eval()  # gpt2 has dropout
    whole, expected = loss_and_gradients(model, model(**batch, use_cache=False).loss)
    chunked, gradients = loss_and_gradients(model, trainer.compute_loss(model, batch))
    assert chunked == pytest.approx(whole, abs=1e-6, rel=1e-6)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-6, rtol=1e-5)


def test_a_training_pass_makes_no_tensor_of_tokens_by_the_vocabulary(continued, monkeypatch):
    monkeypatch.setattr(trl.trainer.utils, "_CHUNKED_LOGPROB_CHUNK_SIZE", 96)
    trainer, batch = continued
    vocabulary, hidden = trainer.model.get_output_embeddings().weight.shape
    assert vocabulary > 2 * 96
    with MostRows(vocabulary, hidden) as whole:
        trainer.model(**batch, use_cache=False).loss.backward()
    assert whole.rows >= batch["input_ids"].numel() - len(batch["input_ids"])
    with MostRows(vocabulary, hidden) as chunked:
        trainer.compute_loss(trainer.model, batch).backward()
    assert chunked.rows <= 1  # the bias of a head has one row


@pytest.mark.parametrize(("bfloat16", "used"), [(1.0, False), (9.0, True)])
def test_a_cpu_multiplies_in_bfloat16_only_if_it_is_measured_to_be_faster(tmp_path, monkeypatch, bfloat16, used):
    monkeypatch.setattr(placement, "cpu_rates", lambda: Rates(float32=5.0, bfloat16=bfloat16))
    model = Base.load(make_tiny_model("llama", tmp_path / "model")).causal.requires_grad_(True)
    settings = parse_settings(PretrainSettings, TINY | {"context": 16, "device": "cpu"})
    assert build_trainer(tmp_path / "trainer", settings, model, None).args.bf16 is used


@pytest.mark.parametrize("setting", ["max_steps=0", "batch_size=0", "layers=0", "vocab_size=100"])
def test_impossible_sizes_are_refused(setting):
    with pytest.raises(BadInput, match=f"{setting} is out of range"):
        parse_settings(PretrainSettings, [setting])
