"""Studies carry on where they were broken off; the figure of labels per second counts what it says; which figures `make bench` measures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench import figures
from tests.bench.__main__ import chosen
from tests.study import Study, carry_on, known


def test_a_study_measures_only_the_seeds_that_are_missing(tmp_path: Path) -> None:
    asked = []

    def measure(folder: Path, *, seed: int) -> dict:
        assert list(folder.iterdir()) == []
        asked.append(seed)
        return {"value": 10 * seed}

    path = tmp_path / "results" / "name.jsonl"
    carry_on(Study(measure, (1, 2)), path)
    carry_on(Study(measure, (1, 2, 3)), path)
    assert asked == [1, 2, 3]
    assert known(path) == [{"seed": seed, "value": 10 * seed} for seed in (1, 2, 3)]


def test_a_seed_that_fails_leaves_those_before_it(tmp_path: Path) -> None:
    def measure(folder: Path, *, seed: int) -> dict:
        return {"value": 1 // (2 - seed)}

    path = tmp_path / "name.jsonl"
    with pytest.raises(ZeroDivisionError):
        carry_on(Study(measure, (1, 2)), path)
    assert [row["seed"] for row in known(path)] == [1]


def test_a_line_that_was_broken_off_is_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "name.jsonl"
    path.write_text(json.dumps({"seed": 1, "value": 0}) + "\n" + '{"seed": 2, "val', encoding="utf-8")
    carry_on(Study(lambda folder, *, seed: {"value": 7}, (1, 2)), path)
    assert known(path) == [{"seed": 1, "value": 0}, {"seed": 2, "value": 7}]


def test_labels_per_second_answers_every_waiting_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "PAIRS", 5)
    found = figures.labels_per_second(tmp_path)
    assert found["labels"] == 5
    assert found["per_second"] > 0


def test_a_figure_asked_for_by_name_is_measured_at_its_full_size() -> None:
    everything = chosen(None)
    assert set(figures.FIGURES) - set(everything) == figures.ALONE
    assert everything["kill9"].keywords == {"kills": 20}
    assert chosen("kill9") == {"kill9": figures.FIGURES["kill9"]}
    assert set(figures.SMALLER) <= set(figures.FIGURES)
