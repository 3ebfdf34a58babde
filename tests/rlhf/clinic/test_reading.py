# SPDX-License-Identifier: Apache-2.0
"""Readings of rows against a hand computation: losses, IFD, vectors and cuts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reward.base.frozen_base import Base
from rlhf.clinic.reading import LOSSES, encode_row, loss_summary, read_rows
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_model("llama", tmp_path_factory.mktemp("model"))


def losses_by_hand(base: Base, prompt: list[int], answer: list[int]) -> list[float]:
    """Return -log p of each token of the answer, by one forward pass without padding."""
    with torch.no_grad():
        logits = base.causal(input_ids=torch.tensor([prompt + answer])).logits[0].double()
    logps = logits.log_softmax(-1)
    return [-logps[len(prompt) - 1 + place, token].item() for place, token in enumerate(answer)]


def test_ifd_divides_the_loss_after_the_instruction_by_the_loss_after_none(model):
    base = Base.load(model)
    rows = [
        encode_row(base, "Thank Mina.", "", "Dear Mina, thank you."),
        encode_row(base, "Name two animals, please.", "wild", "A fox."),
    ]
    reading = read_rows(base, rows, batch_size=2, on_progress=lambda done: None)
    for row, losses in zip(rows, reading.losses, strict=True):
        after, alone = (
            losses_by_hand(base, row.prompt, row.answer),
            losses_by_hand(base, base.encoding.encode_template(""), row.answer),
        )
        figures = dict(zip(LOSSES, losses, strict=True))
        assert figures["ifd"] == pytest.approx(np.mean(after) / np.mean(alone), rel=1e-4)
        assert figures["loss"] == pytest.approx(np.mean(after), rel=1e-4)
        assert figures["end_loss"] == pytest.approx(after[-1], rel=1e-4)


def test_vectors_are_means_of_hidden_states_in_any_batch(model):
    base = Base.load(model)
    row = encode_row(base, "Thank Mina.", "", "Dear Mina.")
    other = encode_row(
        base, "A much longer instruction that pads the batch.", "", "And a much longer answer to it, too."
    )
    ids, mask = base.collate([row.prompt + row.answer])
    with torch.no_grad():
        states = base.hidden(ids, mask)[0]
    reading = read_rows(base, [other, row], batch_size=2, on_progress=lambda done: None)
    np.testing.assert_allclose(reading.instructions[1], states[: len(row.prompt)].mean(0), atol=1e-5)
    np.testing.assert_allclose(reading.answers[1], states[len(row.prompt) :].mean(0), atol=1e-5)


def test_a_row_longer_than_the_context_keeps_the_beginning_of_its_answer(model):
    base = Base.load(model)
    row = encode_row(base, "word " * 400, "", "many words " * 400)
    assert len(row.prompt) + len(row.answer) <= base.context
    assert row.answer == base.encode_completion("many words " * 400)[: len(row.answer)]
    assert len(row.prompt) >= base.context // 4


def test_the_loss_summary_matches_a_hand_computation():
    assert loss_summary(np.array([1.0, 3.0]), np.array([4.0, 4.0])).tolist() == [2.0, 4.0, 0.5, 2.0, 3.0, 3.0, -1.0]
