# SPDX-License-Identifier: Apache-2.0
"""The fold of the Policies page that keeps the home's placement."""

from __future__ import annotations

import gradio as gr
import pytest

from data import Store
from labeling.accounts.current import acting_as
from reward.placement_settings import DEFAULTS, read_placement
from rlhf.pages.placement import PlacementFold


@pytest.fixture
def fold(store: Store) -> PlacementFold:
    with gr.Blocks():
        return PlacementFold(store, gr.Button().click)


def test_saving_keeps_the_placement_and_leaves_a_row_in_the_audit_list(fold, store):
    with acting_as(store.accounts.add("rae", "researcher")):
        fold.save("cpu", "float32", "none", "eager")
    kept = {"device": "cpu", "dtype": "float32", "quantize": "none", "attention": "eager"}
    assert read_placement(store.home) == kept
    act = store.audit.all()[0]
    assert (act["action"], act["detail"]) == ("placement", kept)


def test_a_device_that_torch_does_not_know_is_refused_and_nothing_is_kept(fold, store):
    answer = fold.save("gpu", "auto", "none", "auto")
    assert "no device" in answer[fold.status]
    assert read_placement(store.home) == DEFAULTS


def test_fields_that_a_person_edits_are_not_filled_again(fold):
    first = fold.refresh("")
    assert {field: first[field] for field in fold.fields.values()} == {
        field: DEFAULTS[key] for key, field in fold.fields.items()
    }
    assert fold.refresh(first[fold.seen]) == gr.skip()
