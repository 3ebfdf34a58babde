# SPDX-License-Identifier: Apache-2.0
"""A model's thoughts are folded wherever a researcher's page shows an answer, as on the labeler's pages."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from data.tables.catalogue import Entry
from data.thoughts import join_thoughts
from labeling.texts.answers import draw_answer
from labeling.texts.reader import writing_in
from reward.report.view import disagreements_html
from rlhf.pages.clinic_view import _rated_row
from rlhf.pages.data_view import LONGEST, _entry
from rlhf.pages.disputes_view import draw_dispute
from rlhf.pages.policies.answers import draw_answers
from rlhf.pages.runs.view import draw_samples
from rlhf.tour.report import _examples

ANSWER = join_thoughts("A <b>fox</b>?", "A <i>lamb</i>.")
FOLDED = (
    "<details class=thoughts dir=auto><summary>The model's thoughts</summary>"
    "<div dir=auto>A &lt;b&gt;fox&lt;/b&gt;?</div></details>A &lt;i&gt;lamb&lt;/i&gt;."
)


@pytest.fixture
def pair(store):
    """A pair of answers by the policy p1; the second has thoughts."""
    policy = store.policies.add(name="thinker", kind="sft", base="b", adapter="a")
    prompt = store.prompts.add("Name an animal.", source="test")
    run = store.runs.enqueue("sample", {}, "rae")
    rows = [
        {"prompt_id": prompt.id, "model_name": "thinker", "policy_id": policy.id, "text": text, "number": number}
        | {"token_ids": [number]}
        for number, text in enumerate(("A plain one.", ANSWER))
    ]
    return store.pairs.add(prompt.id, *store.completions.add_many(rows, run.id))


def test_the_store_s_answers_are_folded(store, pair):
    assert FOLDED in draw_dispute(store, pair, 1)
    assert FOLDED in draw_samples(store, store.runs.get(1))
    assert FOLDED in draw_answers(store, store.policies.get("p1"))


def test_the_answers_of_reports_and_rows_are_folded():
    row = {"prompt": "Name one.", "preferred": ANSWER, "model_prefers": "No.", "margin": 1, "difference": 1.0}
    assert FOLDED in disagreements_html(SimpleNamespace(report={"worst": [row]}), {})
    assert FOLDED in _rated_row({"task": "Name one.", "answer": ANSWER, "points": 5.0})
    assert FOLDED in _examples({"examples": [{"prompt": "Name one.", "start": ANSWER, "end": "No."}]})[0][1]


def test_a_long_answer_is_cut_behind_its_thoughts():
    entry = Entry(1, "Name one.", join_thoughts("x" * 2 * LONGEST, "A lamb."), "", "test", "train", "2026-01-01")
    assert "</details>A lamb.</div>" in _entry(entry)


def test_thoughts_are_titled_in_the_reader_s_language():
    assert "모델의 생각 과정" in draw_answer("ko", ANSWER)
    with writing_in("ko"):
        assert "모델의 생각 과정" in _rated_row({"task": "Name one.", "answer": ANSWER, "points": 5.0})
