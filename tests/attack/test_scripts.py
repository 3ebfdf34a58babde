# SPDX-License-Identifier: Apache-2.0
"""A tiny version of every attack finds no fault, so the scripts keep working. `make attack` runs them at full size."""

from __future__ import annotations

import random
import sys
from types import SimpleNamespace

import pytest

from tests.attack import __main__ as command
from tests.attack import bodies, connections, files, kills, readers, routes, stores, workers, worst_texts
from tests.attack.hostile import hostile_request
from tests.attack.hostile_files import FILES


def test_three_kills_lose_nothing(home):
    report = kills.main(home, kills=3, whole=0)
    assert report.faults == []
    assert report.line.startswith("3 kills of the labeling app and 0 of the whole app, ")


def test_three_kills_of_servers_and_nodes_lose_no_run(home):
    report = workers.main(home, kills=3)
    assert report.faults == []
    assert report.line.startswith("3 kills (")


def test_fifty_connections_stop_nobody(home, monkeypatch):
    monkeypatch.setattr(connections, "MOST_SECONDS", 1e9)  # no test depends on the machine's speed
    report = connections.main(home, connections=50, wait=False)
    assert report.faults == []
    assert report.line.startswith("50 connections opened; 60 answers")


def test_two_hundred_hostile_bodies_get_no_500(home):
    report = bodies.main(home, count=200, pages=False)
    assert report.faults == []
    assert report.line.startswith("200 requests")


def test_an_attack_leaves_the_limit_of_long_numbers_as_it_was():
    usual = sys.get_int_max_str_digits()
    with bodies.long_numbers():
        assert len(str(10**usual)) == usual + 1
    assert sys.get_int_max_str_digits() == usual > 0


def test_five_damaged_stores_are_found(home):
    report = stores.main(home, count=5)
    assert report.faults == []
    assert report.line.startswith("5 damaged stores, 35 commands")


def test_five_hostile_files_end_with_one_line(home, monkeypatch):
    small = dict(list(FILES.items())[2:7])
    monkeypatch.setattr(files, "FILES", small)
    monkeypatch.setattr(files, "MOST_SECONDS", 1e9)  # no test depends on the machine's speed
    monkeypatch.setattr(files, "MOST_MB", 1e9)  # the system's figure counts the memory of this process before exec
    report = files.main(home, count=5)
    assert report.faults == []
    assert report.line.startswith("5 kinds of hostile files")


def test_the_routes_of_the_labeling_app_show_nobody_what_is_not_theirs(home):
    report = routes.main(home, pages=False)
    assert report.faults == []
    assert "routes x 4 roles" in report.line


def test_worst_texts_are_posted_and_another_labeler_answers(home):
    report = worst_texts.main(home, seconds=4.0, rankings=3, timed=False)
    assert report.faults == []


def test_mutated_rows_of_two_readers_crash_and_lose_nothing(home):
    report = readers.main(home, rows=40, readers=("hh", "kto"), processes=1)
    assert report.faults == []
    assert report.line.endswith("good")
    assert " rows of 2 readers, " in report.line


def test_there_are_thirty_kinds_of_stores_and_files():
    assert len(stores.DAMAGES) >= 30
    assert len(FILES) >= 30


def test_hostile_requests_repeat_with_their_seed():
    first, second = ([hostile_request(random.Random(n), pages=True) for n in range(50)] for _ in range(2))
    assert first == second
    assert len({request.path.partition("?")[0] for request in first}) > 10


@pytest.mark.parametrize(("faults", "status"), [([], 0), (["a fault"], 1)])
def test_a_script_prints_one_line_and_fails_with_a_fault(monkeypatch, capsys, faults, status):
    script = SimpleNamespace(main=lambda home: command.Report("3 tries", faults))
    monkeypatch.setattr(command, "import_module", lambda name: script)
    assert command.run_script("kills") == status
    out, err = capsys.readouterr()
    assert out.splitlines() == [f"kills        {'1 FAULTS' if faults else 'ok':<10} 3 tries (0 s)"]
    assert err == "".join(f"  kills: {fault}\n" for fault in faults)
