# SPDX-License-Identifier: Apache-2.0
"""Group commit: labelers' actions run in order on one thread, and actions that wait together share one commit.

Many writing threads would queue inside SQLite, which makes them sleep and retry. Here they queue in order, and one
write to the disk acknowledges all of them. An action is acknowledged only after the commit that contains it.
"""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from data.store import Store
from data.watched_loop import WatchedLoop

MAX_BATCH = 64
"""The most actions in one commit; others wait for the next one, so that nobody waits for hundreds."""

T = TypeVar("T")
Batch = list[tuple[Callable[[], Any], Future]]


class WriteTurns:
    """The turns of several processes that write to one home, by a file lock: the kernel wakes its waiters at once."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("w")

    def __enter__(self) -> None:
        """Wait for this process's turn."""
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        """End the turn."""
        fcntl.flock(self._file, fcntl.LOCK_UN)


class GroupCommit:
    """Runs actions on a store in the order of their submission. Its thread starts with the first action.

    `turns` are taken with the other processes of the server, if there are any.
    """

    def __init__(self, store: Store, turns: WriteTurns | None = None) -> None:
        self.store, self.turns = store, turns or nullcontext()
        self.waiting: SimpleQueue[tuple[Callable[[], Any], Future]] = SimpleQueue()
        self.loop: WatchedLoop[Batch] = WatchedLoop("group-commit", self._wait, self._work)

    async def run(self, action: Callable[[], T]) -> T:
        """Run `action` and return its result after its writes are on the disk.

        Raises what `action` raises. Raises BadInput, and writes nothing, if the store is busy or the disk is full.
        """
        return await asyncio.wrap_future(self.submit(action))

    def submit(self, action: Callable[[], T]) -> Future[T]:
        """Queue `action` and return its future, for callers without an event loop."""
        future: Future[T] = Future()
        self.waiting.put((action, future))
        self.loop.start()
        return future

    def _wait(self) -> Batch:
        """Return the actions that wait, at least one."""
        batch = [self.waiting.get()]
        while len(batch) < MAX_BATCH and not self.waiting.empty():
            batch.append(self.waiting.get())
        return batch

    def _work(self, batch: Batch) -> None:
        """Run the actions and resolve their futures. Every future gets a result or an exception."""
        batch = [(action, future) for action, future in batch if future.set_running_or_notify_cancel()]
        try:
            outcomes = self._commit([action for action, _ in batch])
        except BaseException as problem:  # an action ended with SystemExit or the like: none was committed
            for _, future in batch:
                future.set_exception(RuntimeError(f"an action ended with {problem!r}"))
            raise
        for (_, future), (result, failure) in zip(batch, outcomes, strict=True):
            future.set_exception(failure) if failure else future.set_result(result)

    def _commit(self, actions: list[Callable[[], Any]]) -> list[tuple[Any, Exception | None]]:
        """Return every action's result or exception; a failed commit is the exception of all, since it writes none."""
        try:
            with self.turns, self.store.transaction():
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
