# SPDX-License-Identifier: Apache-2.0
"""Figures from updated tables equal those of a computation from scratch, whatever happened to the labels."""

from __future__ import annotations

import json
import random
from itertools import count

import numpy as np
import pytest

from data.store import Store
from labeling.quality.overview import OverviewBuilder, build_overview
from labeling.quality.pair_tables import Table
from tests.support.data.stores import new_store

VERDICTS = ("left_much", "left", "left_slightly", "tie", "right_slightly", "right", "right_much", "both_bad")


def test_tables_add_up_and_the_difference_forgets_rows_of_number_zero():
    one, other = Table.of(np.array([2, 1, 2]), np.array([5, 5, 5])), Table.of(np.array([1]), np.array([5]))
    both = one.plus(other)
    assert (both.keys.tolist(), both.counts.tolist()) == ([[1, 5], [2, 5]], [2, 2])
    assert both.plus(one, -1).keys.tolist() == [[1, 5]]
    assert both.of_group(2).keys.tolist() == [[5]]


class Walk:
    """Random acts on a store: labels, corrections, withdrawals, repeats, gold items, imports, retractions, exclusions, rankings."""

    def __init__(self, store: Store, rng: random.Random) -> None:
        self.store, self.rng, self.numbers = store, rng, count()
        self.people = [store.accounts.add(f"person {number}", "labeler") for number in range(5)]
        store.projects.add("Other")
        runs = [None, store.runs.enqueue("sample", {}, "rae").id]
        self.pairs = []
        for number in range(8):
            prompt = store.prompts.add(f"Question {number}?", source="test")
            rows = [{"prompt_id": prompt.id, "model_name": name, "text": f"{name} {number}"} for name in "abc"]
            ids = store.completions.add_many(rows)
            self.pairs.append(store.pairs.add(prompt.id, *ids[:2], run_id=runs[number % 2]))
        self.ranked, self.task = ids, store.rankings.add_task(prompt.id, ids)
        store.insert(
            "imports", {"id": 1, "actor": "rae", "what": "preferences", "files": "[]", "created_at": "", "done_at": ""}
        )

    def label(self, source="person", **fields):
        pair, person = self.rng.choice(self.pairs), self.rng.choice(self.people)
        self.record(pair, person.id, source=source, **fields)

    def record(self, pair, labeler_id, *, replaced=None, verdict=None, source="person", **fields):
        sides = [pair.first_id, pair.second_id]
        self.rng.shuffle(sides)
        sides = [replaced.left_id, replaced.right_id] if replaced else sides
        about = {"pair_id": pair.id, "labeler_id": labeler_id, "left_id": sides[0], "right_id": sides[1]}
        id, shown = f"event {next(self.numbers)}", source == "person" and replaced is None
        if shown:
            met = "SELECT id FROM assignments WHERE pair_id = ? AND labeler_id = ? ORDER BY rowid"
            before = [row["id"] for row in self.store.rows(met, [pair.id, labeler_id])]
            if len(before) > 1:
                return
            fields |= {"repeats": before[0], "gold": 0} if before else {}
            self.store.insert("assignments", {"id": id, **about, **fields, "expires_at": "", "created_at": ""})
        self.store.comparisons.record(
            id=id,
            assignment_id=replaced.assignment_id if replaced else id if shown else None,
            verdict=verdict or self.rng.choice(VERDICTS),
            source=source,
            supersedes=replaced.id if replaced else None,
            seconds=float(self.rng.randrange(1, 30)),
            project_id=1 + pair.id // 6,
            import_id=1 if source == "import" else None,
            **about,
        )

    def retract(self):
        imported = [row["id"] for row in self.store.rows("SELECT id FROM comparisons WHERE import_id = 1")]
        if imported:
            act = self.rng.choice((self.store.retractions.retract, self.store.retractions.restore))
            act("comparison", [self.rng.choice(imported)], by="rae")

    def rank(self):
        id, places = f"ranking {next(self.numbers)}", [self.rng.randrange(1, 4) for _ in self.ranked]
        about = {"task_id": self.task.id, "labeler_id": self.rng.choice(self.people).id}
        if self.store.value("SELECT 1 FROM rankings WHERE labeler_id = ?", [about["labeler_id"]]):
            return
        shown = {"positions": json.dumps(self.ranked), "expires_at": "", "created_at": ""}
        self.store.insert("assignments", {"id": id, **about, **shown})
        dense = {place: rank for rank, place in enumerate(sorted(set(places)), start=1)}
        self.store.rankings.record(
            id=id,
            assignment_id=id,
            verdict="ranked",
            positions=self.ranked,
            places={answer: dense[place] for answer, place in zip(self.ranked, places, strict=True)},
            source="person",
            project_id=1,
            guideline_version=1,
            **about,
        )

    def change(self, verdict=None):
        events = self.store.comparisons.current()
        if events:
            event = self.rng.choice(events)
            pair = self.store.pairs.get(event.pair_id)
            self.record(pair, event.labeler_id, replaced=event, verdict=verdict, source=event.source)

    def gold(self):
        pair = self.rng.choice(self.pairs)
        self.store.gold.set(pair.id, pair.first_id, by="rae")

    def exclude(self):
        name, labelers = self.rng.choice(self.people).name, self.store.excluded_labelers
        act = labelers.include if name in [one.name for one in labelers.all()] else labelers.exclude
        act(name, "at random", by="rae")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_random_acts_the_figures_are_those_of_a_computation_from_scratch(tmp_path, seed):
    store, rng = new_store(tmp_path / "home"), random.Random(seed)
    walk, builders = Walk(store, rng), {kind: OverviewBuilder(kind) for kind in ("people", "ai")}
    acts = [walk.label] * 8 + [walk.change] * 3 + [lambda: walk.change("withdrawn"), walk.gold, walk.exclude]
    acts += [
        lambda: walk.label("ai"),
        lambda: walk.label(gold=1),
        lambda: walk.label("import"),
        walk.retract,
        walk.rank,
    ]
    few = 0
    for _ in range(60):
        rng.choice(acts)()
        if rng.random() < 0.6:
            for kind, builder in builders.items():
                overview = builder.build(store)
                assert overview == build_overview(store, kind)
                few += 0 < builder.counted.tabulated < overview.comparisons
    assert few > 5  # most looks counted only the pairs that changed
    store.close()
