# SPDX-License-Identifier: Apache-2.0
"""Rows that runs make on a node are those of the same runs here, each once. Both homes begin as copies."""

from __future__ import annotations

import shutil

import pytest

from data import Store
from data.errors import BadInput
from data.settings import as_dict, parse_settings
from rlhf.jobs.bundle import make_bundle
from rlhf.jobs.job_home import Claimed, make_job
from rlhf.jobs.result_rows import Rows, publish_rows
from rlhf.jobs.results import pack_end, publish_end
from rlhf.kinds import KINDS
from rlhf.runs.launch import enqueue
from rlhf.runs.worker import work
from tests.support.jobs.reports import without_times
from tests.support.labeled_notes import fill
from tests.support.tiny_model import make_ending_model

SHORT = {"max_new_tokens": 6}
HEADS = {"method": "heads", "labels": "import", "base": "", "guard": "no"}
RUNS = {
    "best-of-n": SHORT | {"from": "p1", "reward": "r1", "n": 2, "validation_prompts": 4, "judge_pairs": 0},
    "sample pairs": SHORT | {"from": "p2", "prompts": 8, "project": "Notes", "priority": 3},
    "sample rankings": SHORT | {"from": "p1", "prompts": 4, "per_prompt": 3, "pairs": "ranking"},
    "sample against": SHORT | {"from": "p2", "against": "p1", "prompts": 4, "until_decided": True},
    "compare": SHORT | {"policies": ["p2"], "judge": "reward", "reward": "r1", "prompts": 3, "best_of": 2},
    "embed": {"from": "p1", "clusters": 3},
}
TABLES = {
    "policies": "id",
    "completions": "rowid",
    "pairs": "id",
    "online_pairs": "pair_id",
    "ranking_tasks": "id",
    "ranking_answers": "task_id, completion_id",
    "evaluations": "id",
}


def work_on_a_node(store: Store, folder, kind: str, given: dict) -> None:
    """Do a run in a job home of its own, and publish its end."""
    run = enqueue(store, kind, given | {"launcher": "worker"}, by="rae")
    store.runs.claim_elsewhere(f"claim-{run.id}", "node", run.id)
    folder.mkdir()
    make_bundle(store, run, folder / "bundle.tar")
    job = make_job(folder / "bundle.tar", folder / "job", Claimed(run.id, None, "token"), "http://server", {})
    there = job.open_store()
    there.runs.claim()
    work(there, job.run(there), KINDS[kind])
    pack_end(job, there, folder / "end.tar")
    there.close()
    publish_end(store, store.runs.get(run.id), folder / "end.tar")
    publish_end(store, store.runs.get(run.id), folder / "end.tar")


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """Return the store whose runs worked here, and the one whose runs worked on a node."""
    folder = tmp_path_factory.mktemp("rows")
    store = fill(Store(folder / "here"), make_ending_model(folder / "base"))
    store.projects.add("Notes")
    for number in range(9):
        store.instructions.add(f"Thank Mina for thing {number}.", "Dear Mina, thank you.", source="test")
    enqueue(store, "reward", HEADS, by="rae")
    work(store, store.runs.claim(), KINDS["reward"])
    store.close()
    shutil.copytree(folder / "here", folder / "there")
    here, there = Store(folder / "here"), Store(folder / "there")
    for name, given in RUNS.items():
        kind = name.split()[0]
        settings = as_dict(parse_settings(KINDS[kind].settings_class(), given))
        enqueue(here, kind, settings, by="rae")
        work(here, here.runs.claim(), KINDS[kind])
        work_on_a_node(there, folder / f"node {name}", kind, settings)
    yield here, there
    here.close()
    there.close()


@pytest.mark.parametrize("number", range(2, 2 + len(RUNS)), ids=list(RUNS))
def test_a_run_on_a_node_reports_what_one_here_reports(homes, number):
    one, other = (store.runs.get(number) for store in homes)
    assert (one.state, one.error, other.state, other.error) == ("done", None, "done", None)
    assert other.produced == one.produced
    assert without_times(other.report) == without_times(one.report)


@pytest.mark.parametrize("table", TABLES)
def test_rows_of_runs_differ_in_nothing_but_their_time(homes, table):
    one, other = (store.rows(f"SELECT * FROM {table} ORDER BY {TABLES[table]}") for store in homes)
    for row in (*one, *other):
        row.pop("created_at", None)
        row |= {"config": row["config"].replace('"worker"', '"local"')} if "config" in row else {}
    assert other == one
    assert one


def test_an_examination_is_equal_byte_by_byte(homes):
    number = 2 + list(RUNS).index("embed")
    one, other = ((store.home / "runs" / str(number) / "examination.npz").read_bytes() for store in homes)
    assert other == one


def test_a_judge_that_drove_a_policy_is_partial_although_its_rows_are_not_sent(homes):
    number = 2 + list(RUNS).index("compare")
    (evaluation,) = homes[1].runs.get(number).report["evaluations"]
    assert evaluation["judge_partial"] == "r1 drove p2"


def test_a_cancelled_sampling_keeps_its_finished_answers(homes, tmp_path):
    store, before = homes[1], homes[1].completions.count()
    given = as_dict(parse_settings(KINDS["sample"].settings_class(), RUNS["sample pairs"] | {"seed": 5}))
    run = enqueue(store, "sample", given | {"launcher": "worker"}, by="rae")
    store.runs.claim_elsewhere("claim-cancelled", "node", run.id)
    make_bundle(store, run, tmp_path / "bundle.tar")
    job = make_job(tmp_path / "bundle.tar", tmp_path / "job", Claimed(run.id, None, "token"), "http://server", {})
    there = job.open_store()
    there.runs.claim()
    work(there, job.run(there), KINDS["sample"])
    there.execute("UPDATE runs SET state = 'cancelled', report = '{}' WHERE id = ?", [run.id])
    pack_end(job, there, tmp_path / "end.tar")
    there.close()
    assert publish_end(store, store.runs.get(run.id), tmp_path / "end.tar").state == "cancelled"
    assert store.completions.count() == before + 16
    assert len([pair for pair in store.pairs.all() if pair.run_id == run.id]) == 8


ANSWER = {"prompt_id": 1, "policy_id": 1, "text": "a", "token_ids": [1], "sampling": {}, "number": 0, "ended": True}


@pytest.mark.parametrize(
    ("kind", "rows", "error"),
    [
        ("sft", {"pairs": [(1, "a", "b")]}, "makes no pairs"),
        ("compare", {"answers": [ANSWER | {"seed": 0}]}, "makes no answers"),
        ("compare", {"evaluations": [{"policy_id": 1, "against_id": 1, "report": {}}]}, "does not compare p1 with p1"),
        ("sample", {"answers": [ANSWER | {"seed": 0, "policy_id": 3}]}, "an answer of p3 is none of run"),
        ("sample", {"answers": [ANSWER | {"seed": 9}]}, "an answer of p1 is none of run"),
        ("sample", {"pairs": [(1, "a", "b")]}, "names the answer"),
    ],
)
def test_rows_that_a_run_cannot_make_are_refused(homes, kind, rows, error):
    store = homes[1]
    given = {"sample": RUNS["sample rankings"], "compare": RUNS["compare"]}.get(kind, {"from": "p1"})
    settings = as_dict(parse_settings(KINDS[kind].settings_class(), given))
    run = store.runs.enqueue(kind, settings, "rae")
    with pytest.raises(BadInput, match=error):
        publish_rows(store, run, Rows.model_validate(rows))


def test_answers_that_another_run_drew_meanwhile_stay_once_and_are_counted(homes):
    store = homes[1]
    settings = as_dict(parse_settings(KINDS["sample"].settings_class(), RUNS["sample rankings"]))
    rows = Rows.model_validate({"answers": [ANSWER | {"seed": 0}, ANSWER | {"seed": 0, "number": 1}]})
    first, second = (store.runs.enqueue("sample", settings, "rae") for _ in range(2))
    before = store.completions.count()
    assert publish_rows(store, first, Rows(answers=rows.answers[:1])) == ({}, [])
    _, (note,) = publish_rows(store, second, rows)
    assert note.startswith("1 of 2 answers were there already")
    assert store.completions.count() == before + 2
