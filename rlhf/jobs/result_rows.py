# SPDX-License-Identifier: Apache-2.0
"""Rows that a run on another machine made: snapshots, answers, pairs, rankings and evaluations.

The caller publishes them in the transaction of the run's end. Their columns come from the run's settings here, and they
name only prompts and models that the run was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from data.errors import Refused
from data.ids import POLICY, SNAPSHOT, parse_id, public_id
from data.records import Policy, Run
from data.store import Store
from labeling.texts.pages import bad_input, stored_line
from rlhf.jobs.bundle import needed_models
from rlhf.models.independence import explain_dependence
from rlhf.sampling.pairing import find_project_id, record_undecided

FROZEN = "SELECT id FROM snapshots WHERE id IN (SELECT snapshot_id FROM snapshot_rows) AND id != ? ORDER BY id"
PAIRS = "SELECT prompt_id, first_id, second_id FROM pairs WHERE run_id = ? ORDER BY id"
TASKS = "SELECT id FROM ranking_tasks WHERE run_id = ? ORDER BY id"


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Imitated(_Row):
    """An instruction row of a round of rejection sampling."""

    instruction: str
    input: str
    output: str
    reward: float


class Frozen(_Row):
    """A snapshot of a round: its number on the node, its hash, and its rows unless it was known there without them."""

    id: int
    hash: str
    round: int = Field(ge=1)
    rows: list[Imitated] | None


class Answer(_Row):
    """A sampled answer."""

    prompt_id: int
    policy_id: int
    text: str
    token_ids: list[int]
    sampling: dict[str, Any]
    seed: int
    number: int = Field(ge=0)
    ended: bool


class Evaluated(_Row):
    """The report of one policy against another."""

    policy_id: int
    against_id: int
    report: dict[str, Any]


class Rows(_Row):
    """The rows of a run in the order of their writing. Pairs and rankings name their prompt and their answers."""

    snapshots: list[Frozen] = []
    answers: list[Answer] = []
    pairs: list[tuple[int, str, str]] = []
    rankings: list[tuple[int, list[str]]] = []
    evaluations: list[Evaluated] = []


def collect_rows(store: Store, run: Run) -> Rows:
    """Return the rows that a run made in the store of its job."""
    tasks = [store.rankings.task(row["id"]) for row in store.rows(TASKS, [run.id])]
    reports = [row for row in store.evaluations.all() if row.run_id == run.id]
    names = Answer.model_fields
    return Rows(
        snapshots=_frozen(store, run) if run.kind == "rejection" else [],
        answers=[Answer(**{name: getattr(row, name) for name in names}) for row in store.completions.of_run(run.id)],
        pairs=[tuple(row.values()) for row in store.rows(PAIRS, [run.id])],
        rankings=[(task.prompt_id, list(task.completion_ids)) for task in tasks],
        evaluations=[
            Evaluated(policy_id=row.policy_id, against_id=row.against_id or 0, report=row.report) for row in reports
        ],
    )


def publish_rows(store: Store, run: Run, rows: Rows) -> tuple[dict[int, int], list[str]]:
    """Write the rows of a run; return the numbers here of its snapshots by those on the node, and notes.

    Raises BadInput for rows that a run of this kind cannot make. Call it in the transaction of the run's end.
    """
    allowed = {"rejection": {"snapshots"}, "sample": {"answers", "pairs", "rankings"}, "compare": {"evaluations"}}
    foreign = {name for name in Rows.model_fields if getattr(rows, name)} - allowed.get(run.kind, set())
    if foreign:
        raise bad_input("refused.job_rows_kind", kind=Refused, name=run.kind, rows=min(foreign))
    notes = _publish_answers(store, run, rows) if rows.answers or rows.pairs or rows.rankings else []
    contests = _contests(store, run) if rows.evaluations else set()
    for row in rows.evaluations:
        if (row.policy_id, row.against_id) not in contests:
            about: dict[str, Any] = {
                "policy": public_id(POLICY, row.policy_id),
                "against": public_id(POLICY, row.against_id),
            }
            raise bad_input("refused.job_contest", kind=Refused, run=run.public, **about)
        report = row.report | judge_partially(store, run, {"evaluations": [row.report]})["evaluations"][0]
        store.evaluations.add(row.policy_id, row.against_id, _judge_name(run), report, run.id)
    return {row.id: _freeze(store, run, row) for row in rows.snapshots}, notes


def judge_partially(store: Store, run: Run, report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the evaluations of a report with the reasons why their judge is partial.

    Those follow from rows that are not sent: the comparisons that trained the models. Empty without evaluations.
    """
    evaluations = report.get("evaluations")
    if run.kind != "compare" or not isinstance(evaluations, list):
        return {}
    name = _judge_name(run)
    if name == "rubric":
        return {"evaluations": evaluations}
    judge = store.reward_models.get(name)
    policies = [store.policies.get(str(part.get("policy", ""))) for part in evaluations]
    reasons = [explain_dependence(store, judge, policy) for policy in policies]
    return {
        "evaluations": [part | {"judge_partial": reason} for part, reason in zip(evaluations, reasons, strict=True)]
    }


def _judge_name(run: Run) -> str:
    return run.settings["reward"] if run.settings["judge"] == "reward" else "rubric"


def _contests(store: Store, run: Run) -> set[tuple[int, int | None]]:
    """Return (policy, opponent) of each contest of a comparison."""
    policies = [store.policies.get(name) for name in run.settings["policies"]]
    against = run.settings["against"]
    return {(row.id, store.policies.get(against).id if against else row.parent_id) for row in policies}


def _frozen(store: Store, run: Run) -> list[Frozen]:
    """Return the snapshots of a run's rounds.

    A resumed run meets those of the run before it: their rows are on the server.
    """
    given = run.settings.get("snapshot") or ""
    here = [row["id"] for row in store.rows(FROZEN, [parse_id(given, SNAPSHOT) if given else 0])]
    named = [parse_id(part["snapshot"], SNAPSHOT) for part in run.report.get("rounds", [])]
    frozen = [store.snapshots.get(id) for id in dict.fromkeys([*here, *named])]
    return [
        Frozen(
            id=row.id,
            hash=row.hash,
            round=row.filters.get("round", 1),
            rows=[Imitated(**part) for part in store.snapshots.rows(row.id)] if row.id in here else None,
        )
        for row in frozen
    ]


def _freeze(store: Store, run: Run, frozen: Frozen) -> int:
    """Freeze a round's answers, or find the snapshot with the same ones; return its number here."""
    if frozen.rows is None:
        return store.snapshots.by_hash(frozen.hash).id
    rows = [row.model_dump() for row in frozen.rows]
    return store.snapshots.freeze("instructions", rows, {"run": run.public, "round": frozen.round}).id


def _publish_answers(store: Store, run: Run, rows: Rows) -> list[str]:
    """Write answers with their pairs and rankings; return a note if some answers were there already."""
    settings, given = run.settings, {row.id for row in needed_models(store, run) if isinstance(row, Policy)}
    for answer in rows.answers:
        if answer.policy_id not in given or answer.seed != settings["seed"]:
            policy = public_id(POLICY, answer.policy_id)
            raise bad_input("refused.job_answer", kind=Refused, policy=policy, run=run.public)
    before = store.completions.count()
    ids = store.completions.add_many([row.model_dump() for row in rows.answers], run.id)
    added = store.completions.count() - before
    if foreign := _named(rows) - set(ids):
        raise bad_input("refused.job_answer_missing", id=min(foreign)[:40])
    about: dict[str, Any] = {
        "run_id": run.id,
        "project_id": find_project_id(store, settings["project"]),
        "priority": settings["priority"],
    }
    purpose = "compare" if settings["against"] else "train"
    for id in store.pairs.add_many(rows.pairs, purpose=purpose, **about):
        if settings["until_decided"] and settings["against"]:
            record_undecided(store, run.id, store.pairs.get(id))
    for prompt_id, answers in rows.rankings:
        store.rankings.add_task(prompt_id, answers, **about)
    known = len(ids) - added
    return [stored_line("note.known_answers", known=known, total=len(ids))] if known else []


def _named(rows: Rows) -> set[str]:
    """Return the answers that pairs and rankings name."""
    return {id for _, *pair in rows.pairs for id in pair} | {id for _, task in rows.rankings for id in task}
