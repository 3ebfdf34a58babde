# SPDX-License-Identifier: Apache-2.0
"""Rows for fine-tuning: labels, the context limit, imported chats, and packing."""

from __future__ import annotations

import json

import pytest

import app
from data.errors import BadInput
from reward.base.frozen_base import Base
from rlhf.methods.sft import build_trainer, check_packing
from rlhf.methods.sft_rows import row_prompts, tokenize
from tests.support.tuning import FAST, TRAIN


def test_labels_count_only_the_answer_and_its_end(base_folder, tmp_path):
    base = Base.load(base_folder)
    rows = [{"output": output} for output in ("A fox and a lamp.", "no.")]
    data, _ = tokenize(base, ["Name two animals."] * 2, [row["output"] for row in rows])
    trainer = build_trainer(tmp_path, FAST, base.causal, base, data)
    batch = trainer.data_collator([trainer.train_dataset[0], trainer.train_dataset[1]])
    prompt = base.encode_prompt("Name two animals.")
    for ids, labels, row in zip(batch["input_ids"], batch["labels"], rows, strict=True):
        answer = base.encode_completion(row["output"])
        assert labels[labels != -100].tolist() == answer
        assert answer[-1] in base.eos_ids
        assert ids[: len(prompt) + len(answer)].tolist() == prompt + answer


def test_a_row_beyond_the_context_is_left_out_and_counted(base_folder):
    base = Base.load(base_folder)
    data, too_long = tokenize(base, ["Say hi.", "very long " * 200], ["Sure."] * 2)
    assert (len(data), too_long) == (1, 1)
    with pytest.raises(BadInput, match="every instruction row is longer than the base model's context of 256 tokens"):
        tokenize(base, ["very long " * 200], ["Sure."])


def test_an_imported_chat_is_trained_turn_by_turn(store, base_folder, tmp_path):
    """Earlier turns stand in the template's own frames, as when the conversation is answered; only the last answer counts."""
    turns = [
        {"role": "user", "content": "Name two."},
        {"role": "assistant", "content": "A fox."},
        {"role": "user", "content": "Another?"},
    ]
    file = tmp_path / "chats.jsonl"
    file.write_text(json.dumps({"messages": [*turns, {"role": "assistant", "content": "A lamp."}]}))
    assert app.main(["import", str(file), "--as", "instructions", "--home", str(store.home)]) == 0
    (row,) = store.instructions.all()
    base = Base.load(base_folder)
    data, _ = tokenize(base, row_prompts(store, [{"instruction": row.instruction, "input": row.input}]), [row.output])
    assert data[0]["input_ids"] == base.encode_prompt(turns) + base.encode_completion("A lamp.")
    assert [label for label in data[0]["labels"] if label != -100] == base.encode_completion("A lamp.")


def test_packed_rows_give_the_loss_of_padded_ones(base_folder, tmp_path):
    base = Base.load(base_folder)
    data, _ = tokenize(base, TRAIN[:4], ["Sure.", "no.", "Dear Mina, thank you so much.", "A fox."])
    losses = []
    for packing in (False, True):
        trainer = build_trainer(
            tmp_path / str(packing), FAST, Base.load(base_folder).causal, base, data, packing=packing
        )
        trainer.model.eval()
        batch = trainer._prepare_inputs(trainer.data_collator([trainer.train_dataset[number] for number in range(4)]))
        assert len(batch["input_ids"]) == (1 if packing else 4)
        losses.append(trainer.compute_loss(trainer.model, batch).item())
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_packing_is_refused_for_a_base_whose_rows_attend_to_each_other(base_folder, tmp_path, monkeypatch):
    base = Base.load(base_folder)
    data, _ = tokenize(base, TRAIN[:3], ["Sure."] * 3)
    trainer = build_trainer(tmp_path, FAST, base.causal, base, data, packing=True)
    check_packing(trainer)
    plain = base.causal.forward  # a base that takes no heed of positions: one row of tokens, each seeing all before it
    monkeypatch.setattr(base.causal, "forward", lambda *given, position_ids=None, **more: plain(*given, **more))
    with pytest.raises(BadInput, match="joined rows attend to each other"):
        check_packing(trainer)
