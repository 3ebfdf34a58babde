# SPDX-License-Identifier: Apache-2.0
"""A home with a reward model on the `model` of each file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from data.store import Store
from tests.support.tiny_home import make_judged_home


@pytest.fixture
def judged(model, tmp_path) -> Iterator[Store]:
    """A store with `model` as the only policy, and a reward model on it."""
    store = make_judged_home(tmp_path / "home", model)
    yield store
    store.close()
