# SPDX-License-Identifier: Apache-2.0
"""Export, name and annotate the reward model on the screen of the Reward page."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from data.errors import BadInput
from data.records import RewardModel
from data.store import Store
from labeling.accounts.current import current_account
from labeling.texts.pages import text
from reward.page import Look, Updates, on_address
from reward.report.view import message_html
from rlhf.pages.components import hidden, html, unchanged
from rlhf.pages.export import draw_files_of
from rlhf.pages.runs.note_form import NoteForm
from rlhf.runs.launch import launch

HEADS = "heads"
"""The method of a reward model without an adapter."""


class RewardActions:
    """The buttons, the exported files and the note. Nothing is shown before there is a reward model."""

    def __init__(self, store: Store, look: Look) -> None:
        self.store = store
        with gr.Row(elem_classes="line"):
            about: dict[str, Any] = {"scale": 0, "visible": False}
            self.adapter = gr.Button(text("reward.export"), elem_id="reward-export", **about)
            self.whole = gr.Button(text("policies.export_model"), elem_id="reward-export-model", **about)
        self.status, self.files = html("reward-status"), html("reward-files")
        self.note = NoteForm(store, "reward")
        self.chosen, self.seen = hidden(), hidden()
        shown = [self.seen, self.adapter, self.whole, self.files, *self.note.outputs()]
        on_address("reward", look, self.refresh, [self.chosen, self.seen, self.note.seen], shown)
        self.note.wire()
        for button, merge in ((self.adapter, False), (self.whole, True)):
            on_address("reward", button.click, partial(self.queue_export, merge=merge), [self.chosen], [self.status])

    def refresh(self, chosen: str, seen: str, noted: str) -> Updates:
        """Show what belongs to the chosen model, else to the newest, when another one is chosen or a file came."""
        models = self.store.reward_models.all()
        named = chosen or (models[-1].public if models else "")
        model = next((model for model in models if model.public == named), None)
        files = "" if model is None else draw_files_of(self.store.home, model.public)
        updates = self.note.show(model.public if model else "", noted)
        if (mark := f"{named} {files}") != seen:
            whole = model is not None and can_merge(model)
            buttons: Updates = {
                self.adapter: gr.Button(visible=model is not None),
                self.whole: gr.Button(visible=whole),
            }
            updates |= {self.seen: mark, self.files: files, **buttons}
        return updates or unchanged()

    def queue_export(self, chosen: str, *, merge: bool) -> str:
        """Queue a run that writes the chosen model, else the newest, as one file."""
        try:
            newest = self.store.reward_models.all()[-1:]
            named = chosen or (newest[0].public if newest else "")
            run = launch(self.store, "export", {"reward": named, "merge": merge}, by=current_account().name)
        except BadInput as problem:
            return message_html(problem)
        return message_html(text("policies.export_queued", run=run.public), run.public)


def can_merge(model: RewardModel) -> bool:
    """Return whether the model is one adapter, which merges into its base; heads and ensembles do not."""
    heads = model.report.get("method", {}).get("method") == HEADS
    return not heads and model.config.get("members", 1) == 1
