# SPDX-License-Identifier: Apache-2.0
"""`big_home`: with a million comparisons on 200,000 pairs, how long each page of the real server takes to open, and the next pair to come.

Opening a page is what its handlers do when it is turned to: every look at the store that belongs to it, one after another.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import httpx

from data import Store
from labeling.accounts.sign_in import COOKIE
from tests.bench.serve.labelers import Labeler
from tests.bench.serve.large_home import fill
from tests.bench.serve.start_server import start

TURNS = 100


def big_home(
    home: Path,
    *,
    filled: Path | None = None,
    pairs: int = 200_000,
    comparisons: int = 1_000_000,
    labelers: int = 50,
    rounds: int = 3,
) -> dict:
    """{pages_ms: {page: the median of `rounds`}, slowest_page_ms, next_pair_p95_ms at the server and at the client, fill_seconds}.

    `filled`: a home of `large_home`, which gains two accounts and a hundred answers; the sizes are then its own.
    """
    began, home = time.monotonic(), filled or home
    store = Store(home)
    if filled is None:
        fill(store, pairs=pairs, comparisons=comparisons, labelers=labelers)
    took = time.monotonic() - began
    people = [store.accounts.by_name(role) or store.accounts.add(role, role) for role in ("researcher", "labeler")]
    tokens = [store.tokens.issue("session", account.id, 3600) for account in people]
    server, port = start(home, pages=True)
    try:
        pages = opened(port, tokens[0], rounds)
        labeler = Labeler(port, tokens[1])
        asyncio.run(answer(labeler))
    finally:
        server.terminate()
        server.wait(30)
    slow = int(0.95 * len(labeler.server_ms))
    return {
        "pairs": store.pairs.count(),
        "comparisons": store.comparisons.count(),
        "fill_seconds": None if filled else round(took, 1),
        "load": round(os.getloadavg()[0], 1),
        "pages_ms": pages,
        "slowest_page_ms": max(pages.values()),
        "next_pair_p95_ms": sorted(labeler.server_ms)[slow],
        "next_pair_client_p95_ms": round(sorted(labeler.client_ms)[slow], 1),
        "answered": len(labeler.acknowledged),
    }


def opened(port: int, token: str, rounds: int) -> dict[str, float]:
    """Milliseconds, by page: /label, and each place of /train."""
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", cookies={COOKIE: token}, timeout=120)
    config = client.get("/train/config").json()
    given = {each["id"]: empty_value(each["props"]) for each in config["components"]}
    buttons = {each["id"]: each["props"].get("elem_id") or "" for each in config["components"]}
    calls: dict[str, list] = {place: [] for place in places(client)}
    for each in config["dependencies"]:
        for id, _ in each["targets"]:
            verb, _, page = buttons.get(id, "").partition("-")
            if verb in ("look", "open") and f"#{page}" in calls:
                calls[f"#{page}"].append((each["id"], [given[input] for input in each["inputs"]]))
    told = {"/label/": median([timed(client, "/label/", []) for _ in range(rounds)])}
    return told | {
        place: median([timed(client, "/train/", made) for _ in range(rounds)]) for place, made in calls.items()
    }


def empty_value(props: dict) -> object:
    """Return what a component sends before anybody touched it."""
    return props.get("value") or ([] if props.get("multiselect") else "")


def places(client: httpx.Client) -> list[str]:
    """The pages of /train, as its side bar links to them."""
    bar = next(
        each["props"]["value"]
        for each in client.get("/train/config").json()["components"]
        if "id=nav" in str(each["props"].get("value"))
    )
    return [part.split("'")[0] for part in bar.split("href='")[1:] if part.startswith("#")]


def timed(client: httpx.Client, page: str, calls: list[tuple[int, list]]) -> float:
    """Milliseconds for the page and its looks."""
    began = time.perf_counter()
    client.get(page).raise_for_status()
    for number, given in calls:
        client.post(
            f"{page}gradio_api/run/predict", json={"fn_index": number, "session_hash": "bench", "data": given}
        ).raise_for_status()
    return round(1000 * (time.perf_counter() - began), 1)


def median(values: list[float]) -> float:
    """The middle one."""
    return sorted(values)[len(values) // 2]


async def answer(labeler: Labeler) -> None:
    """A hundred answers, each with the next pair."""
    await labeler.ask()
    for _ in range(TURNS):
        if labeler.item is None:
            break
        await labeler.label()
    await labeler.leave()
