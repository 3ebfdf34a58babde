# SPDX-License-Identifier: Apache-2.0
"""One labeler reads and posts the worst texts as fast as possible; another one's next pair must not wait.

The reader looks at rankings of nine answers of 28,000 characters in formatted view, and saves drafts of that length. The other labeler answers pairs; the time of an answer with the next pair is measured.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path

from data.store import Store
from tests.attack import MOST_MB, Report, peak_mb, percentile
from tests.attack.server import running
from tests.attack.worst import WORST, worst_text
from tests.bench.serve.labelers import Labeler, fill, held, hire

RANKINGS = 40
MOST_MS = 100.0
"""Milliseconds within which another labeler has the next pair, at the 95th percentile."""
PAUSE = 0.05
"""Seconds that the other labeler thinks."""


def main(home: Path, seconds: float = 30.0, rankings: int = RANKINGS, *, timed: bool = True) -> Report:
    """Post for that many seconds. `timed`: an answer that takes too long is a fault."""
    store = Store(home)
    fill(store, int(seconds / PAUSE) + 100)
    attacker, other = hire(store, 2)
    project = store.projects.add("Worst")
    accounts = [store.accounts.by_name(f"labeler {number}") for number in range(2)]
    store.projects.change(1, everyone=False)
    store.projects.add_members(1, accounts[1:])
    store.projects.add_members(project.id, accounts[:1])
    for number in range(rankings):
        prompt = store.prompts.add(worst_text(1000 + number), source="attack")
        rows = [
            {"prompt_id": prompt.id, "model_name": "worst", "text": worst_text(9 * number + place), "number": place}
            for place in range(9)
        ]
        store.rankings.add_task(prompt.id, store.completions.add_many(rows), project_id=project.id)
    store.close()
    with running(home, whole=False) as server:
        attacker.port = other.port = server.port
        posts, answers = asyncio.run(work(attacker, other, seconds))
        memory = peak_mb(server.pid)
    p95, slowest = (1000 * percentile(answers, share) for share in (0.95, 1.0))
    faults = [f"p95 of the next pair is {p95:.0f} ms"] if timed and p95 > MOST_MS else []
    faults += [f"peak memory {memory} MB"] if memory > MOST_MB else []
    faults += ["nothing was posted"] if not posts or not answers else []
    line = (
        f"{posts} posts of the worst texts; {len(answers)} next pairs of another labeler,"
        f" p95 {p95:.0f} ms, slowest {slowest:.0f} ms; peak {memory} MB"
    )
    return Report(line, faults)


async def work(attacker: Labeler, other: Labeler, seconds: float) -> tuple[int, list[float]]:
    """Return the number of the attacker's posts, and the seconds of each answer of the other labeler."""
    end = time.monotonic() + seconds
    posting = asyncio.create_task(attack(attacker, end))
    answers: list[float] = []
    await other.ask()
    while time.monotonic() < end and other.item:
        began = time.monotonic()
        await other.label()
        answers.append(time.monotonic() - began)
        await asyncio.sleep(PAUSE)
    posts = await posting
    for labeler in (attacker, other):
        await labeler.leave()
    return posts, answers


async def attack(attacker: Labeler, end: float) -> int:
    """Look, save a draft, rank, undo and rank again, without a pause; return the number of posts."""
    posts = 0
    view = {"view": "formatted"}
    _, shown = await attacker.post("/label/do/look", view)
    while time.monotonic() < end:
        item = held(shown)
        if item is None:
            _, shown = await attacker.post("/label/do/undo", view)
            posts += 1
            continue
        draft = {"rationale": WORST[posts % len(WORST)]}
        await attacker.post("/label/do/draft", {"assignment": item["assignment"], "content": draft})
        places = list(range(1, 10))
        given = {"id": secrets.token_hex(16), "assignment": item["assignment"], "places": places}
        _, shown = await attacker.post("/label/do/rank", {"answer": given} | view)
        posts += 2
        if posts % 8 == 0:
            _, shown = await attacker.post("/label/do/undo", view)
            await attacker.post("/label/do/history", view)
            posts += 2
    return posts
