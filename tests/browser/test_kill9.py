# SPDX-License-Identifier: Apache-2.0
"""The server is killed with -9 under load.

What a labeler saw acknowledged is there, once, and what was held comes back.
"""

from __future__ import annotations

from tests.bench.serve.kill9 import kill9


def test_three_kills_under_load_lose_nothing_acknowledged_and_record_nothing_twice(home):
    told = kill9(home, kills=3, pairs=400)
    assert told["acknowledged"] > 0
    none = {name: told[name] for name in ("lost", "twice", "leases_lost", "pairs_lost", "refused")}
    assert none == dict.fromkeys(none, 0)
    assert told["integrity"] == "ok"
