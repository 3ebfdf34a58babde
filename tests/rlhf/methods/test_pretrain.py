# SPDX-License-Identifier: Apache-2.0
"""Pre-training: the loss falls, a stopped run goes on exactly, and the base lives under the home and moves with it."""

from __future__ import annotations

import gzip
import json
import math
import random
import re
from itertools import islice

import pyarrow
import pytest
import torch
from pyarrow import parquet
from transformers import LlamaConfig, LlamaForCausalLM

import app
from data import Store
from data.errors import BadInput
from data.run_context import Cancelled, RunContext
from data.settings import as_dict, parse_settings
from data.splits import split_of
from data.starter import corpus
from data.transfer.backup import back_up, restore
from reward.about import describe_base
from reward.base.frozen_base import Base
from reward.member import Member
from reward.model import RewardModel
from rlhf.common.muon import MuonAdamW
from rlhf.export import export_policy, export_reward_model
from rlhf.methods.pretrain import PretrainingRows, collate, held_out_loss, pack, run
from rlhf.methods.pretraining_text import read_text, shuffle_window
from rlhf.models.policy_loading import Bases
from rlhf.settings import PretrainSettings
from tests.support.tiny_model import make_tiny_model

TINY = {"hidden_size": 32, "layers": 2, "heads": 2, "vocab_size": 320, "context": 64, "batch_size": 4}
LINES = [
    f"The {thing} stood by the {place}."
    for thing in ("cat", "lamp", "harp", "fox", "boat")
    for place in ("door", "sea", "tree", "gate")
]


@pytest.fixture
def text(tmp_path):
    (tmp_path / "lines.txt").write_text("\n\n".join(LINES) + "\n")
    return str(tmp_path / "lines.txt")


def context_of(store, settings, **about):
    return RunContext(store, store.runs.enqueue("pretrain", as_dict(settings), "test", **about))


def pretrained(store, **settings):
    parsed = parse_settings(PretrainSettings, TINY | settings)
    context = context_of(store, parsed)
    result = run(context, parsed)
    return store.policies.get(result.produced[0]), result.report, context


def weights(policy):
    return Base.load(policy.base).causal.state_dict()


def test_the_loss_falls_on_a_text_file_of_one_s_own(store, text):
    policy, report, context = pretrained(store, text=text, max_steps=100, learning_rate=1e-2)
    (_, early), (_, late) = store.metrics.series(context.run.id, "loss")
    assert late < early / 2
    assert 0 < report["held_out_loss"] < early
    assert list(context.folder.iterdir()) == []  # no checkpoint and no second copy stay behind
    assert (policy.kind, policy.adapter, policy.run_id, policy.config["text"]) == ("base", None, context.run.id, text)
    base = Base.load(policy.base)
    assert base.decode(base.encode_completion(LINES[0])) == LINES[0]
    assert report["parameters"] == sum(matrix.numel() for matrix in base.causal.parameters())


def test_the_generated_corpus_trains_too(store):
    _, report, _ = pretrained(store, text="starter", max_steps=2)
    assert report["held_out_loss"] > 0


def test_a_cancelled_run_saves_and_ends_at_the_weights_of_one_never_stopped(store, text, monkeypatch):
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


def test_the_same_seed_is_the_same_base_and_another_seed_another(store, text):
    made = [weights(pretrained(store, text=text, max_steps=2, seed=seed)[0]) for seed in (0, 0, 1)]
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])
    assert not all(torch.equal(made[0][name], made[2][name]) for name in made[0])


def test_padding_is_no_label():
    batch = collate([{"input_ids": [5, 6, 7]}, {"input_ids": [8]}])
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert batch["labels"].tolist() == [[5, 6, 7], [8, -100, -100]]


def test_lines_that_hash_to_the_test_split_are_held_out(text):
    found = read_text(text)
    trained = {line.removesuffix(corpus.DOCUMENT) for line in islice(found.documents(0), 3 * len(LINES))}
    held_out = {line.removesuffix(corpus.DOCUMENT) for line in found.held_out(0)}
    assert held_out == {line for line in LINES if split_of(line) == "test"} != set()
    assert trained == set(LINES) - held_out


def documents_of(path, **given):
    found = read_text(str(path), **given)
    count = sum(split_of(line) != "test" for line in LINES)
    trained = {line.removesuffix(corpus.DOCUMENT) for line in islice(found.documents(0), count)}
    return trained | {line.removesuffix(corpus.DOCUMENT) for line in found.held_out(0)}


def test_json_lines_parquet_and_folders_hold_the_documents_of_a_column(tmp_path):
    rows = [{"body": line, "other": 1} for line in LINES]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.parquet"):
        assert documents_of(tmp_path / name, column="body") == set(LINES)
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "one.txt").write_text("\n".join(LINES[:8]))
    (tmp_path / "both" / "two.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in LINES[8:]))
    assert documents_of(tmp_path / "both") == set(LINES)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.jsonl", b'{"text": "one"}\n{"body": "two"}\n', "no text 'text': it has 'body'.*line 2"),
        ("a.jsonl", b"[1]\n", "it is not a JSON object"),
        ("a.parquet", b"PAR1", "cannot be read"),
        ("b.txt", b"", "no text to train on"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path, name, content, problem):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput) as caught:
        list(islice(read_text(str(tmp_path / name)).documents(0), 3))
    assert re.search(problem, f"{caught.value} line {caught.value.line}")


def test_a_parquet_file_without_the_column_names_those_it_has(tmp_path):
    parquet.write_table(pyarrow.table({"body": ["one"]}), tmp_path / "a.parquet")
    with pytest.raises(BadInput, match="no column 'text': it has body"):
        read_text(str(tmp_path / "a.parquet"))


def test_a_window_shuffles_and_loses_nothing(monkeypatch):
    monkeypatch.setattr("rlhf.methods.pretraining_text.SHUFFLED", 5)
    found = list(shuffle_window([str(number) for number in range(50)], random.Random(0)))
    assert sorted(found, key=int) == [str(number) for number in range(50)]
    assert found != sorted(found, key=int)


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


def test_every_line_comes_once_before_any_comes_again(text):
    count = sum(split_of(line) != "test" for line in LINES)
    documents = list(islice(read_text(text).documents(0), 2 * count))
    assert len(set(documents[:count])) == len(set(documents[count:])) == count
    assert documents[:count] != documents[count:]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "there is no text file"),
        (b"", "no text to train on"),
        (b"\n \n", "no text to train on"),
        (gzip.compress(b"text", mtime=0), "cannot be read"),
    ],
)
def test_a_text_that_cannot_be_read_is_one_clear_line_and_queues_nothing(store, tmp_path, capsys, content, problem):
    path = tmp_path / "some.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=problem):
        pretrained(store, text=str(path), max_steps=1)
    runs = len(store.runs.all())
    assert app.main(["train", "pretrain", "--set", f"text={path}", "--home", str(store.home)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert problem in line
    assert str(path) in line
    assert len(store.runs.all()) == runs


@pytest.mark.parametrize("setting", ["max_steps=0", "batch_size=0", "layers=0", "vocab_size=100"])
def test_sizes_that_make_no_model_are_named(setting):
    with pytest.raises(BadInput, match=f"{setting} is out of range"):
        parse_settings(PretrainSettings, [setting])


class TestPlace:
    """A base of one's own stands under the home, and is found again where the home is then."""

    @pytest.fixture
    def judged(self, store, text):
        """A store with a pre-trained base, a policy and a reward model on it."""
        policy, _, _ = pretrained(store, text=text, max_steps=1)
        base = Base.load(policy.base)
        for name in ("tuned", "judge"):
            base.add_adapter(name)
        base.save_adapter("tuned", store.home / "tuned")
        store.policies.publish(store.home / "tuned", name="tuned", kind="sft", base=policy.base, parent_id=policy.id)
        RewardModel(base, [Member("judge", torch.linspace(-1, 1, base.hidden_size))], describe_base(base)).save(
            store.home / "judge"
        )
        store.reward_models.publish(store.home / "judge", name="judge", base=policy.base)
        return store

    def test_the_base_is_a_policy_s_folder_and_the_row_does_not_name_the_home(self, judged):
        assert judged.policies.get("p1").base == str(judged.home.resolve() / "policies" / "p1")
        written = {
            row["base"] for row in judged.rows("SELECT base FROM policies UNION ALL SELECT base FROM reward_models")
        }
        assert written == {"home:policies/p1"}

    def test_a_restored_home_has_its_bases(self, judged, tmp_path):
        back_up(judged, tmp_path / "all.tar")
        judged.close()
        judged.home.rename(tmp_path / "gone")
        restore(tmp_path / "again", tmp_path / "all.tar")
        self.works(tmp_path / "again", tmp_path)

    def test_a_moved_home_has_its_bases(self, judged, tmp_path):
        judged.close()
        judged.home.rename(tmp_path / "moved")
        self.works(tmp_path / "moved", tmp_path)

    def works(self, home, tmp_path):
        again = Store(home)
        base = Bases().of(again.policies.get("p2"))
        assert base.name == str(home / "policies" / "p1")
        record = again.reward_models.get("r1")
        judge = RewardModel.load(again.home / record.adapter, record.base)
        assert len(judge.score(["Say hi."], ["Hi."])) == 1
        export_policy(again, "p2", tmp_path / "policy", merge=True)
        export_reward_model(again, "r1", tmp_path / "judge", merge=True)
        assert Base.load(tmp_path / "policy").hidden_size == base.hidden_size
        again.close()

    def test_a_base_elsewhere_stays_where_it_is(self, store, tmp_path):
        places = ["starter", "org/model", str(tmp_path / "model")]
        assert [store.policies.add(name="one", kind="base", base=place).base for place in places] == places
        assert [row["base"] for row in store.rows("SELECT base FROM policies ORDER BY id")] == places


class TestMuon:
    """Two optimizers that look like one."""

    def stepped(self, model, optimizer, steps, seed):
        for number in range(steps):
            torch.manual_seed(seed + number)
            ids = torch.randint(0, 50, (2, 8))
            model(input_ids=ids, labels=ids).loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    def model(self):
        torch.manual_seed(0)
        shape = {
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
        }
        return LlamaForCausalLM(LlamaConfig(vocab_size=50, tie_word_embeddings=True, **shape))

    def test_its_state_survives_saving_and_loading(self, tmp_path):
        whole = self.model()
        self.stepped(whole, MuonAdamW(whole, 1e-2), 5, seed=1)
        half = self.model()
        optimizer = MuonAdamW(half, 1e-2)
        self.stepped(half, optimizer, 3, seed=1)
        torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
        again = MuonAdamW(half, 1e-2)
        again.load_state_dict(torch.load(tmp_path / "optimizer.pt", weights_only=True))
        self.stepped(half, again, 2, seed=4)
        one, two = whole.state_dict(), half.state_dict()
        assert all(torch.equal(one[name], two[name]) for name in one)

    def test_a_scheduler_sets_the_rate_of_both_parts_before_and_after_loading(self):
        model = self.model()
        optimizer = MuonAdamW(model, 1e-2)
        for _ in range(2):
            for group in optimizer.param_groups:
                group["lr"] = 0.0
            before = {name: matrix.clone() for name, matrix in model.state_dict().items()}
            self.stepped(model, optimizer, 1, seed=1)
            assert all(torch.equal(matrix, before[name]) for name, matrix in model.state_dict().items())
            optimizer.load_state_dict(optimizer.state_dict())

    def test_every_trained_matrix_is_in_one_part(self):
        model = self.model()
        found = [matrix for group in MuonAdamW(model, 1e-2).param_groups for matrix in group["params"]]
        assert len(found) == len({id(matrix) for matrix in found}) == len(list(model.parameters()))
