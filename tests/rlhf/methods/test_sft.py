# SPDX-License-Identifier: Apache-2.0
"""Supervised fine-tuning: the start policy stays, no run trains on test prompts, a resumed run ends at the same weights."""

from __future__ import annotations

import pytest
import torch

import app
from data import Store
from data.errors import BadInput
from data.run_context import Cancelled, RunContext
from data.settings import as_dict, parse_settings
from data.splits import split_of
from data.tables.instructions import instruction_prompt
from reward.base.adapters import read_adapter
from reward.base.frozen_base import Base
from rlhf.methods.sft import run
from rlhf.models.finetuning import merge_parent
from rlhf.models.policy_loading import Bases, load_policy
from rlhf.pages.runs import view as run_view
from rlhf.settings import SFTSettings
from tests.support.tiny_model import make_tiny_model
from tests.support.tuning import FAST, TASKS, TEST, TRAIN


def fill(store, base_folder):
    """40 training rows of different lengths, and rows of test prompts that nobody may train on."""
    store.policies.add(name="base", kind="base", base=str(base_folder))
    store.instructions.add_many(
        {"instruction": text, "output": f"Dear Mina, thank you{' so much' * (number % 5)}.", "source": "test"}
        for number, text in enumerate(TRAIN[:40] + TEST)
    )
    return store


@pytest.fixture
def taught(store, base_folder):
    return fill(store, base_folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, base_folder):
    """(store, context, result) of a run over ten epochs, so that the curve has points."""
    store = fill(Store(tmp_path_factory.mktemp("home")), base_folder)
    settings = parse_settings(SFTSettings, {**as_dict(FAST), "epochs": 5})
    context = context_of(store, settings)
    yield store, context, run(context, settings)
    store.close()


def context_of(store, settings, **about):
    return RunContext(store, store.runs.enqueue("sft", as_dict(settings), "test", **about))


def weights_of(store, result):
    return read_adapter(store.home / store.policies.get(result.produced[0]).adapter)[1]


def logits(base, role, prompt, answer):
    ids = torch.tensor([base.encode_prompt(prompt) + base.encode_completion(answer)])
    with torch.no_grad(), base.role(role):
        return base.logits(base.hidden(ids, torch.ones_like(ids, dtype=torch.bool)))


def test_the_loss_falls_and_the_policy_records_its_parent(finished):
    store, context, result = finished
    losses = [value for _, value in store.metrics.series(context.run.id, "loss")]
    assert len(losses) == 5  # 10 steps an epoch, logged every 10
    assert losses[-1] < losses[0] / 2
    assert list(context.folder.iterdir()) == []  # no checkpoint stays behind
    policy = store.policies.get(result.produced[0])
    assert (policy.kind, policy.parent_id, policy.run_id, policy.seed) == ("sft", 1, context.run.id, 0)
    assert policy.versions["chat_template"] == Base.load(policy.base).tokenizer.chat_template
    assert (result.report["rows"], result.report["too_long"]) == (40, 0)


def test_rows_of_test_prompts_are_left_out_of_the_snapshot(finished):
    store, _, result = finished
    rows = store.snapshots.rows(store.policies.get(result.produced[0]).snapshot_id)
    assert [row["instruction"] for row in rows] == TRAIN[:40]


def test_a_taught_answer_is_likelier_under_the_new_policy(finished):
    store, _, result = finished
    bases = Bases()
    role = load_policy(store, bases, result.produced[0])
    base = bases.of(store.policies.get(result.produced[0]))
    prompt, answer = TEST[0], "Dear Mina, thank you so much."
    ids = torch.tensor(base.encode_completion(answer))
    likelihood = [
        logits(base, name, prompt, answer)[0, -len(ids) - 1 : -1].log_softmax(-1).gather(1, ids[:, None]).sum().item()
        for name in (None, role)
    ]
    assert likelihood[1] > likelihood[0] + 10  # nats


def test_a_resumed_run_ends_at_the_weights_of_an_uninterrupted_one(taught, monkeypatch):
    settings = parse_settings(SFTSettings, {**as_dict(FAST), "from": "p1"})
    whole = run(context_of(taught, settings), settings)
    first = context_of(taught, settings)
    monkeypatch.setattr(first, "cancelled", lambda: first.store.runs.get(first.run.id).done >= 3)
    monkeypatch.setattr("data.run_context.PROGRESS_SECONDS", 0.0)
    with pytest.raises(Cancelled):
        run(first, settings)
    assert list((first.folder / "checkpoint").glob("checkpoint-3"))
    assert taught.policies.count() == 2
    taught.instructions.add(TRAIN[50], "A row that came later.", source="test")
    second = run(context_of(taught, settings, resumes=first.run.id), settings)
    one, two = (weights_of(taught, result) for result in (whole, second))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_max_steps_stops_early_and_zero_means_all_epochs(taught):
    for steps, done in ((2, 2), (0, 10)):  # 40 rows, 4 a step
        settings = parse_settings(SFTSettings, {**as_dict(FAST), "from": "p1", "max_steps": steps})
        context = context_of(taught, settings)
        run(context, settings)
        assert taught.runs.get(context.run.id).done == done
    with pytest.raises(BadInput, match="max_steps=-1 is out of range"):
        parse_settings(SFTSettings, ["max_steps=-1"])


def test_a_policy_tuned_from_another_one_keeps_its_adapter(taught, base_folder):
    base = Base.load(base_folder)
    base.add_adapter("first")
    for matrix in base.parameters("first"):
        matrix.data.normal_(std=0.3)
    base.save_adapter("first", taught.home / "made")
    parent = taught.policies.publish(taught.home / "made", name="first", kind="sft", base=str(base_folder))
    # a rate of nothing: what comes out is the parent itself
    settings = parse_settings(
        SFTSettings, {**as_dict(FAST), "from": parent.public, "learning_rate": 1e-12, "max_steps": 1}
    )
    result = run(context_of(taught, settings), settings)
    bases = Bases()
    roles = [load_policy(taught, bases, id) for id in (parent.public, result.produced[0])]
    before, after = (logits(bases.of(parent), role, "Say hi.", "Sure.") for role in roles)
    assert torch.allclose(before, after, atol=1e-4)
    assert not torch.allclose(before, logits(bases.of(parent), None, "Say hi.", "Sure."), atol=1e-1)


def test_a_base_without_pad_token_and_template_is_tuned_too(taught, tmp_path):
    folder = make_tiny_model("gpt2", tmp_path / "gpt2", pad=False, chat=False)
    policy = taught.policies.add(name="gpt2", kind="base", base=str(folder))
    settings = parse_settings(SFTSettings, {**as_dict(FAST), "from": policy.public, "max_steps": 1})
    assert (
        taught.policies.get(run(context_of(taught, settings), settings).produced[0]).versions["chat_template"] is None
    )


@pytest.mark.parametrize(
    ("kind", "rows", "problem"),
    [
        ("instructions", [TRAIN[0], TEST[0]], "1 of 2 rows are of test prompts in snapshot s1"),
        ("prompts", [TRAIN[0]], "snapshot s1 holds prompts"),
    ],
)
def test_a_snapshot_with_test_prompts_is_refused_and_queues_nothing(taught, capsys, kind, rows, problem):
    frozen = [{"instruction": text, "input": "", "output": "Sure."} for text in rows]
    snapshot = taught.snapshots.freeze(kind, frozen, {})
    settings = parse_settings(SFTSettings, [f"snapshot={snapshot.public}"])
    with pytest.raises(BadInput, match=problem):
        run(context_of(taught, settings), settings)
    runs = len(taught.runs.all())
    assert app.main(["train", "sft", "--set", f"snapshot={snapshot.public}", "--home", str(taught.home)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert problem in line
    assert len(taught.runs.all()) == runs


def test_a_test_prompt_is_recognised_with_its_input(taught):
    text = next(
        text for text in TASKS if split_of(text) == "train" and split_of(instruction_prompt(text, "kindly")) == "test"
    )
    snapshot = taught.snapshots.freeze(
        "instructions", [{"instruction": text, "input": "kindly", "output": "Sure."}], {}
    )
    settings = parse_settings(SFTSettings, [f"snapshot={snapshot.public}"])
    with pytest.raises(BadInput, match="1 of 1 rows"):
        run(context_of(taught, settings), settings)


def test_a_policy_is_tuned_on_top_of_the_one_it_starts_from(base_folder, tmp_path):
    """Before the first step the model in training is the parent, not the bare base."""
    torch.manual_seed(2)
    base = Base.load(base_folder)
    base.add_adapter("first")
    for matrix in base.parameters("first"):
        matrix.data.normal_(std=0.3)
    base.save_adapter("first", tmp_path / "first")
    ids = torch.tensor([base.encode_prompt("Say hi.")])
    merged = merge_parent(Base.load(base_folder), tmp_path / "first")
    with torch.no_grad(), base.role("first"):
        expected = base.logits(base.hidden(ids, torch.ones_like(ids, dtype=torch.bool)))
        assert torch.allclose(merged(input_ids=ids).logits, expected, atol=1e-3)
    with torch.no_grad(), base.role(None):
        assert not torch.allclose(
            merged(input_ids=ids).logits,
            base.logits(base.hidden(ids, torch.ones_like(ids, dtype=torch.bool))),
            atol=0.5,
        )


def test_a_row_is_shown_as_text_and_as_tokens_with_the_counted_ones_marked(finished):
    store, context, _ = finished
    samples = store.metrics.samples(context.run.id)
    assert len(samples) == 3
    shown = samples[-1]  # the newest stands first
    assert shown["text"] == "Dear Mina, thank you."
    counted = "".join(piece for piece, counts in shown["tokens"] if counts)
    assert counted == "Dear Mina, thank you.<|end|>"
    assert shown["prompt"] == "".join(piece for piece, counts in shown["tokens"] if not counts)
    html = run_view.draw_samples(store, store.runs.get(context.run.id))
    assert "<mark>&lt;|end|&gt;</mark>" in html
    assert "marked ones count in the loss" in html
