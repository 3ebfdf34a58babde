# SPDX-License-Identifier: Apache-2.0
"""Settings, instructions and runs of short fine-tunings."""

from __future__ import annotations

from data import Store
from data.settings import as_dict, parse_settings
from data.splits import split_of
from rlhf.kinds import KINDS
from rlhf.runs.worker import work
from rlhf.settings import JudgedSettings, SFTSettings
from tests.support.labeled_notes import fill

FAST = SFTSettings(learning_rate=1e-2, epochs=1.0, rank=2, batch_size=4)


TASKS = [f"Write note number {number} to Mina." for number in range(80)]


TRAIN = [text for text in TASKS if split_of(text) == "train"]


TEST = [text for text in TASKS if split_of(text) == "test"]


FULL = {"from": "p1", "finetuning": "full", "learning_rate": 1e-2, "epochs": 1, "batch_size": 8}
SETTINGS = {"sft": FULL, "dpo": FULL | {"labels": "import"}}


def filled(home, folder):
    """A store with 60 labeled pairs and 24 instruction rows, and the base in `folder` as its only policy."""
    store = fill(Store(home), folder)
    for number in range(24):
        store.instructions.add(f"Thank Mina for thing {number}.", f"Dear Mina, thank you. {number}", source="test")
    return store


def worked(store, kind, settings, **about):
    """Do a run in this process as its worker does; return the ended run."""
    definition = KINDS[kind].settings_class()
    unjudged = {"judge_pairs": 0} if issubclass(definition, JudgedSettings) else {}  # another run would be queued
    parsed = parse_settings(definition, unjudged | settings)
    run = store.runs.enqueue(kind, as_dict(parsed), "test", **about)
    with store.transaction():
        store.runs.claim()
    work(store, store.runs.get(run.id), KINDS[kind])
    return store.runs.get(run.id)
