# SPDX-License-Identifier: Apache-2.0
"""Group commit: labelers' actions run in order on one thread, and actions that wait together share one commit.

Many writing threads would queue inside SQLite, which makes them sleep and retry. Here they queue in order, and one
write to the disk acknowledges all of them. An action is acknowledged only after the commit that contains it.
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
"""The most actions in one commit; others wait for the next one, so that nobody waits for hundreds."""

T = TypeVar("T")


class GroupCommit:
    """Runs actions on a store in the order of their submission. Its thread starts with the first action."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.waiting: SimpleQueue[tuple[Callable[[], Any], Future]] = SimpleQueue()
        self.starting = threading.Lock()
        self.thread: threading.Thread | None = None

    async def run(self, action: Callable[[], T]) -> T:
        """Run `action` and return its result after its writes are on the disk.

        Raises what `action` raises. Raises BadInput, and writes nothing, if the store is busy or the disk is full.
        """
        return await asyncio.wrap_future(self.submit(action))

    def submit(self, action: Callable[[], T]) -> Future[T]:
        """Queue `action` and return its future, for callers without an event loop."""
        future: Future[T] = Future()
        self.waiting.put((action, future))
        with self.starting:
            if self.thread is None:
                self.thread = threading.Thread(target=self._work, name="group-commit", daemon=True)
                self.thread.start()
        return future

    def _work(self) -> None:
        while True:
            batch = [self.waiting.get()]
            while len(batch) < MAX_BATCH and not self.waiting.empty():
                batch.append(self.waiting.get())
            batch = [(action, future) for action, future in batch if future.set_running_or_notify_cancel()]
            for (_, future), (result, problem) in zip(
                batch, self._commit([action for action, _ in batch]), strict=True
            ):
                future.set_exception(problem) if problem else future.set_result(result)

    def _commit(self, actions: list[Callable[[], Any]]) -> list[tuple[Any, Exception | None]]:
        """Return every action's result or exception; a failed commit is the exception of all, since it writes none."""
        try:
            with self.store.transaction():
                return [self._attempt(action) for action in actions]
        except Exception as problem:
            return [(None, problem)] * len(actions)

    def _attempt(self, action: Callable[[], Any]) -> tuple[Any, Exception | None]:
        """Run one action in a savepoint. Raises if SQLite rolled back the whole transaction (a full disk)."""
        try:
            with self.store.transaction():
                return action(), None
        except Exception as problem:
            if not self.store.db.conn.in_transaction:
                raise
            return None, problem
