# SPDX-License-Identifier: Apache-2.0
"""Times of the store in the reader's zone, which the browser names in a cookie; pages never cut them out of a text."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

import pytest
from starlette.requests import Request

from labeling.http.requests import detect_zone
from labeling.texts.reader import writing_in
from labeling.texts.times import local_date, local_time
from tests.support import ROOT

MOMENT = "2026-11-29T15:05:09.123456+00:00"


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC", "2026-11-29 15:05 UTC"),
        ("Asia/Seoul", "2026-11-30 00:05 UTC+9"),
        ("Asia/Kathmandu", "2026-11-29 20:50 UTC+5:45"),
        ("America/St_Johns", "2026-11-29 11:35 UTC-3:30"),
    ],
)
def test_a_time_is_the_reader_s_with_its_distance_from_utc(zone, shown):
    with writing_in("en", ZoneInfo(zone)):
        assert local_time(MOMENT) == shown
        assert local_date(MOMENT) == shown[:10]


def test_summer_time_counts_as_it_was_then():
    with writing_in("en", ZoneInfo("Europe/Berlin")):
        assert local_time("2026-07-01T12:00:00+00:00", seconds=True) == "2026-07-01 14:00:00 UTC+2"
        assert local_time("2026-12-01T12:00:00+00:00", seconds=True) == "2026-12-01 13:00:00 UTC+1"


@pytest.mark.parametrize(
    "wrong", ["", "Nowhere/Town", "America", "../../etc/passwd", "x" * 5000, "\u00e9", "Asia/Seoul\x00"]
)
def test_a_zone_that_is_none_counts_as_utc(wrong):
    cookie = f"zone={wrong}".encode("latin-1", "replace")
    request = Request({"type": "http", "headers": [(b"cookie", cookie)]})
    with writing_in("en", detect_zone(request)):
        assert local_time(MOMENT) == "2026-11-29 15:05 UTC"


def test_the_browser_s_zone_is_taken_from_its_cookie():
    request = Request({"type": "http", "headers": [(b"cookie", b"language=ko; zone=Asia/Seoul")]})
    assert detect_zone(request) == ZoneInfo("Asia/Seoul")


def test_no_page_cuts_a_time_out_of_the_store_s_text():
    cut = re.compile(r"(_at|created|since)\b\W*\[:?\d+:?\d*\]")
    pages = [*(ROOT / "rlhf" / "pages").rglob("*.py"), *(ROOT / "reward").rglob("*.py")]
    own = {"template_options.py"}
    assert [path.name for path in pages if path.name not in own and cut.search(path.read_text("utf-8"))] == []
