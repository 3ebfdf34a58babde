# SPDX-License-Identifier: Apache-2.0
"""Fixtures of labels: two labelers, and functions that record comparisons and rankings."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def mina(store):
    return store.accounts.add("mina", "labeler")


@pytest.fixture
def jun(store):
    return store.accounts.add("jun", "labeler")


@pytest.fixture
def compare(store):
    """said(pair, labeler, verdict, ...) records a person's answer to an assignment with the first answer on the left."""

    def record(
        pair, labeler, verdict, *, gold=False, repeats=None, seconds=None, swapped=False, supersedes=None, id=None
    ):
        left, right = (pair.second_id, pair.first_id) if swapped else (pair.first_id, pair.second_id)
        id = id or f"{labeler.name}-{pair.id}" + ("-again" if repeats else "")
        if supersedes is None:
            store.insert(
                "assignments",
                {
                    "id": id,
                    "pair_id": pair.id,
                    "labeler_id": labeler.id,
                    "left_id": left,
                    "right_id": right,
                    "gold": int(gold),
                    "repeats": repeats,
                    "expires_at": "",
                    "created_at": "",
                },
            )
        store.comparisons.record(
            id=f"{id}-{verdict}",
            assignment_id=id,
            pair_id=pair.id,
            labeler_id=labeler.id,
            left_id=left,
            right_id=right,
            verdict=verdict,
            source="person",
            seconds=seconds,
            supersedes=supersedes,
        )
        return id

    return record


@pytest.fixture
def record_ranking(store):
    """ranks(labeler, places) records a person's ranking of three answers to one prompt."""
    prompt = store.prompts.add("Name three animals.", source="test")
    ids = store.completions.add_many({"prompt_id": prompt.id, "model_name": name, "text": name} for name in "abc")
    task = store.rankings.add_task(prompt.id, ids)

    def record(labeler, places, verdict="ranked"):
        shown = sorted(ids, reverse=labeler.id % 2 == 0)  # whoever saw them in which order
        about = {"task_id": task.id, "labeler_id": labeler.id}
        row = {"id": f"ranks-{labeler.name}", "positions": json.dumps(shown), "expires_at": "", "created_at": ""}
        store.insert("assignments", about | row)
        placed = dict(zip(ids, places, strict=True)) if places else {}
        store.rankings.record(
            id=f"r-{labeler.name}",
            assignment_id=row["id"],
            verdict=verdict,
            positions=shown,
            places=placed,
            source="person",
            project_id=1,
            guideline_version=1,
            **about,
        )

    return record
