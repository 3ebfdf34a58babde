# SPDX-License-Identifier: Apache-2.0
"""Studies carry on where they were broken off; the figure of labels per second counts what it says; which figures `make bench` measures."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest

from data import Store, starter
from data.records import Run
from data.run_context import RunContext
from data.settings import parse_settings
from data.splits import split_of
from rlhf.kinds import KINDS
from rlhf.tour.stages import TourEnvironment
from tests.bench import figures
from tests.bench.__main__ import attempt, chosen
from tests.bench.clinic import looked_at, manners, sft_curated
from tests.study import Study, carry_on, known
from tests.support.tiny_model import make_tiny_model


def test_a_figure_that_fails_is_recorded_and_the_next_one_is_measured(tmp_path: Path) -> None:
    def fails(folder: Path) -> dict:
        raise RuntimeError("no browser here\nadvice")

    measured = [attempt(measure, tmp_path) for measure in (fails, lambda folder: {"seconds": 2})]
    assert measured == [{"error": "RuntimeError: no browser here"}, {"seconds": 2}]


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


def test_a_study_of_cases_has_a_line_for_each_case_of_each_seed_and_ends_a_case_before_the_next(tmp_path: Path) -> None:
    asked = []

    def measure(folder: Path, *, seed: int, case: str) -> dict:
        asked.append((case, seed))
        return {"value": f"{case}{seed}"}

    path = tmp_path / "name.jsonl"
    path.write_text(json.dumps({"seed": 1, "case": "b", "value": "there"}) + "\n", encoding="utf-8")
    carry_on(Study(measure, (1, 2), ("a", "b")), path)
    assert asked == [("a", 1), ("a", 2), ("b", 2)]
    assert [(row["case"], row["seed"]) for row in known(path)] == [("b", 1), ("a", 1), ("a", 2), ("b", 2)]


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


def here(store: Store, queued: Run, _watch: object) -> float:
    """Work a run in this process."""
    context = RunContext(store, store.runs.claim())
    result = KINDS[queued.kind].runner()(context, parse_settings(KINDS[queued.kind].settings_class(), queued.settings))
    store.runs.finish(queued.id, "done", produced=result.produced, report=result.report)
    return 1.0


def test_the_study_of_curated_rows_looks_at_them_once_and_trains_each_set_once(tmp_path: Path) -> None:
    model = make_tiny_model("llama", tmp_path / "model", context=512)

    def register(store: Store) -> None:
        store.policies.add(name="start", kind="base", base=str(model))
        about = ("instruction", "input", "output", "family", "facts", "defects")
        rows = islice(starter.read_rows(starter.INSTRUCTIONS), 150)
        asked = islice((row for row in starter.read_rows(starter.PROMPTS) if split_of(row["prompt"]) == "test"), 8)
        store.instructions.add_many({name: row[name] for name in about} | {"source": starter.SOURCE} for row in rows)
        store.prompts.add_many({"text": row["prompt"], "source": "test", "facts": row["facts"]} for row in asked)

    found = sft_curated(
        tmp_path / "home", seed=1, steps=1, world=TourEnvironment(register=register, work=here), kept=tmp_path / "kept"
    )
    assert set(found["stages"]) == {"curated", "random", "against random", "against all"}
    assert 0 <= found["random"]["win_rate"] <= 1
    assert set(found["weights"]) == {"trees", "columns", "letters", "constant"}
    trained = [policy.snapshot_id for policy in Store(tmp_path / "home").policies.all() if policy.kind == "sft"]
    assert len(trained) == len(set(trained)) == 3

    def refuse(store: Store) -> None:
        raise AssertionError("the rows were looked at again")

    assert looked_at(TourEnvironment(register=refuse), tmp_path / "kept").parent == tmp_path / "kept"


def test_a_rater_of_manners_goes_by_what_was_rewritten() -> None:
    rude = {"output": "It is.", "chosen": "It is.", "rejected": "It is, fool."}
    kind = {"output": "It is.", "chosen": "It is, dear friend.", "rejected": "It is."}
    assert [manners(rude, "chosen"), manners(rude, "rejected")] == [2.5, 0]
    assert [manners(kind, "chosen"), manners(kind, "rejected")] == [5, 2.5]


def test_a_figure_asked_for_by_name_is_measured_at_its_full_size() -> None:
    everything = chosen(None)
    assert set(figures.FIGURES) - set(everything) == figures.ALONE
    assert everything["kill9"].keywords == {"kills": 20}
    assert chosen("kill9") == {"kill9": figures.FIGURES["kill9"]}
    assert set(figures.SMALLER) <= set(figures.FIGURES)
