# SPDX-License-Identifier: Apache-2.0
"""`kill9`: the server is killed at random moments while labelers answer as fast as they can; nothing that they saw acknowledged may be lost.

The doors alone are started (`tests.bench.serve.start_server`), since the pages only make the start slower. What was under way when the server died
is sent again with the same id. At the end the store is read by itself.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data import Store
from labeling.queue.leases import LEASE_SECONDS
from labeling.session import Session
from tests.bench.serve.labelers import Gone, Labeler, fill, hire
from tests.bench.serve.start_server import start

LABELERS = 8
PAIRS = 300
"""For each kill; fewer are judged in the at most 0.6 s before it, so that no kill meets a server without work."""


def kill9(home: Path, *, kills: int = 200, pairs: int = 0, seed: int = 0) -> dict:
    """{kills, at_work, acknowledged, lost, twice, under_way_kept, leases_lost, pairs_lost, refused}; the four that say lost or twice are 0.

    `at_work`: kills that met labelers who still had pairs to judge.
    """
    store, rng = Store(home), random.Random(seed)
    fill(store, pairs or PAIRS * kills)
    labelers, told, began = hire(store, LABELERS), Counter(), time.monotonic()
    for _ in range(kills):
        server, port = start(home, pages=False)
        for labeler in labelers:
            labeler.port = port
        try:
            told += asyncio.run(until_killed(labelers, server.kill, rng.uniform(0.05, 0.6)))
        finally:
            server.kill()
            server.wait()
            server.stdout.close()
    found = checked(store, labelers)
    store.close()
    counted = {name: told[name] for name in ("at_work", "leases_lost", "sent_again")}
    return {"kills": kills, "seconds": round(time.monotonic() - began, 1), **counted, **found}


async def until_killed(labelers: list[Labeler], kill: object, after: float) -> Counter:
    """First what was under way is sent again, then labels until the server is killed, `after` seconds from now."""
    told = Counter()
    asyncio.get_running_loop().call_later(after, kill)
    await asyncio.gather(*(one(labeler, told) for labeler in labelers))
    told["at_work"] += any(labeler.item or labeler.pending for labeler in labelers)
    return told


async def one(labeler: Labeler, told: Counter) -> None:
    """Until the server is gone. A lease that was held when it died is handed to the same labeler again."""
    try:
        if labeler.pending:
            told["sent_again"] += 1
        else:
            held = labeler.item
            await labeler.ask()
            told["leases_lost"] += bool(held) and (labeler.item or {}).get("assignment") != held["assignment"]
        while labeler.item:
            await labeler.label()
    except Gone:
        pass
    finally:
        await labeler.leave()


def checked(store: Store, labelers: list[Labeler]) -> dict:
    """What the store holds, against what the labelers saw."""
    events = Counter(event.id for event in store.comparisons.events())
    answers = Counter(event.assignment_id for event in store.comparisons.events())
    seen = [id for labeler in labelers for id in labeler.acknowledged]
    later = (datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS + 1)).isoformat(timespec="microseconds")
    judged = {event.pair_id for event in store.comparisons.current()}
    free = len(Session(store, store.accounts.add("after", "labeler"), clock=lambda: later).queue.waiting_pairs())
    return {
        "acknowledged": len(seen),
        "lost": sum(id not in events for id in seen),
        "twice": sum(count > 1 for count in answers.values()),
        "under_way_kept": len(events) - len(set(seen)),
        "pairs_lost": store.pairs.count() - len(judged) - free,
        "refused": sum(len(labeler.refused) for labeler in labelers),
        "integrity": store.value("PRAGMA integrity_check"),
    }
