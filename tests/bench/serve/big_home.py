# SPDX-License-Identifier: Apache-2.0
"""`big_home`: with a million comparisons on 200,000 pairs, how long each page of the real server takes to open, and the next pair to come.

`labels_figures`: what labelers notice of the figures of the Labels page, which are computed from the first look at it on.

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
from labeling.quality.overview import OverviewBuilder
from tests.bench.serve.labelers import Labeler
from tests.bench.serve.large_home import fill
from tests.bench.serve.serve_load import at, cpu_seconds
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
    store, tokens, took = prepare(filled or home, filled is None, pairs, comparisons, labelers)
    server, port = start(store.home, pages=True)
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
        "fill_seconds": took,
        "load": round(os.getloadavg()[0], 1),
        "pages_ms": pages,
        "slowest_page_ms": max(pages.values()),
        "next_pair_p95_ms": sorted(labeler.server_ms)[slow],
        "next_pair_client_p95_ms": round(sorted(labeler.client_ms)[slow], 1),
        "answered": len(labeler.acknowledged),
    }


def labels_figures(
    home: Path,
    *,
    filled: Path | None = None,
    pairs: int = 200_000,
    comparisons: int = 1_000_000,
    labelers: int = 50,
) -> dict:
    """Labelers' waits beside the figures (`beside_figures`), and the figures' cost (`from_scratch_and_again`). Arguments as for `big_home`."""
    store, tokens, _ = prepare(filled or home, filled is None, pairs, comparisons, labelers)
    noticed = {}
    for measure in (server_cost, beside_figures):
        server, port = start(store.home, pages=True)
        try:
            noticed |= asyncio.run(measure(port, server.pid, *tokens))
        finally:
            server.terminate()
            server.wait(30)
    about = {"comparisons": store.comparisons.count(), "load": round(os.getloadavg()[0], 1)}
    return about | noticed | from_scratch_and_again(Store(store.home, read_only=True))


def prepare(
    home: Path, empty: bool, pairs: int, comparisons: int, labelers: int
) -> tuple[Store, list[str], float | None]:
    """The home, filled if it is empty; tokens of a researcher and a labeler; the seconds that it took to fill it."""
    began, store = time.monotonic(), Store(home)
    if empty:
        fill(store, pairs=pairs, comparisons=comparisons, labelers=labelers)
    took = round(time.monotonic() - began, 1) if empty else None
    people = [store.accounts.by_name(role) or store.accounts.add(role, role) for role in ("researcher", "labeler")]
    return store, [store.tokens.issue("session", account.id, 3600) for account in people], took


async def server_cost(port: int, server: int, researcher: str, _: str) -> dict:
    """Processor seconds of the serving process from the first look at the Labels page until it shows figures; nobody labels."""
    client = site(port, researcher)
    calls = looks(client)["#labels"]
    used = cpu_seconds(server)
    await asyncio.to_thread(look_until_there, client, calls)
    return {"server_cpu_seconds": round(cpu_seconds(server) - used, 2)}


async def beside_figures(port: int, _: int, researcher: str, person: str) -> dict:
    """Milliseconds of an answer with the next pair, of a labeler who never pauses: before the figures, and while they are computed."""
    client, labeler = site(port, researcher), Labeler(port, person)
    calls = looks(client)["#labels"]
    await labeler.ask()
    while labeler.item and len(labeler.client_ms) < 5 * TURNS:
        await labeler.label()
    alone = sorted(labeler.client_ms)
    labeler.client_ms.clear()
    began = time.monotonic()
    look = asyncio.create_task(asyncio.to_thread(look_until_there, client, calls))
    while not look.done() and labeler.item:
        await labeler.label()
    await look
    took = time.monotonic() - began
    await labeler.leave()
    beside = sorted(labeler.client_ms)
    return {
        "answer_ms_alone": {"p50": at(alone, 0.5), "p99": at(alone, 0.99), "most": at(alone, 1.0)},
        "answer_ms_beside": {"p50": at(beside, 0.5), "p99": at(beside, 0.99), "most": at(beside, 1.0)},
        "answers_beside": len(beside),
        "seconds": round(took, 1),
    }


def look_until_there(client: httpx.Client, calls: list) -> None:
    """Look at the Labels page every two seconds, as a browser does, until it shows figures."""
    while any("Reading the comparisons" in call_handler(client, "/train/", *call).text for call in calls):
        time.sleep(2)


def from_scratch_and_again(store: Store) -> dict:
    """Processor seconds of the figures from scratch, and again after a hundred more answers."""
    columns, builder, seconds = store.comparison_columns, OverviewBuilder("people"), []
    events = columns.cached()
    for known in (events[:-TURNS], events):
        columns.cached = lambda known=known: known
        began = time.process_time()
        builder.build(store)
        seconds.append(round(time.process_time() - began, 2))
    return {"first_cpu_seconds": seconds[0], "later_cpu_seconds": seconds[1]}


def site(port: int, token: str) -> httpx.Client:
    """The researcher's browser."""
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", cookies={COOKIE: token}, timeout=120)


def looks(client: httpx.Client) -> dict[str, list[tuple[int, list]]]:
    """The calls that each place of /train makes when it is opened."""
    config = client.get("/train/config").json()
    given = {each["id"]: empty_value(each["props"]) for each in config["components"]}
    buttons = {each["id"]: each["props"].get("elem_id") or "" for each in config["components"]}
    calls: dict[str, list] = {place: [] for place in places(client)}
    for each in config["dependencies"]:
        for id, _ in each["targets"]:
            verb, _, page = buttons.get(id, "").partition("-")
            if verb in ("look", "open") and f"#{page}" in calls:
                calls[f"#{page}"].append((each["id"], [given[input] for input in each["inputs"]]))
    return calls


def opened(port: int, token: str, rounds: int) -> dict[str, float]:
    """Milliseconds, by page: /label, and each place of /train."""
    client = site(port, token)
    told = {"/label/": median([timed(client, "/label/", []) for _ in range(rounds)])}
    return told | {
        place: median([timed(client, "/train/", made) for _ in range(rounds)]) for place, made in looks(client).items()
    }


def empty_value(props: dict) -> object:
    """Return what a component sends before anybody touched it."""
    value = props.get("value")
    return value if value is not None else [] if props.get("multiselect") else ""


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
        call_handler(client, page, number, given)
    return round(1000 * (time.perf_counter() - began), 1)


def call_handler(client: httpx.Client, page: str, number: int, given: list) -> httpx.Response:
    """Call a handler of a page."""
    body = {"fn_index": number, "session_hash": "bench", "data": given}
    return client.post(f"{page}gradio_api/run/predict", json=body).raise_for_status()


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
