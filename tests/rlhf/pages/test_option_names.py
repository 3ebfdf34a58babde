# SPDX-License-Identifier: Apache-2.0
"""Errors on the researcher's pages name fields of the page where the command names options."""

from __future__ import annotations

import json
from html import unescape

import gradio as gr
import pytest

from data.errors import BadInput
from labeling.accounts.current import acting_as
from labeling.texts.pages import text
from reward.report.view import message_html
from rlhf.pages.data import DataPage
from rlhf.pages.export import make_file
from rlhf.pages.upload import FOLDER

GOOD = {"prompt": "Hi", "chosen": "Hello.", "rejected": "No."}
UNVOTED = {"instruction": "Hi", "completions": [{"response": text, "model": "m"} for text in "ab"]}
NO_PROMPT = {"chosen": "The sky is blue", "rejected": "The sky is green"}


@pytest.fixture
def shown(store):
    """shown(rows) -> the page's words about a file of these preferences: its preview, and the error of its import."""
    with gr.Blocks():
        page = DataPage(store, gr.Button().click)
    (store.home / FOLDER).mkdir(exist_ok=True)
    rae = store.accounts.add("rae", "researcher")

    def show(rows):
        (store.home / FOLDER / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        with acting_as(rae):
            preview = page.show_preview("rows.jsonl", "preferences")[page.preview]
            return unescape(preview), unescape(page.import_file("rows.jsonl", "preferences", None, False)[page.status])

    return show


@pytest.mark.parametrize(
    ("rows", "in_preview", "in_error"),
    [
        ([GOOD, GOOD | {"label": 1}], "(“Columns of the file: label=” leaves it out)", "with “Leave bad rows out”."),
        ([UNVOTED], "(“Kind of rows: pairs to label”)", "(“Kind of rows: pairs to label”)"),
        ([GOOD, GOOD | {"prompt": ""}, {"x": 1}], "'prompt' is empty", "1 other reason, see “Preview”"),
        ([{"promt": "Hi", "chosen": "a", "rejected": "b"}], "has no 'prompt'", "“Columns of the file: prompt=promt”."),
        ([NO_PROMPT], "--format trl-implicit of the command import takes", "of the command import takes"),
    ],
)
def test_an_import_that_fails_names_the_fields_of_the_page(shown, rows, in_preview, in_error):
    preview, error = shown(rows)
    assert in_preview in preview
    assert in_error in error
    assert "--" not in (preview + error).replace("--format trl-implicit of the command", "")


def test_an_export_without_rows_names_the_fields_of_the_pages(store, shown):
    shown([GOOD])
    line = unescape(make_file(store, "preferences", "trl", "simulated", by="rae"))
    assert f"labels=import when training, “{text('export.labels')}: import” when exporting." in line


def test_a_setting_of_a_run_has_the_name_of_its_field():
    problem = BadInput("there is no policy", "Import one: preference-loop import FOLDER --as policy.")
    assert "Import one with the command import." in message_html(problem)
    assert "Name one: reward=r1" in message_html(
        BadInput("judge=reward needs a reward model", "Name one: --set reward=r1")
    )
