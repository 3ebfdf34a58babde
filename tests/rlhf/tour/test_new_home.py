# SPDX-License-Identifier: Apache-2.0
"""The home of a tour: never one in use, never the default one itself, and gone after an interrupt."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import app
from data import Store
from data.settings import as_dict
from rlhf.common import locks
from rlhf.settings import SampleSettings
from rlhf.tour import command
from rlhf.tour.new_home import unused_folder
from rlhf.tour.run import run_tour
from rlhf.tour.stages import StageFailed, TourEnvironment, work_in_process
from tests.support.tiny_tour import PLAN


def interrupted(environment: TourEnvironment, home: Path) -> str:
    """Run a tour that is interrupted in its first run; return what it says."""

    def stop(store: Store, queued, watch) -> float:
        raise KeyboardInterrupt

    stream = io.StringIO()
    stopped = TourEnvironment(environment.register, environment.score, stop)
    with pytest.raises(KeyboardInterrupt):
        run_tour(home, plan=PLAN, environment=stopped, stream=stream)
    return stream.getvalue().splitlines()[-1]


def test_a_folder_in_use_is_left_alone(tmp_path):
    assert unused_folder(tmp_path / "new") == tmp_path / "new"
    (tmp_path / "empty").mkdir()
    assert unused_folder(tmp_path / "empty") == tmp_path / "empty"
    assert unused_folder(tmp_path / "empty", below=True) == tmp_path / "empty" / "tours" / "1"
    Store(tmp_path).close()
    assert unused_folder(tmp_path) == tmp_path / "tours" / "1"
    (tmp_path / "tours" / "1").mkdir(parents=True)
    assert unused_folder(tmp_path) == tmp_path / "tours" / "2"


def test_an_interrupt_removes_the_home_that_the_tour_created_and_its_new_parents(environment, tmp_path):
    home = tmp_path / "a" / "b"
    assert interrupted(environment, home) == f"Stopped, and removed {home}."
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_a_home_that_existed_as_it_was(environment, tmp_path):
    Store(tmp_path / "mine").close()
    before = sorted(tmp_path.rglob("*"))
    assert interrupted(environment, tmp_path / "mine").endswith("/mine/tours/1.")
    assert sorted(tmp_path.rglob("*")) == before
    (tmp_path / "empty").mkdir()
    interrupted(environment, tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_home_that_a_server_uses_stays_after_an_interrupt(environment, tmp_path):
    def stop(store: Store, queued, watch) -> float:
        held.append(locks.acquire_lock(store.home / locks.SERVER))
        raise KeyboardInterrupt

    held: list = []
    stream = io.StringIO()
    stopped = TourEnvironment(environment.register, environment.score, stop)
    with pytest.raises(KeyboardInterrupt):
        run_tour(tmp_path / "home", plan=PLAN, environment=stopped, stream=stream)
    assert stream.getvalue().endswith(f"Stopped. {tmp_path / 'home'} stays, because a server uses it.\n")
    assert Store(tmp_path / "home").policies.count() == 1
    held[0].close()


def test_an_interrupt_kills_the_process_of_the_run(store, environment):
    environment.register(store)
    queued = store.runs.enqueue("sample", as_dict(SampleSettings(prompts=2, max_new_tokens=4)), "test")
    pids: list[int] = []

    def interrupt(run) -> None:
        pids.append(run.pid)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work_in_process(store, queued, interrupt)
    run = store.runs.get(queued.id)
    assert run.state == "cancelled"
    assert not store.runs.is_alive(run)
    assert pids == [run.pid]


def test_a_failed_tour_says_that_its_home_stays(environment, tmp_path):
    def fail(store: Store, queued, watch) -> float:
        store.runs.claim()
        store.runs.finish(queued.id, "failed", error="no memory")
        return 0.0

    stream = io.StringIO()
    failing = TourEnvironment(environment.register, environment.score, fail)
    with pytest.raises(StageFailed):
        run_tour(tmp_path / "home", plan=PLAN, environment=failing, stream=stream)
    last = stream.getvalue().splitlines()[-1]
    assert last == (f"The home stays. See its runs in the browser: preference-loop serve --home {tmp_path / 'home'}")


def test_without_a_home_the_default_one_stays_untouched(monkeypatch, home, capsys):
    asked: list[Path] = []

    def record(folder: Path, **sizes: object) -> None:
        asked.append(folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "HOME", home)
    monkeypatch.setattr(command, "run_tour", record)
    assert app.main(["tour", "--quick"]) == 130
    assert app.main(["tour", "--quick", "--home", str(home.parent / "other")]) == 130
    assert asked == [home / "tours" / "1", home.parent / "other"]
    assert not home.exists()
