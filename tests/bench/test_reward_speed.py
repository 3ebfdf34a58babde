# SPDX-License-Identifier: Apache-2.0
"""The bench of reward-model training reads its public data rightly, and says in one line what it lacks."""

from __future__ import annotations

from tests.bench.reward_speed import FILES, FOLDER, pandalm, reward_speed

ITEM = {"instruction": "Say hello.", "input": "", "response1": "Hello!", "response2": "No."}


def votes(*verdicts, **changes):
    return ITEM | {f"annotator{number}": verdict for number, verdict in enumerate(verdicts, start=1)} | changes


def test_without_its_data_the_bench_says_what_is_missing_and_how_to_give_it(tmp_path, monkeypatch):
    monkeypatch.delenv(FOLDER, raising=False)
    assert reward_speed(tmp_path)["missing"] == f"{', '.join(FILES)}: set {FOLDER} to a folder that holds them"
    (tmp_path / FILES[0]).write_text("[]")
    monkeypatch.setenv(FOLDER, str(tmp_path))
    assert reward_speed(tmp_path)["missing"] == f"{FILES[1]}: set {FOLDER} to a folder that holds them"


def test_the_majority_of_three_annotators_decides_and_ties_are_left_out():
    items = [
        votes(1, 1, 2),
        votes(2, 0, 2),
        votes(0, 0, 1),
        votes(0, 1, 2),
        votes(1, 1, 1, response2=None),
        votes(1, 1, 1, response2="Hello!"),
    ]
    assert [row.label for row in pandalm(items)] == [1.0, 0.0]
