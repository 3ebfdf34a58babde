# SPDX-License-Identifier: Apache-2.0
"""The home's webhook: an address that gets a small JSON document when a run ends. The supervisor sends it.

Only the command line sets the address, since it says where this machine sends requests. The address may hold a token,
so pages, logs and errors show its host only. A server may echo the address, so nothing stores its answer.
Redirects are refused.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from data.clock import now
from data.errors import BadInput
from data.logs import LOG
from data.records import Run
from data.store import Store
from labeling.texts.pages import bad_input
from rlhf.common.http_json import NotJson, RequestFailed, post_json

FILE = "webhook.json"
TIMEOUT, PAUSES = 10.0, (1.0, 5.0, 20.0)
"""Seconds for each step of a request, and the pauses before it is sent again."""
REST_SECONDS = 60.0
"""Seconds without an attempt after a failure of this machine."""
FIGURES = 20
"""Figures of a report in a document, at most."""


class Webhook(NamedTuple):
    """The address, and the time from which on runs that end are sent to it."""

    url: str
    since: str

    @property
    def host(self) -> str:
        """The part of the address that may be shown."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def read_webhook(home: Path) -> Webhook | None:
    """Return the home's webhook, or None. Raises BadInput for a damaged file."""
    file = home / FILE
    if not file.is_file():
        return None
    try:
        webhook = Webhook(**json.loads(file.read_text(encoding="utf-8")))
        check_url(webhook.url)
        datetime.fromisoformat(webhook.since)
    except (OSError, ValueError, TypeError, AttributeError, BadInput):
        raise bad_input("home_file.bad_webhook", name=FILE) from None
    return webhook


def write_webhook(home: Path, url: str) -> Webhook | None:
    """Keep an address, from now on; an empty one removes it. Raises BadInput for what is no http or https address."""
    if not url.strip():
        (home / FILE).unlink(missing_ok=True)
        return None
    webhook = Webhook(check_url(url.strip()), now())
    draft = home / f"{FILE}.part"
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(webhook._asdict()), encoding="utf-8")
    os.replace(draft, home / FILE)
    return webhook


def check_url(url: str) -> str:
    """Return the address. Raises BadInput unless it is one of http or https with a host and without a password."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        known = False
    if not known or not url.isprintable() or " " in url:
        raise bad_input("refused.webhook", field="url", url=url[:60])
    if parts.username or parts.password:
        raise bad_input("refused.webhook_password", field="url")
    return url


def make_document(run: Run, name: str) -> dict[str, Any]:
    """Return what the webhook gets: the run, its kind, state, name and products, and the figures of its report.

    Texts of reports and errors are left out: they may hold paths and prompts.
    """
    figures = {
        key: value
        for key, value in run.report.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    for evaluation in run.report.get("evaluations", []):
        if evaluation.get("win_rate") is not None:
            figures[f"win_rate {evaluation['policy']} {evaluation.get('against')}"] = evaluation["win_rate"]
    return {
        "run": run.public,
        "kind": run.kind,
        "state": run.state,
        "name": name,
        "produced": run.produced,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "figures": dict(list(figures.items())[:FIGURES]),
    }


def send_due(store: Store, pauses: Sequence[float] = PAUSES) -> None:
    """Send every end that the webhook did not get yet. A failure is recorded and logged; it is not tried later."""
    webhook = read_webhook(store.home)
    for id in store.webhook_deliveries.due(webhook.since) if webhook else []:
        assert webhook, "the list is empty without one"
        run, note, problem = store.runs.get(id), store.notes.get(Run.prefix, id), None
        try:
            post_json(webhook.url, make_document(run, note.name), timeout=TIMEOUT, pauses=pauses)
        except NotJson:
            pass  # many servers answer with a word
        except RequestFailed as failure:
            problem = f"{webhook.host} {failure.outcome}"
            LOG.warning(f"the end of {run.public} was not sent to the webhook: {problem}")
        store.webhook_deliveries.record(id, problem)


class WebhookSender:
    """Sends in a thread of its own, so that a slow server delays no run. No failure reaches the caller."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread: threading.Thread | None = None
        self._rests_until = 0.0

    def step(self) -> bool:
        """Start to send if something is due; return whether something is being sent."""
        if self._thread and self._thread.is_alive():
            return True
        if time.monotonic() < self._rests_until:
            return False
        try:
            webhook = read_webhook(self._store.home)
            due = bool(webhook and self._store.webhook_deliveries.due(webhook.since))
        except Exception:
            return self._rest()
        if due:
            self._thread = threading.Thread(target=self._send, daemon=True)
            self._thread.start()
        return due

    def _send(self) -> None:
        try:
            send_due(self._store)
        except Exception:
            self._rest()

    def _rest(self) -> bool:
        """Log the exception and send nothing for a while: the file may be damaged, or the disk full."""
        LOG.exception("the webhook failed")
        self._rests_until = time.monotonic() + REST_SECONDS
        return False
