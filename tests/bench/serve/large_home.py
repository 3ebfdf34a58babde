# SPDX-License-Identifier: Apache-2.0
"""A home as large as one gets: by default 200,000 pairs and a million comparisons by fifty people.

    python -m tests.bench.serve.large_home HOME [--pairs 200000] [--comparisons 1000000] [--labelers 50]

Rows are those that the store's own calls write, derived tables included (a test compares). They come in one commit, in which the
triggers and indexes of the tables wait until the rows are there: a row that fires a trigger opens a savepoint, and what that costs
grows with the commit (10,000 comparisons took 9 s, 2,500 took 0.4 s). Pair number p has 0 to twice the mean of comparisons.
The pairs of the first 2,000 test prompts are of two policies. `measure` says how long a labeler waits for the next item of it.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data.clock import now
from data.ids import canonical_json, sampled_id
from data.sqlite.connection import without_foreign_keys
from data.sqlite.schema.counts import COUNTED
from data.store import Store
from data.tables import comparisons as said
from data.tables import completions, prompts
from data.tables.verdicts import outcome
from labeling.session import Answer, Session

ASSIGNMENT = ("id", "pair_id", "labeler_id", "left_id", "right_id", "done", "shown_at", "expires_at", "created_at")
PAIR = ("prompt_id", "first_id", "second_id", "purpose", "created_at")
TABLES = ("prompts", "completions", "pairs", "assignments", "comparisons")
VERDICTS = ("left_much", "left", "left", "left_slightly", "tie", "right_slightly", "right", "right_much")
COMPARED = 2_000
"""Pairs of two policies at most; all others are of one."""
DAYS = 30.0
WAIT, SECONDS = 600.0, 8.0
"""From the showing of an item until its lease ends, and until it is answered."""
DERIVED = (
    """INSERT INTO queue (pair_id, project_id, priority, judged)
    SELECT p.id, p.project_id, p.priority, (SELECT count(*) FROM comparisons AS c WHERE c.pair_id = p.id) FROM pairs AS p WHERE p.shown""",
    "INSERT INTO tallies SELECT labeler_id, project_id, count(*) FROM comparisons GROUP BY 1, 2",
    "INSERT INTO disputes SELECT pair_id FROM comparisons GROUP BY pair_id HAVING count(DISTINCT winner_id) > 1",
    COUNTED,
)
"""What triggers would have kept, where nothing was superseded and nobody is set aside."""


def fill(store: Store, *, pairs: int, comparisons: int, labelers: int) -> None:
    """Write policies, prompts, completions, pairs, people and what they said into a fresh store."""
    store.execute("PRAGMA cache_size = -2000000")  # KiB: the indexes of one large commit stay in memory
    policies = [store.policies.add(name=name, kind="base", base="bench").id for name in ("bench", "rival")]
    people = [store.accounts.add(f"person {number}", "labeler").id for number in range(labelers)]
    with without_foreign_keys(store.db), store.transaction(), bare(store):
        texts = [f"Question {number}?" for number in range(pairs)]
        store.insert_many("prompts", prompts.COLUMNS, (prompts.prompt_row(text, source="bench") for text in texts))
        met = list(meetings(store, policies))
        store.insert_many("completions", completions.COLUMNS, (row for _, answers in met for row in answers))
        moment = now()
        store.insert_many(
            "pairs", PAIR, ((one[1], *sorted((one[0], other[0])), purpose, moment) for purpose, (one, other) in met)
        )
        del met
        found = store.db.conn.execute("SELECT id, first_id, second_id FROM pairs").fetchall()
        handed, events = zip(*judgements(found, people, comparisons), strict=True)
        store.insert_many("assignments", ASSIGNMENT, handed)
        store.insert_many("comparisons", said.COLUMNS, events)


@contextmanager
def bare(store: Store) -> Iterator[None]:
    """Without the triggers and indexes of TABLES; then they are made again, and the derived tables filled."""
    marks = ", ".join("?" * len(TABLES))
    laid = store.rows(
        f"SELECT type, name, sql FROM sqlite_master WHERE tbl_name IN ({marks}) AND type IN ('trigger', 'index') AND sql != ''",
        TABLES,
    )
    laid += store.rows("SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'queue' AND type = 'index'")
    for one in laid:
        store.execute(f"DROP {one['type']} {one['name']}")
    yield
    for kind in ("index", "trigger"):
        for one in laid:
            if one["type"] == kind and not one["name"].startswith("queue"):
                store.execute(one["sql"])
        for statement in DERIVED if kind == "index" else ():
            store.execute(statement)
    for one in laid:
        if one["name"].startswith("queue"):
            store.execute(one["sql"])


def meetings(store: Store, policies: list[int]) -> Iterator[tuple[str, list[tuple]]]:
    """(purpose, two rows of completions) for each prompt: both of the first policy, or, of some test prompts, one of each."""
    moment, left = now(), COMPARED
    for prompt in store.stream("SELECT id, split FROM prompts ORDER BY id"):
        compared = prompt["split"] == "test" and left > 0
        left -= compared
        yield (
            ("compare" if compared else "train"),
            [answer(prompt["id"], side, policies[side * compared], moment) for side in (0, 1)],
        )


def answer(prompt: int, side: int, policy: int, moment: str) -> tuple:
    """A row of completions."""
    sampling, tokens = {"temperature": 1.0}, [3 + prompt % 997, 5 + side, 2]
    return (
        sampled_id(prompt, policy, sampling, 0, side, tokens),
        prompt,
        policy,
        ("bench", "rival")[policy - 1],
        f"Answer {side} to question {prompt}.",
        canonical_json(tokens),
        canonical_json(sampling),
        0,
        side,
        1,
        None,
        moment,
        None,
    )


def judgements(found: list[tuple], people: list[int], wanted: int) -> Iterator[tuple[tuple, tuple]]:
    """(assignment, comparison) rows in the order of time: everybody's first answers, then second ones, on pairs all over the home."""
    rng, most, number = random.Random(0), 2 * wanted // len(found), 0
    began = datetime.now(UTC) - timedelta(days=DAYS)
    step = timedelta(days=DAYS) / (wanted + len(found))
    for turn in range(most):
        for pair, first, second in found:
            if turn >= pair % (most + 1):
                continue
            number += 1
            person = people[(pair * 7 + turn) % len(people)]
            sides = (first, second) if rng.random() < 0.5 else (second, first)
            yield judgement(
                f"{rng.getrandbits(128):032x}", pair, person, sides, rng.choice(VERDICTS), began + number * step
            )


def judgement(
    id: str, pair: int, person: int, sides: tuple[str, str], verdict: str, shown: datetime
) -> tuple[tuple, tuple]:
    """One of them."""
    left, right = sides
    moments = (shown, shown + timedelta(seconds=WAIT), shown + timedelta(seconds=SECONDS))
    shown_at, ends, moment = (at.isoformat(timespec="microseconds") for at in moments)
    side, margin = outcome(verdict)
    winner = {"left": left, "right": right, None: None}[side]
    event = (
        id[::-1],
        id,
        pair,
        person,
        left,
        right,
        verdict,
        winner,
        margin,
        0,
        None,
        "person",
        None,
        1,
        1,
        SECONDS,
        moment,
        None,
    )
    return (id, pair, person, left, right, 1, shown_at, ends, shown_at), event


def measure(store: Store, *, turns: int = 100, overlap: float = 10.0) -> dict[str, float]:
    """Milliseconds that `next` and `submit` take, the median and the slowest of `turns`, each by one of the people."""
    rng = random.Random(0)
    took: dict[str, list[float]] = {"next": [], "submit": []}
    names = [account.name for account in store.accounts.all()]
    for turn in range(turns):
        session = Session(store, rng.choice(names), overlap=overlap)
        began = time.perf_counter()
        item = session.next()
        took["next"].append(time.perf_counter() - began)
        if item:
            began = time.perf_counter()
            session.submit(Answer(f"bench-{time.time_ns()}-{turn}", item.assignment, "left"))
            took["submit"].append(time.perf_counter() - began)
    return {
        f"{name}_{word}_ms": round(1000 * value, 2)
        for name, times in took.items()
        for word, value in (("median", sorted(times)[len(times) // 2]), ("slowest", max(times)))
    }


def main() -> None:
    """Make the home where it is not there, or say how long a labeler waits in the one that is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("home", type=Path)
    parser.add_argument("--pairs", type=int, default=200_000)
    parser.add_argument("--comparisons", type=int, default=1_000_000)
    parser.add_argument("--labelers", type=int, default=50)
    args = parser.parse_args()
    store, began, used = Store(args.home), time.monotonic(), time.process_time()
    told: dict = {}
    if not store.pairs.count():
        fill(store, pairs=args.pairs, comparisons=args.comparisons, labelers=args.labelers)
        told = {
            "fill_seconds": round(time.monotonic() - began, 1),
            "fill_cpu_seconds": round(time.process_time() - used, 1),
        }
    told |= {"pairs": store.pairs.count(), "comparisons": store.comparisons.count()}
    print(canonical_json(told if "fill_seconds" in told else told | measure(store)))


if __name__ == "__main__":
    main()
