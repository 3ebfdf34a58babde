"""Group commit: acts of labelers, one after another on one thread; those that wait together become one commit.

Many threads that write would queue inside SQLite, which lets them sleep and try again; here they queue in order, and
one write to the disk acknowledges all of them. An act is answered only after the commit that holds it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from data.store import Store

MAX_BATCH = 64
"""Acts in one commit; more wait for the next one, so that nobody waits for hundreds."""

T = TypeVar("T")


class GroupCommit:
    """Does acts on a store in the order in which they were handed in. Its thread starts with the first act."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.waiting: SimpleQueue[tuple[Callable[[], Any], Future]] = SimpleQueue()
        self.starting = threading.Lock()
        self.thread: threading.Thread | None = None

    async def run(self, act: Callable[[], T]) -> T:
        """What `act` returns or raises, once what it wrote is on the disk. A busy store or a full disk raises BadInput: nothing is kept."""
        return await asyncio.wrap_future(self.submit(act))

    def submit(self, act: Callable[[], T]) -> Future[T]:
        """`do` for callers without an event loop."""
        future: Future[T] = Future()
        self.waiting.put((act, future))
        with self.starting:
            if self.thread is None:
                self.thread = threading.Thread(target=self._work, name="desk", daemon=True)
                self.thread.start()
        return future

    def _work(self) -> None:
        while True:
            batch = [self.waiting.get()]
            while len(batch) < MAX_BATCH and not self.waiting.empty():
                batch.append(self.waiting.get())
            batch = [(act, future) for act, future in batch if future.set_running_or_notify_cancel()]
            for (_, future), (result, problem) in zip(batch, self._commit([act for act, _ in batch]), strict=True):
                future.set_exception(problem) if problem else future.set_result(result)

    def _commit(self, acts: list[Callable[[], Any]]) -> list[tuple[Any, Exception | None]]:
        """Every act's result or problem; a commit that fails is the problem of all, since none of them is kept."""
        try:
            with self.store.transaction():
                return [self._attempt(act) for act in acts]
        except Exception as problem:
            return [(None, problem)] * len(acts)

    def _attempt(self, act: Callable[[], Any]) -> tuple[Any, Exception | None]:
        """One act in a savepoint of its own. Raises where SQLite gave up the whole transaction (a full disk)."""
        try:
            with self.store.transaction():
                return act(), None
        except Exception as problem:
            if not self.store.db.conn.in_transaction:
                raise
            return None, problem
