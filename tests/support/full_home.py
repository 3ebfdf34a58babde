# SPDX-License-Identifier: Apache-2.0
"""A home in which every page has something to show: models with reports, finished runs, rows, flags, a dispute."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from data.store import Store
from data.tables.process_identity import identify_process
from data.transfer.importing import import_file
from reward.report.build import ScoredComparison, build_report
from tests.support.arena_home import EVALUATION
from tests.support.data.import_rows import preference, write

ROWS = 24


def fill_every_page(store: Store) -> None:
    """Fill a home of `make_tiny_home`."""
    add_models(store)
    add_runs(store)
    add_rows_to_read(store)
    disagree(store)


def add_models(store: Store) -> None:
    """Add a reward model with every plot of its report, and an evaluated policy."""
    scored = [
        ScoredComparison(n, f"prompt {n}", "kind answer", "no", (-1) ** n * n / 5, 0.0, 1.0, 1 + n % 3)
        for n in range(ROWS)
    ]
    report = build_report(scored)
    store.reward_models.add(name="judge", base="b", adapter="a", report=report)
    start = store.policies.all()[0]
    store.policies.add(name="driven", kind="ppo", base=start.base, adapter="x", parent_id=start.id, reward_model_id=1)


def add_runs(store: Store) -> None:
    """Add a finished run with curves, a failed one and a comparison with figures."""
    for kind, state in (("ppo", "done"), ("reward", "failed")):
        with store.transaction():
            run = store.runs.enqueue(kind, {}, "rae")
            store.runs.start(run.id, *identify_process())
        for step in range(1, 5):
            store.metrics.log(run.id, step, {"reward": step / 4, "kl": step / 9})
        store.runs.finish(run.id, state, error="" if state == "done" else "no labels. Label more pairs.")
    with store.transaction():
        run = store.runs.enqueue("compare", {}, "rae")
        store.runs.start(run.id, *identify_process())
    store.runs.finish(run.id, "done", report={"evaluations": [{"policy": "p2", **EVALUATION}]})


def add_rows_to_read(store: Store) -> None:
    """Add instruction rows to rate, an answer to review, and an imported preference."""
    for number in range(ROWS):
        store.instructions.add(f"Name {number} colours.", "Red and blue.", source="test")
    author = store.accounts.add("ana", "labeler")
    store.demonstrations.write("a" * 16, store.demonstrations.next_prompt(author.id).id, author.id, "Dear Ana, thanks.")
    with TemporaryDirectory() as folder:
        import_file(store, write(Path(folder) / "notes.jsonl", [preference(1)]), "preferences")


def disagree(store: Store, names: tuple[str, str] = ("bo", "cy")) -> None:
    """Add two labelers' opposite verdicts on some pairs."""
    people = [store.accounts.add(name, "labeler") for name in names]
    for pair in store.pairs.all()[-12:]:
        for person, verdict in zip(people, ("left", "right_much"), strict=True):
            item = {"pair_id": pair.id, "labeler_id": person.id, "left_id": pair.first_id, "right_id": pair.second_id}
            id = f"{person.name}-{pair.id}"
            store.insert("assignments", {"id": id, **item, "expires_at": "", "created_at": ""})
            store.comparisons.record(id=id, assignment_id=id, verdict=verdict, source="person", **item)
