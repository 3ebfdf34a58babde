# SPDX-License-Identifier: Apache-2.0
"""Metrics of the server in Prometheus's text format: counters of requests, and gauges of the store read when scraped.

A request costs two counter updates and no query. A scrape reads indexes and running counts only, at most every
`CACHE_SECONDS`.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from data.clock import later
from data.store import Store
from data.transfer.scheduled_backups import ScheduledBackups
from data.version import __version__
from labeling.http.observation import AnsweredRequest

CACHE_SECONDS = 5.0
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the latency histogram in seconds."""
QUEUE = """SELECT p.name, (SELECT count(*) FROM queue AS q WHERE q.project_id = p.id AND q.judged = 0)
    + (SELECT count(*) FROM ranking_tasks AS t WHERE t.project_id = p.id AND t.judged = 0 AND t.shown = 1) AS n
    FROM projects AS p ORDER BY p.id"""
LABELS = """SELECT (SELECT count(*) FROM comparisons WHERE created_at > ?1 AND verdict != 'withdrawn')
    + (SELECT count(*) FROM (SELECT created_at FROM rankings ORDER BY rowid DESC LIMIT 1000) WHERE created_at > ?1)"""
EXPIRED = "SELECT count(*) FROM assignments WHERE done = 0 AND expires_at > ? AND expires_at <= ?"
OLDEST_PROGRESS = "SELECT min(coalesce(progress_at, started_at)) FROM runs WHERE state = 'running'"
RUN_STATES = ("queued", "running", "done", "failed", "cancelled", "lost")


class ServerMetrics:
    """The registry of one server. `observe` counts a request; `render` is the text of a scrape."""

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, store: Store, backups: ScheduledBackups | None = None) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "preference_loop_requests",
            "Answered requests by route group, method and status.",
            ["group", "method", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "preference_loop_request_seconds",
            "Seconds from a request's head to the end of its answer.",
            ["group"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        self.registry.register(StoreGauges(store, backups))

    def observe(self, answered: AnsweredRequest) -> None:
        """Count one request."""
        group = route_group(answered.path)
        self.requests.labels(group, answered.method, str(answered.status)).inc()
        self.seconds.labels(group).observe(answered.seconds)

    def render(self) -> bytes:
        """Return all metrics. Raises BadInput if the store cannot be read."""
        return generate_latest(self.registry)


class StoreGauges(Collector):
    """The gauges of the store, the disk, the runs and the backups."""

    def __init__(self, store: Store, backups: ScheduledBackups | None) -> None:
        self.store = store
        self.backups = backups
        self.lock = threading.Lock()
        self.read_at = float("-inf")
        self.families: list[Metric] = []

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges, read at most every CACHE_SECONDS."""
        with self.lock:
            if time.monotonic() - self.read_at >= CACHE_SECONDS:
                self.families = [*self._read_labeling(), *self._read_home()]
                self.read_at = time.monotonic()
            families = self.families
        yield from families

    def _read_labeling(self) -> Iterator[Metric]:
        queue = GaugeMetricFamily(
            "preference_loop_queue_items", "Items without an answer by a person.", labels=["project"]
        )
        for row in self.store.rows(QUEUE):
            queue.add_metric([row["name"]], row["n"])
        yield queue
        labels = self.store.value(LABELS, [later(-60)])
        yield GaugeMetricFamily("preference_loop_labels_last_minute", "Answers in the last 60 s.", value=labels)
        expired = self.store.value(EXPIRED, [later(-3600), later(0)])
        yield GaugeMetricFamily(
            "preference_loop_leases_expired_last_hour",
            "Leases that ended in the last hour without an answer.",
            value=expired,
        )

    def _read_home(self) -> Iterator[Metric]:
        states = {row["state"]: row["n"] for row in self.store.rows("SELECT state, count(*) AS n FROM runs GROUP BY 1")}
        runs = GaugeMetricFamily("preference_loop_runs", "Runs by state.", labels=["state"])
        for state in RUN_STATES:
            runs.add_metric([state], states.get(state, 0))
        yield runs
        oldest = self.store.value(OLDEST_PROGRESS)
        age = (datetime.now(UTC) - datetime.fromisoformat(oldest)).total_seconds() if oldest else 0
        yield GaugeMetricFamily(
            "preference_loop_run_progress_age_seconds",
            "Seconds since the last progress of the running run that waits longest; 0 without one.",
            value=age,
        )
        free = shutil.disk_usage(self.store.home).free
        yield GaugeMetricFamily("preference_loop_disk_free_bytes", "Free bytes of the home's disk.", value=free)
        files = [*self.store.home.glob("feedback.db*"), *self.store.home.glob("metrics.db*")]
        size = sum(file.stat().st_size for file in files if not file.name.endswith(".lock"))
        yield GaugeMetricFamily("preference_loop_store_bytes", "Bytes of both databases and their logs.", value=size)
        version = GaugeMetricFamily("preference_loop_info", "The version of the application.", labels=["version"])
        version.add_metric([__version__], 1)
        yield version
        if self.backups:
            backup_age = self.backups.newest_age()
            yield GaugeMetricFamily(
                "preference_loop_backup_age_seconds",
                "Age of the newest verified backup; -1 without one.",
                value=-1 if backup_age is None else backup_age,
            )
            failing = int(self.backups.last_error is not None)
            yield GaugeMetricFamily(
                "preference_loop_backup_failing", "1 if the last backup failed, else 0.", value=failing
            )


def route_group(template: str) -> str:
    """Return the first parts of a route's template: `/label/do`, `/api/v1/next`, `/train/exports`."""
    parts = template.split("/")
    return "/".join(parts[: 4 if template.startswith("/api/") else 3]) or "/"
