# SPDX-License-Identifier: Apache-2.0
"""Loops that must never end: they survive every exception, and their trouble is visible."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue

import pytest

from data import watched_loop
from data.watched_loop import WatchedLoop


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(watched_loop, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(watched_loop, "LONGEST_PAUSE", 0.01)


def until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize("problem", [OSError(24, "Too many open files"), SystemExit(1), MemoryError()])
def test_no_exception_ends_a_loop(problem, caplog):
    items, worked = SimpleQueue(), []

    def work(item):
        if item == "bad":
            raise problem
        worked.append(item)

    loop = WatchedLoop("test", items.get, work)
    assert loop.trouble() == ""
    loop.start()
    for item in ("bad", "bad"):
        items.put(item)
    until(lambda: loop.trouble().startswith("failing for "))
    items.put("good")
    until(lambda: worked == ["good"] and loop.trouble() == "")
    assert "the loop test failed and continues" in caplog.text


def test_a_loop_whose_work_does_not_return_is_stuck_and_one_that_waits_is_not():
    items, go = SimpleQueue(), threading.Event()
    loop = WatchedLoop("test", items.get, lambda _: go.wait(10), stuck_seconds=0.05)
    loop.start()
    time.sleep(0.1)
    assert loop.trouble() == ""
    items.put(1)
    until(lambda: loop.trouble().startswith("stuck for "))
    go.set()
    until(lambda: loop.trouble() == "")


def test_a_dead_loop_is_named_and_started_again(monkeypatch):
    loop = WatchedLoop("test", threading.Event().wait, lambda _: None)  # its thread outlives the test, and sleeps
    monkeypatch.setattr(loop, "_run", lambda: None)
    loop.start()
    until(lambda: loop.trouble() == "dead")
    monkeypatch.undo()
    loop.start()
    assert loop.trouble() == ""
