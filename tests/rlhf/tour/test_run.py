# SPDX-License-Identifier: Apache-2.0
"""The whole tour on a tiny random base, with every stage in this process, and one stage in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import app
from data import Store
from data.settings import as_dict
from rlhf.settings import SampleSettings
from rlhf.tour.document import TourResult
from rlhf.tour.stages import (
    FULL,
    QUICK,
    TWO_CPUS,
    StageFailed,
    Tour,
    TourEnvironment,
    prepare_home,
    work_in_process,
)
from tests.support import ROOT
from tests.support.tiny_tour import PLAN, narrator


def test_the_document_has_the_shape_of_the_contract(findings: TourResult) -> None:
    tour_document = json.loads(json.dumps(findings.document))
    assert set(tour_document) == {"seed", "starter", "labels", "stages", "reward", "ppo", "best_of_8"}
    assert set(tour_document["stages"]) == {"sample", "label", "reward", "ppo", "compare"}
    assert all(set(spent) == {"seconds", "peak_mb"} for spent in tour_document["stages"].values())
    assert set(tour_document["reward"]) == {
        "accuracy",
        "ci",
        "ceiling",
        "agreement",
        "length_baseline",
        "fit_accuracy",
        "skill",
    }
    assert {
        "win_rate",
        "win_rate_ci",
        "win_rate_noisy",
        "kl",
        "kl_per_step",
        "reward_per_step",
        "gold_start",
        "gold_end",
        "fit_start",
        "fit_end",
        "checkpoint",
    } <= set(tour_document["ppo"])
    assert {"win_rate", "by_gold", "constant_answer"} <= set(tour_document["best_of_8"])
    assert len(tour_document["ppo"]["reward_per_step"]) == 2
    assert (
        tour_document["ppo"]["gold_per_look"] is None
    )  # the starter's rubric does not know this environment's prompts


def test_every_label_is_marked_simulated_and_some_measure_on_test_prompts(findings: TourResult) -> None:
    store = Store(findings.home)
    assert findings.document["labels"] == store.comparisons.count("simulated") == 66
    assert store.comparisons.count("person") == 0
    splits = [store.prompts.get(pair.prompt_id).split for pair in store.pairs.all()]
    assert 0.1 < splits.count("test") / len(splits) < 0.2
    assert findings.document["reward"]["accuracy"] is not None


def test_two_labelers_judge_one_pair_in_ten_so_that_agreement_is_measured(findings: TourResult) -> None:
    judged = Counter(row["pair_id"] for row in Store(findings.home).rows("SELECT pair_id FROM comparisons"))
    assert set(judged.values()) == {1, 2}
    agreement = findings.document["reward"]["agreement"]
    assert agreement["pairs"] == list(judged.values()).count(2) > 0
    assert 0 <= agreement["rate"] <= 1


def test_the_ring_leaves_models_runs_and_an_evaluation_with_their_lineage(findings: TourResult) -> None:
    store = Store(findings.home)
    assert [run.kind for run in reversed(store.runs.all())] == ["sample", "reward", "ppo", "compare"]
    trained = store.policies.all()[-1]
    assert (trained.kind, trained.parent_id, trained.reward_model_id) == ("ppo", 1, 1)
    assert store.evaluations.latest(trained.id, 1, "rubric").report["win_rate"] == findings.document["ppo"]["win_rate"]


def test_a_stage_that_fails_ends_the_tour(store: Store, environment: TourEnvironment) -> None:
    def fail(store: Store, queued, watch) -> float:
        store.runs.claim()
        store.runs.finish(queued.id, "failed", error="no memory")
        return 0.0

    tour = Tour(store, PLAN, 0, TourEnvironment(environment.register, environment.score, fail), narrator())
    with pytest.raises(StageFailed, match="no memory"):
        tour.run("sample", "sample")


def test_a_stage_in_a_process_of_its_own_is_measured(store: Store, environment: TourEnvironment) -> None:
    environment.register(store)
    settings = as_dict(SampleSettings(prompts=2, max_new_tokens=4))
    queued = store.runs.enqueue("sample", settings, "test")
    assert work_in_process(store, queued, lambda run: None) > 50
    run = store.runs.get(queued.id)
    assert (run.state, run.error) == ("done", None)
    assert run.report["pairs"] == 2


def test_the_tour_itself_holds_no_model() -> None:
    """Its own process starts the stages and writes the report: models are loaded in the stages' processes only."""
    code = "import sys, rlhf.tour.command, rlhf.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("labels", [0, -5])
def test_a_tour_without_labels_is_refused_in_one_line_before_a_folder_is_made(
    tmp_path: Path, capsys, labels: int
) -> None:
    assert app.main(["tour", "--labels", str(labels), "--home", str(tmp_path / "new")]) == 2
    assert capsys.readouterr().err == f"{labels} is too few (field 'labels'). Give at least 1.\n"
    assert not (tmp_path / "new").exists()


def test_no_tour_gives_more_than_two_thousand_labels() -> None:
    assert QUICK.labels < FULL.labels <= 2000


@pytest.mark.parametrize(("cores", "gpu", "shared"), [(2, False, True), (1, False, False), (8, True, False)])
def test_a_tour_shares_ppo_among_two_processes_where_there_is_a_second_core_and_no_gpu(
    tmp_path, monkeypatch, cores, gpu, shared
):
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    monkeypatch.setattr("data.starter.register", lambda store: None)
    prepare_home(Store(tmp_path))
    sizes = tmp_path / "accelerate.yaml"
    assert sizes.read_bytes() == TWO_CPUS.read_bytes() if shared else not sizes.exists()
