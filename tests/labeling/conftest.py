# SPDX-License-Identifier: Apache-2.0
"""Fixtures of labelers and their items."""

from __future__ import annotations

import pytest

from data.tables.forms import Form
from data.tables.projects import STANDARD


@pytest.fixture
def people(store):
    """Three labelers."""
    return [store.accounts.add(name, "labeler") for name in ("Mina", "Jun", "Ada")]


@pytest.fixture
def form(store):
    """Return form(**fields), which changes the form of the Standard project."""
    return lambda **fields: store.projects.change(STANDARD, form=Form(**fields))


@pytest.fixture
def ranking(store):
    """Return ranking(n), which adds a task to rank n answers."""

    def make(n=3, **more):
        prompt = store.prompts.add(f"Rank {store.prompts.count()}", source="test")
        rows = [{"prompt_id": prompt.id, "model_name": "m", "text": f"text {i}", "number": i} for i in range(n)]
        return store.rankings.add_task(prompt.id, store.completions.add_many(rows), **more)

    return make
