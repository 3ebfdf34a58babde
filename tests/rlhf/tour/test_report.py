# SPDX-License-Identifier: Apache-2.0
"""The reports of a tour: on the terminal, as a page, and of every method."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from data import Store
from docs.metrics import CURVES
from rlhf.tour.command import render_tour
from rlhf.tour.document import TourResult, tour_document
from rlhf.tour.plots import listed_win_rates, ranked_methods
from rlhf.tour.report import text, write_page
from rlhf.tour.run import run_tour
from rlhf.tour.stages import (
    Tour,
    TourEnvironment,
)
from tests.support import ROOT
from tests.support.tiny_model import make_ending_model
from tests.support.tiny_tour import PLAN, SHORT, TASK, here, letters, narrator


def test_without_best_of_n_its_win_rate_is_null_and_the_reports_say_nothing_about_it(
    findings: TourResult, tmp_path: Path
) -> None:
    one = {name: figure for name, figure in findings.comparison.items() if not name.startswith("best_of_")}
    tour = Tour(Store(findings.home), PLAN, 3, TourEnvironment(), narrator())
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
    folder = make_ending_model(tmp_path_factory.mktemp("ending"), context=160)

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
    plan = replace(PLAN, labels=44, reward={"method": "lora"}, methods=methods)
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


def test_a_failed_stage_is_told_in_one_line() -> None:
    assert (
        render_tour({"run": "run3", "status": "failed", "produced": [], "error": "no memory"})
        == "run3 failed: no memory"
    )


def test_the_reference_of_metrics_lists_every_curve_that_a_run_draws(all_ways: TourResult) -> None:
    store = Store(all_ways.home)
    drawn = {run.kind: set(store.metrics.keys(run.id)) for run in store.runs.all()}
    assert {kind for kind, names in drawn.items() if names} == set(CURVES) - {"pretrain"}
    unknown = {kind: names - set(CURVES.get(kind, ())) for kind, names in drawn.items()}
    assert {kind: names for kind, names in unknown.items() if names} == {}
    missing = {name for kind, names in drawn.items() if names for name in set(CURVES[kind]) - names}
    # the others belong to settings that are off here
    assert [name for name in missing if not CURVES["ppo"][name].endswith(" only")] == []
    store.close()
