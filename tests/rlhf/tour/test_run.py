# SPDX-License-Identifier: Apache-2.0
"""The whole tour on a tiny random base, every stage in this process; its report; and one stage in a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import app
from data import Store
from data.run_context import RunContext
from data.settings import as_dict, parse_settings
from rlhf.evaluation.compare import compare
from rlhf.kinds import KINDS
from rlhf.settings import SampleSettings
from rlhf.tour.command import render_tour
from rlhf.tour.document import TourResult, tour_document
from rlhf.tour.plots import listed_win_rates, ranked_methods
from rlhf.tour.report import text, write_page
from rlhf.tour.run import run_tour, unused_folder
from rlhf.tour.stages import (
    FULL,
    QUICK,
    TWO_CPUS,
    StageFailed,
    Tour,
    TourEnvironment,
    TourPlan,
    prepare_home,
    work_in_process,
)
from tests.support import ROOT
from tests.support.tiny_model import make_tiny_model

SHORT = {"max_new_tokens": 8}
PLAN = TourPlan(
    labels=66,
    sample=SHORT,
    ppo=SHORT | {"max_steps": 2, "batch_size": 32, "epochs": 1, "validation_prompts": 8},
    compare=SHORT | {"prompts": 12, "best_of": 8},
)
TASK = {"family": "capital", "key": "Peru", "answer": "e"}


def letters(facts: dict, text: str, ended: bool) -> dict[str, float]:
    """A trivial rubric: every letter e is worth half a point."""
    return {"fit": 0.5 * text.count("e"), "length": 0.01 * len(text)}


def here(store: Store, queued) -> float:
    """Work a run in this process, comparing by the trivial rubric."""
    context = RunContext(store, store.runs.claim())
    settings = parse_settings(KINDS[queued.kind].settings_class(), queued.settings)
    run = KINDS[queued.kind].runner() if queued.kind != "compare" else lambda *given: compare(*given, letters)
    result = run(context, settings)
    store.runs.finish(queued.id, "done", produced=result.produced, report=result.report)
    return 1.0


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model("llama", tmp_path_factory.mktemp("base"), context=160)


@pytest.fixture(scope="module")
def environment(base: Path) -> TourEnvironment:
    def register(store: Store) -> None:
        store.policies.add(name="start", kind="base", base=str(base))
        store.prompts.add_many({"text": f"Name {n} cats.", "source": "test", "facts": TASK} for n in range(80))

    return TourEnvironment(register, lambda prompt, completion: sum(letters({}, completion.text, True).values()), here)


@pytest.fixture(scope="module")
def findings(environment: TourEnvironment, tmp_path_factory: pytest.TempPathFactory) -> TourResult:
    return run_tour(tmp_path_factory.mktemp("tour"), seed=3, plan=PLAN, environment=environment)


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


def test_without_best_of_n_its_win_rate_is_null_and_the_reports_say_nothing_about_it(
    findings: TourResult, tmp_path: Path
) -> None:
    one = {name: figure for name, figure in findings.comparison.items() if not name.startswith("best_of_")}
    tour = Tour(Store(findings.home), PLAN, 3, TourEnvironment(), lambda line: None)
    quick = tour_document(tour, 66, findings.reward, findings.ppo, {"ppo": one})
    assert set(quick["best_of_8"]) == {"win_rate", "by_gold", "constant_answer"}
    assert (quick["best_of_8"]["win_rate"], quick["best_of_8"]["by_gold"]) == (None, None)
    assert "best of 8" in text(findings.document)
    said = text(quick | {"stages": findings.document["stages"]})
    assert "best of" not in said
    assert "one polite answer to every prompt" in said
    assert write_page(replace(findings, home=tmp_path, document=quick)).is_file()


RECORDED = [
    pytest.param(json.loads(line), id=f"{path.stem}-{json.loads(line)['seed']}")
    for path in sorted((ROOT / "docs" / "results").glob("tour*.jsonl"))
    for line in path.read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("recorded", RECORDED)
def test_every_recorded_document_can_still_be_rendered(recorded: dict) -> None:
    lines = render_tour(recorded).splitlines()
    assert f"seed {recorded['seed']}" in lines[0]
    drawn = recorded["best_of_8"].get("win_rate")
    assert any("best of 8" in line for line in lines) == (drawn is not None)
    assert len(listed_win_rates(recorded)) == 2 + 2 * (drawn is not None) + len(recorded.get("methods", {}))


def test_the_terminal_report_names_the_figures(findings: TourResult) -> None:
    said = text(findings.document)
    assert "66 simulated labels, seed 3" in said
    assert f"{100 * findings.document['ppo']['win_rate']:.1f} %" in said
    assert "None" not in said


@pytest.fixture(scope="module")
def all_ways(tmp_path_factory: pytest.TempPathFactory) -> TourResult:
    """A tour of every way to train, on a base in which every eighth token ends an answer."""
    folder = make_tiny_model("llama", tmp_path_factory.mktemp("ending"), context=160)
    config = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(config | {"eos_token_id": list(range(0, 320, 8))}))

    def register(store: Store) -> None:
        store.policies.add(name="start", kind="base", base=str(folder))
        store.prompts.add_many({"text": f"Name {n} cats.", "source": "test", "facts": TASK} for n in range(80))
        store.instructions.add_many(
            {"instruction": f"Name {n} cats.", "output": "Tom.", "source": "test"} for n in range(8)
        )

    rejection = SHORT | {"prompts_per_round": 4, "n": 2, "rounds": 1}
    methods = {
        "dpo": {"max_steps": 2},
        "rejection": rejection,
        "best-of-n": SHORT | {"n": 2, "validation_prompts": 2},
        "sft": {"max_steps": 1},
    }
    plan = replace(PLAN, labels=44, methods=methods)
    environment = TourEnvironment(
        register, lambda prompt, completion: sum(letters({}, completion.text, True).values()), here
    )
    return run_tour(tmp_path_factory.mktemp("all"), plan=plan, environment=environment, all_methods=True)


def test_a_tour_of_all_ways_compares_them_on_the_same_prompts_and_shows_them_plainly(all_ways: TourResult) -> None:
    methods = json.loads(json.dumps(all_ways.document))["methods"]
    assert set(methods) == {"ppo", "dpo", "rejection", "best-of-n", "sft"}
    assert (methods["best-of-n"]["kl_bound"], methods["dpo"]["kl_bound"]) == (True, False)
    assert all(
        {"seconds", "peak_mb", "win_rate", "win_rate_ci", "kl", "reward_end", "length_end"} <= set(way)
        for way in methods.values()
    )
    assert len({way["gold_start"] for way in methods.values()}) == 1  # the same answers of the start
    store = Store(all_ways.home)
    assert [store.policies.get(number).parent_id for number in (2, 3, 4, 5, 6)] == [1] * 5
    said = text(all_ways.document)
    order = [re.search(rf"^  {name} ", said, re.MULTILINE).start() for name, _ in ranked_methods(all_ways.document)]
    assert order == sorted(order)
    page = write_page(all_ways).read_text(encoding="utf-8")
    assert page.count("<svg ") == 7
    assert "All methods, compared on the same prompts" in page
    assert "rejection" in page


@pytest.fixture(scope="module")
def html(findings: TourResult) -> str:
    """The page of a tour in which the policy wrote markup."""
    example = findings.comparison["examples"][0] | {"end": "<script>alert(1)</script>"}
    path = write_page(replace(findings, comparison=findings.comparison | {"examples": [example]}))
    assert path == findings.home / "report.html"
    return path.read_text(encoding="utf-8")


def test_the_page_shows_its_plots_and_asks_no_other_host(html: str) -> None:
    assert html.count("<svg ") == 6
    assert not re.findall(r"(?:src|href|url)[=(]", html)
    assert "http" not in html


def test_what_a_model_wrote_is_text_on_the_page_and_never_markup(html: str) -> None:
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_a_home_in_use_is_left_alone(tmp_path: Path) -> None:
    assert unused_folder(tmp_path / "new") == tmp_path / "new"
    Store(tmp_path).close()
    assert unused_folder(tmp_path) == tmp_path / "tours" / "1"
    (tmp_path / "tours" / "1").mkdir(parents=True)
    assert unused_folder(tmp_path) == tmp_path / "tours" / "2"


def test_a_stage_that_fails_ends_the_tour(store: Store, environment: TourEnvironment) -> None:
    def fail(store: Store, queued) -> float:
        store.runs.claim()
        store.runs.finish(queued.id, "failed", error="no memory")
        return 0.0

    tour = Tour(store, PLAN, 0, TourEnvironment(environment.register, environment.score, fail), lambda line: None)
    with pytest.raises(StageFailed, match="no memory"):
        tour.run("sample", "sample")


def test_a_stage_in_a_process_of_its_own_is_measured(store: Store, environment: TourEnvironment) -> None:
    environment.register(store)
    settings = as_dict(SampleSettings(prompts=2, max_new_tokens=4))
    queued = store.runs.enqueue("sample", settings, "test")
    assert work_in_process(store, queued) > 50
    run = store.runs.get(queued.id)
    assert (run.state, run.error) == ("done", None)
    assert run.report["pairs"] == 2


def test_the_tour_itself_holds_no_model() -> None:
    """Its own process starts the stages and writes the report: models are loaded in the stages' processes only."""
    code = "import sys, rlhf.tour.command, rlhf.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_failed_stage_is_told_in_one_line() -> None:
    assert (
        render_tour({"run": "run3", "status": "failed", "produced": [], "error": "no memory"})
        == "run3 failed: no memory"
    )


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
