# SPDX-License-Identifier: Apache-2.0
"""Fixtures that every test shares: a home of its own, no network, a real store, one seed."""

from __future__ import annotations

import gc
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings

from data import Store
from data.records import Pair
from tests.support.data.stores import new_store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page  # loaded by the tests that ask for a browser

    from reward.base.frozen_base import Base  # with torch, which only the tests that ask for a base load
    from tests.support.serving import Server

settings.register_profile("untimed", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("untimed")

MEMORY = Path("/dev/shm")
"""A file system in memory, where a store's fsync waits for no disk."""
OBJECTS = 100_000
"""New objects before a collection of garbage. The libraries are millions that stay, and Python starts after 700."""
ROOM = 2 * 2**30
"""Bytes that must be free there, several times what the tests need at once."""
THOROUGH = (
    *("in_every_verb_or_the_check_refuses_it[Llama 3]", "in_every_verb_or_the_check_refuses_it[Qwen3-MoE]"),
    *("test_other_values_of_settings_work_in_supervised", "test_every_measurement_runs_on_a_cpu"),
    "test_training_is_measured_above_the_weights_on_both_sides",
    *("measured_peak[wide-reward]", "measured_peak[deep-dpo]"),
    *("takes_bounded_memory[long_rows-0-300]", "test_the_log_of_a_pretraining_has_no_progress_bars"),
    *(f"test_a_run_that_fails_again_names_settings_of_its_kind[{kind}]" for kind in ("dpo", "pretrain", "reward")),
    *(f"test_a_run_tries_once_more_with_half_the_pass[{kind}]" for kind in ("dpo", "pretrain", "reward")),
    *(f"twice_the_passes_train_the_same_adapter[{kind}]" for kind in ("dpo", "reward")),
    *("that_was_never_stopped[evaluated]", "that_was_never_stopped[groups without a critic]"),
    *("test_memory_that_runs_out_again_ends_the_run", "test_a_process_that_fails_alone_is_named"),
    *("holds_half_of_its_layers[joint critic", "test_a_home_with_an_accelerate_file_trains_in_two_processes"),
)
"""Parts of the names of long tests whose like is in `make test`: `make thorough` runs them."""


def pytest_configure() -> None:
    """Put temporary folders, those of child processes too, into memory if there is room and TMPDIR names no other."""
    gc.set_threshold(OBJECTS)
    if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files of this folder: they are long, and one that began last would keep one core idle."""
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)
    for item in items:
        if any(part in item.nodeid for part in THOROUGH):
            item.add_marker(pytest.mark.thorough)


def pytest_collection_finish() -> None:
    """Leave the libraries' objects out of later collections of garbage: each training ends with one."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test has its own home, nothing asks the network, and no run's way of taking SIGTERM outlives its test."""
    monkeypatch.setenv("PREFERENCE_LOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of this test's store."""
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    """A fresh store on disk."""
    store = new_store(home)
    yield store
    store.close()


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)

    def __call__(self) -> str:
        return self.moment.isoformat(timespec="microseconds")

    def move(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    """What a session takes for the time."""
    return Clock()


@pytest.fixture
def seed() -> int:
    """One seed, set wherever chance is taken from."""
    random.seed(17)
    np.random.seed(17)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(17)
    return 17


@pytest.fixture(params=["llama", "gpt2"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Base:
    """A tiny random base of either family."""
    from tests.support.ppo_parts import tiny_base

    return tiny_base(request.param, tmp_path)


@pytest.fixture
def llama(tmp_path: Path) -> Base:
    """A tiny random base where one family is enough."""
    from tests.support.ppo_parts import tiny_base

    return tiny_base("llama", tmp_path)


@pytest.fixture(scope="module")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random Llama."""
    from tests.support.tiny_model import make_tiny_model

    return make_tiny_model("llama", tmp_path_factory.mktemp("base"))


@pytest.fixture
def labeled(store: Store, base_folder: Path) -> Store:
    """The store of `labeled_notes.fill`."""
    from tests.support.labeled_notes import fill

    return fill(store, base_folder)


@pytest.fixture
def add_pairs(store: Store) -> Callable[..., list[Pair]]:
    """add_pairs(n) -> n pairs, each of a prompt of its own, waiting to be compared; `text` is both answers' where given."""

    def add(n: int, *, text: str | None = None, priority: int = 0, purpose: str = "train") -> list[Pair]:
        first = store.prompts.count()
        pairs = []
        for number in range(first, first + n):
            prompt = store.prompts.add(f"Write note {number}.", source="test")
            rows = [
                {"prompt_id": prompt.id, "model_name": model, "text": text or f"{model} answer {number}", "number": 0}
                for model in ("plain", "kind")
            ]
            pairs.append(
                store.pairs.add(prompt.id, *store.completions.add_many(rows), purpose=purpose, priority=priority)
            )
        return pairs

    return add


@pytest.fixture(scope="module")
def served_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `make_tiny_home` with 20 pairs."""
    from tests.support.tiny_home import make_tiny_home
    from tests.support.tiny_model import make_tiny_model

    folder = tmp_path_factory.mktemp("browser")
    make_tiny_home(folder / "home", make_tiny_model("llama", folder / "model"), pairs=20).close()
    return folder / "home"


@pytest.fixture(scope="module")
def server(served_home: Path) -> Iterator[Server]:
    """The app on `served_home`, in a process of its own."""
    from tests.support.serving import serving

    with serving(served_home) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    from tests.support.browsing import chromium

    with chromium() as launched:
        yield launched


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab of its own."""
    from tests.support.browsing import tab

    with tab(browser) as opened:
        yield opened


@pytest.fixture
def tiny_store(home: Path, tmp_path: Path) -> Iterator[Store]:
    """The store of `make_tiny_home` without people, and a model folder without weights."""
    from tests.support.tiny_home import make_tiny_home

    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    store = make_tiny_home(home, model, people=False)
    yield store
    store.close()


@pytest.fixture
def unsupervised(tiny_store: Store) -> Iterator[Store]:
    """`tiny_store` with the supervisor's lock taken: no run starts unless the test starts it."""
    from rlhf.common import locks

    with locks.acquire_lock(tiny_store.home / locks.SUPERVISOR):
        yield tiny_store
