# SPDX-License-Identifier: Apache-2.0
"""Nobody fills the disk with logs: repeated records are counted, and files are bounded."""

from __future__ import annotations

import logging

import pytest

from data.logs import CUT, RepeatFilter, bound_log_file


@pytest.fixture
def log(caplog):
    moment = [0.0]
    logger = logging.getLogger("test of repeats")
    limit = RepeatFilter(clock=lambda: moment[0])
    logger.addFilter(limit)

    def pass_time(seconds):
        moment[0] += seconds

    yield logger, pass_time
    logger.removeFilter(limit)


def fail(logger, kind):
    try:
        raise kind("problem")
    except kind:
        logger.exception("call %d failed", id(kind))


def test_a_place_writes_one_traceback_a_minute_and_then_the_count(log, caplog):
    logger, pass_time = log
    for _ in range(80):
        fail(logger, ValueError)
    fail(logger, KeyError)
    assert [record.exc_info[0] for record in caplog.records] == [ValueError, KeyError]
    pass_time(60)
    fail(logger, ValueError)
    assert caplog.records[-1].getMessage().endswith("failed (and 79 times more before)")
    assert len(caplog.records) == 3


def test_different_messages_are_different_places_and_their_number_is_bounded(log, caplog):
    logger, _ = log
    for number in range(3_000):
        logger.warning(f"message {number}\nwith details")
    assert len(caplog.records) == 3_000
    assert len(logger.filters[0].places) == 1_000


def test_a_long_log_file_loses_its_older_half_while_a_program_appends(tmp_path):
    path = tmp_path / "log.txt"
    with path.open("ab", buffering=0) as log:
        for number in range(1_000):
            log.write(b"line %d\n" % number)
        bound_log_file(path, 1_000)
        log.write(b"after\n")
    text = path.read_bytes()
    assert len(text) < 700
    assert text.startswith(CUT + b"line 9")
    assert text.endswith(b"line 999\nafter\n")
    bound_log_file(path, 1_000)
    assert path.read_bytes() == text
    bound_log_file(tmp_path / "none", 10)
