# SPDX-License-Identifier: Apache-2.0
"""`kill -9` at random moments while labelers answer as fast as they can.

Nothing acknowledged may be lost or recorded twice, no lease lost, no pair stuck, and the database stays sound. What was
under way is sent again with the same id. Most kills hit the labeling app without the page framework; some the whole app.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

from data.store import Store
from tests.attack import Report
from tests.attack.server import Running, nursery, whole_app
from tests.bench.serve.kill9 import checked, one
from tests.bench.serve.labelers import Labeler, fill, hire

LABELERS = 10
PAIRS, MOST_ANSWERS = 60, 60
"""Pairs for each kill, and the most answers before it. The mean is half of that."""
SECONDS = 30.0
"""Seconds after which a server is killed in any case."""
NONE = ("lost", "twice", "leases_lost", "pairs_lost", "refused")
"""Counts that must be 0."""


def main(home: Path, kills: int = 200, whole: int = 2, seed: int = 0) -> Report:
    """Kill the labeling app `kills` times and the whole app `whole` times."""
    store, generator = Store(home), random.Random(seed)
    fill(store, PAIRS * (kills + 3 * whole))
    labelers, counts = hire(store, LABELERS), Counter()
    with nursery(home) as opened:
        for _ in range(kills):
            server = opened.start()
            for labeler in labelers:
                labeler.port = server.port
            counts += asyncio.run(until_killed(labelers, server, generator))
    for _ in range(whole):
        with whole_app(home) as server:
            for labeler in labelers:
                labeler.port = server.port
            counts += asyncio.run(until_killed(labelers, server, generator))
    found = {"leases_lost": counts["leases_lost"], **checked(store, labelers)}
    references = store.rows("PRAGMA foreign_key_check")
    store.close()
    faults = [f"{found[name]} {name.replace('_', ' ')}" for name in NONE if found[name]]
    faults += [f"integrity_check: {found['integrity']}"] if found["integrity"] != "ok" else []
    faults += [f"foreign_key_check: {len(references)} rows"] if references else []
    faults += ["no kill met labelers at work"] if not counts["at_work"] else []
    line = (
        f"{kills} kills of the labeling app and {whole} of the whole app, {counts['at_work']} at work;"
        f" {found['acknowledged']:,} answers acknowledged, {found['lost']} lost, {found['twice']} doubled,"
        f" {found['leases_lost']} leases lost, {found['pairs_lost']} pairs stuck, {counts['sent_again']} sent again"
    )
    return Report(line, faults)


async def until_killed(labelers: list[Labeler], server: Running, generator: random.Random) -> Counter:
    """Label until a random number of answers is acknowledged, then kill the server within the next answers."""
    counts: Counter = Counter()
    goal = sum(len(labeler.acknowledged) for labeler in labelers) + generator.randrange(MOST_ANSWERS)
    pause = generator.uniform(0.0, 0.03)
    working = asyncio.gather(*(one(labeler, counts) for labeler in labelers))
    end = asyncio.get_running_loop().time() + SECONDS
    while not working.done() and asyncio.get_running_loop().time() < end:
        if sum(len(labeler.acknowledged) for labeler in labelers) >= goal:
            break
        await asyncio.sleep(0.002)
    await asyncio.sleep(pause)
    server.kill()
    await working
    counts["at_work"] += any(labeler.item or labeler.pending for labeler in labelers)
    return counts
