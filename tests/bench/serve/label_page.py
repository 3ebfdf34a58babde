# SPDX-License-Identifier: Apache-2.0
"""From a verdict's key to the next pair on the screen, in Chromium: what a labeler waits for."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from data import Store
from labeling.accounts.sign_in import COOKIE
from tests.support import ROOT

ANSWERS, WARM_UP = 60, 5
TEXT = "Some words that fill a line or two of text. " * 25
WATCH = """() => {
  window.seen = []; let pressed = 0, shown = document.querySelector('#desk').dataset.assignment;
  addEventListener('keydown', () => { pressed = performance.now(); }, true);
  new MutationObserver(() => {
    const now = document.querySelector('#desk').dataset.assignment, began = pressed;
    if (!now || now === shown) return;
    shown = now;
    const placed = performance.now() - began, asked = performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/answer')).at(-1);
    requestAnimationFrame(() => setTimeout(() => seen.push({ placed, painted: performance.now() - began, waited: asked?.duration ?? 0 })));
  }).observe(document.querySelector('#desk'), { attributes: true });
}"""
"""`placed`: in the document; `painted`: after the frame that shows it; `waited`: of it, for the server. Milliseconds."""


def label_page(home: Path) -> dict:
    """Median and 95th percentile over 60 answers with two answers of a thousand characters each, one labeler, a page of its own."""
    from playwright.sync_api import sync_playwright

    store = Store(home)
    for number in range(ANSWERS + WARM_UP + 1):
        prompt = store.prompts.add(f"Write note {number}.", source="bench")
        texts = (
            {"prompt_id": prompt.id, "model_name": name, "text": f"{name} {number}. {TEXT}", "number": 0}
            for name in ("a", "b")
        )
        store.pairs.add(prompt.id, *store.completions.add_many(texts))
    token = store.tokens.issue("session", store.accounts.add("bench", "labeler").id, 3600)
    store.accounts.add("somebody", "researcher", password_hash="none")
    command = [sys.executable, "app.py", "serve", "--home", str(home), "--port", "0"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        address = "/".join(server.stdout.readline().strip().split("/")[:3])
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            context = browser.new_context(viewport={"width": 1280, "height": 800})
            context.add_cookies([{"name": COOKIE, "value": token, "url": address}])
            seen = answered(context.new_page(), f"{address}/label/")
            browser.close()
    finally:
        server.terminate()
        server.wait()
    kept = store.comparisons.count()
    return {
        "answers": len(seen),
        "kept": kept,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        **spread(seen),
    }


def answered(page: object, address: str) -> list[dict]:
    """Press a verdict, wait for the next pair, and so on; the times of each press after the first few."""
    page.goto(address)
    page.locator(".answer").first.wait_for()
    page.wait_for_timeout(2000)
    page.evaluate(WATCH)
    for number in range(ANSWERS + WARM_UP):
        page.keyboard.press("123567"[number % 6])
        page.wait_for_function(f"seen.length > {number}")
        page.wait_for_timeout(100)
    return json.loads(page.evaluate("JSON.stringify(seen)"))[WARM_UP:]


def spread(seen: list[dict]) -> dict:
    """{stage}_p50 and {stage}_p95 in milliseconds."""
    found = {}
    for stage in ("painted", "placed", "waited"):
        values = sorted(each[stage] for each in seen)
        found |= {
            f"{stage}_p50": round(statistics.median(values), 1),
            f"{stage}_p95": round(values[int(len(values) * 0.95) - 1], 1),
        }
    return found
