# SPDX-License-Identifier: Apache-2.0
"""The best pass of a LoRA training: the one after which comparisons of validation prompts are most likely."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from data.run_context import Cancelled
from data.settings import parse_settings
from data.views.frozen_rows import split_preferences
from data.views.preferences import preference_rows
from reward.base.frozen_base import Base
from reward.model import RewardModel
from reward.report.passes import passes_text
from reward.settings import RewardSettings
from reward.training import fit as fitting
from reward.training.callback import Progress
from reward.training.fit import Start, build_trainer, fit, keeps_best_pass
from reward.training.method import _loss, save_fitted
from reward.training.prompt_groups import grade
from reward.training.rows import RowEncoder
from tests.support.labeled_notes import context_of

QUICK = parse_settings(
    RewardSettings, ["batch_size=8", "rank=4", "learning_rate=0.01", "likelihood=bradley-terry", "labels=import"]
)
HELD = 12


@pytest.fixture(autouse=True)
def _few_are_enough(monkeypatch):
    monkeypatch.setattr(fitting, "WATCHED", HELD)
    monkeypatch.setattr(fitting, "SEEN", 1000)


def rows_of(store, base, *, wrong):
    """Return training rows, and the last twelve of them held out: with the other answer preferred if `wrong`."""
    encode = RowEncoder(base).encode
    training, _ = split_preferences(preference_rows(store, source="import"))
    encoded = training.map(encode)
    rest = encoded.take(range(len(encoded) - HELD))
    held = list(encoded.take(range(len(encoded) - HELD, len(encoded))))
    if wrong:
        held = [replace(one, row=replace(one.row, label=1 - one.row.label)) for one in held]
    return rest, held


@pytest.mark.parametrize("wrong", [False, True], ids=["like the others", "the other way round"])
def test_the_kept_weights_have_the_lowest_loss_on_held_out_comparisons(labeled, base_folder, tmp_path, wrong):
    """Training makes comparisons the other way round less likely, so the first pass is the best there."""
    base = Base.load(base_folder)
    training, held = rows_of(labeled, base, wrong=wrong)
    fitted = fit(tmp_path / "run", QUICK, base, Start(str(base_folder), None), training, None, held)
    assert len(fitted.losses) == 4
    kept = fitted.losses.index(min(fitted.losses))
    assert kept == 0 if wrong else kept > 0
    save_fitted(tmp_path / "model", base, fitted)
    held = [replace(one, row=replace(one.row, weight=1.0)) for one in held]
    assert _loss(RewardModel.load(tmp_path / "model", base), held) == pytest.approx(fitted.losses[kept], rel=1e-4)


@pytest.mark.parametrize("within", [False, True], ids=["at the end of the first pass", "within the second"])
def test_a_training_that_is_stopped_and_resumed_keeps_the_same_pass(
    labeled, base_folder, tmp_path, monkeypatch, within
):
    base = Base.load(base_folder)
    training, held = rows_of(labeled, base, wrong=True)
    start = Start(str(base_folder), None)
    whole = fit(tmp_path / "whole", QUICK, base, start, training, None, held)
    context = context_of(labeled, QUICK)
    last_step = math.ceil(len(training) / 8) + 2 * within
    steps = iter(range(1, 1000))
    monkeypatch.setattr(context, "cancelled", lambda: next(steps) == last_step)
    with pytest.raises(Cancelled):
        fit(tmp_path / "stopped", QUICK, base, start, training, Progress(context), held)
    for role in list(base.adapters):
        base.drop_adapter(role)
    resumed = fit(tmp_path / "stopped", QUICK, Base.load(base_folder), start, training, None, held)
    assert resumed.losses == whole.losses
    assert all(torch.equal(weight, resumed.weights[name]) for name, weight in whole.weights.items())


def test_a_grade_that_no_training_row_has_chooses_no_pass(labeled, base_folder, tmp_path):
    """The graded likelihood has no outcome for it: eleven comparisons are left, and twelve are needed."""
    base = Base.load(base_folder)
    training, held = rows_of(labeled, base, wrong=False)
    graded = QUICK.model_copy(update={"likelihood": "graded"})
    known = {grade(one.row.label, one.row.margin) for one in training}
    assert {2, 3} <= known
    few = training.matching(lambda one: one.row.margin < 3)
    trainer = build_trainer(tmp_path / "run", graded, base, Start(str(base_folder), None), few, held)
    strong = sum(one.row.margin == 3 for one in held)
    assert (strong > 0, trainer.watched, trainer.best_pass) == (True, 0, None)


def test_a_pass_is_chosen_by_enough_comparisons_and_only_if_the_passes_are():
    assert keeps_best_pass(QUICK, HELD)
    assert not keeps_best_pass(QUICK, HELD - 1)
    assert not keeps_best_pass(QUICK.model_copy(update={"epochs": 2}), HELD)
    assert not keeps_best_pass(QUICK.model_copy(update={"max_steps": 5}), HELD)


def test_the_card_says_which_pass_of_each_member_was_kept():
    method = {"passes": 3, "validation": {"comparisons": 60, "losses": [[0.61, 0.52, 0.55], [0.6, 0.59, 0.58]]}}
    assert passes_text(method) == (
        "pass 2 of 3 kept: its loss on 60 validation comparisons was 0.520, and 0.550 after the last; "
        "pass 3 of 3 kept: its loss on 60 validation comparisons was 0.580, and 0.580 after the last"
    )
    assert [passes_text({"passes": 2}), passes_text({})] == ["2", None]
