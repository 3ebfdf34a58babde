"""Fixtures that every test shares: a home of its own, no network, a real store, one seed."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from data import Store


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has its own home, and nothing asks the network."""
    monkeypatch.setenv("PREFERENCE_LOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of this test's store."""
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    """A fresh store on disk."""
    store = Store(home)
    yield store
    store.close()


@pytest.fixture
def seed() -> int:
    """One seed, set wherever chance is taken from."""
    random.seed(17)
    np.random.seed(17)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(17)
    return 17
