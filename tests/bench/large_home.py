"""A home as large as one gets: by default 200,000 pairs and a million comparisons by fifty people.

    python -m tests.bench.large_home HOME [--pairs 200000] [--comparisons 1000000] [--labelers 50]

Rows are written as the store would, triggers included, but in one commit. Pair number p has up to twice the mean of comparisons, so that
some pairs have none and others all. `measure` says how long a labeler waits for the next item of it.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from pathlib import Path

from data.clock import now
from data.comparisons import COLUMNS
from data.ids import dumps, imported_id
from data.splits import split_of
from data.store import Store
from labeling.session import Answer, Session

PLACES = ("id", "pair_id", "labeler_id", "left_id", "right_id", "shown_at", "expires_at", "created_at")


def fill(store: Store, *, pairs: int, comparisons: int, labelers: int) -> None:
    """Write prompts, completions, pairs, people and what they said into a fresh store."""
    moment = now()
    store.execute("PRAGMA cache_size = -2000000")  # KiB: the indexes of one large commit stay in memory
    people = [store.accounts.add(f"person {number}", "labeler").id for number in range(labelers)]
    with store.transaction():
        prompts = ((f"Question {n}?", f"hash {n}", split_of(f"Question {n}?"), "bench", moment) for n in range(pairs))
        store.insert_many("prompts", ("text", "hash", "split", "source", "created_at"), prompts)
        texts = ((n, f"Answer {side} to question {n}.") for n in range(1, pairs + 1) for side in (0, 1))
        answers = ((imported_id(n, "bench", text, 0), n, "bench", text, 0, moment) for n, text in texts)
        store.insert_many("completions", ("id", "prompt_id", "model_name", "text", "number", "created_at"), answers)
        each = "SELECT prompt_id, min(id), max(id), ? FROM completions GROUP BY prompt_id"
        store.execute(f"INSERT INTO pairs (prompt_id, first_id, second_id, created_at) {each}", [moment])
        said = list(judgements(store, people, comparisons, moment))
        store.insert_many("assignments", PLACES, (assignment for assignment, _ in said))
        store.insert_many("comparisons", COLUMNS, (comparison for _, comparison in said))


def judgements(store: Store, people: list[int], wanted: int, moment: str) -> Iterator[tuple[tuple, tuple]]:
    """(assignment, comparison) rows: 0 to twice the mean of them for a pair, each by another person."""
    found = store.db.conn.execute("SELECT id, first_id, second_id FROM pairs").fetchall()
    most = 2 * wanted // len(found)
    for id, first, second in found:
        for turn in range(id % (most + 1)):
            person = people[(id * 7 + turn) % len(people)]
            name = f"{id:08d}-{turn:04d}"
            values = {
                "id": name, "assignment_id": name, "pair_id": id, "labeler_id": person, "left_id": first, "right_id": second,
                "verdict": "left", "winner_id": first, "margin": 2, "late": 0, "source": "person", "project_id": 1, "guideline_version": 1,
                "seconds": 10.0, "created_at": moment,
            }  # fmt: skip
            yield (name, id, person, first, second, moment, moment, moment), tuple(values.get(column) for column in COLUMNS)


def measure(store: Store, *, turns: int = 100, overlap: float = 10.0) -> dict[str, float]:
    """Milliseconds that `next` and `submit` take, the median and the slowest of `turns`, each by one of the people."""
    rng = random.Random(0)
    took: dict[str, list[float]] = {"next": [], "submit": []}
    names = [account.name for account in store.accounts.list()]
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
    """Make the home where it is not there, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("home", type=Path)
    parser.add_argument("--pairs", type=int, default=200_000)
    parser.add_argument("--comparisons", type=int, default=1_000_000)
    parser.add_argument("--labelers", type=int, default=50)
    args = parser.parse_args()
    store = Store(args.home)
    if not store.pairs.count():
        fill(store, pairs=args.pairs, comparisons=args.comparisons, labelers=args.labelers)
    shown = {"pairs": store.pairs.count(), "comparisons": store.value("SELECT count(*) FROM comparisons")}
    print(dumps(shown | measure(store)))


if __name__ == "__main__":
    main()
