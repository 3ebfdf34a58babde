# SPDX-License-Identifier: Apache-2.0
"""A pool of servers that share requests. The share of a server that fails goes to the others.

A failed server is tried again with one request after a pause that doubles. If all have failed, the pool waits.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple

from rlhf.common.http_json import RequestFailed
from rlhf.sampling.served.server import Completion, CompletionRequest, Server, is_temporary

AT_ONCE = 64
"""Requests that a server works on at once."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
LOOK_SECONDS = 0.5
"""Longest time between two calls of `watch`."""
ATTEMPTS = 5
"""Times that an answer is asked for although servers report an error of their own (status 500)."""

Watch = Callable[[str], None]
"""It gets the reason why nothing happens, "" if something does. It may raise to end the waiting."""


class Member:
    """A server in the pool. `problem` says why its last request failed, None if it worked."""

    def __init__(self, server: Server) -> None:
        self.server, self.in_flight = server, 0
        self.problem: RequestFailed | None = None
        self.pause = self.retry_at = 0.0

    def has_room(self, now: float) -> bool:
        """Return whether the server takes another request now."""
        return self.in_flight < AT_ONCE if self.problem is None else now >= self.retry_at and not self.in_flight

    def fail(self, problem: RequestFailed) -> None:
        """Note a failed request; those that fail together lengthen the pause once."""
        now, self.problem = time.monotonic(), problem
        if now >= self.retry_at:
            self.pause = min(2 * self.pause, LONGEST_PAUSE) or FIRST_PAUSE
            self.retry_at = now + self.pause

    def recover(self) -> None:
        """Note a request that worked."""
        self.problem, self.pause, self.retry_at = None, 0.0, 0.0


class Outcome(NamedTuple):
    """The end of one request: a completion, or what was raised."""

    member: Member
    row: int
    result: Completion | BaseException


class ServerPool:
    """The servers of a run. `watch` is called in the thread that waits."""

    def __init__(self, servers: Sequence[Server], watch: Watch) -> None:
        self.members, self.watch = [Member(server) for server in servers], watch

    def living(self) -> list[Member]:
        """Return the servers whose last request worked."""
        return [member for member in self.members if member.problem is None]

    def complete(self, requests: Sequence[CompletionRequest]) -> list[Completion]:
        """Return the answers to all requests, in order, as soon as servers have given them.

        Raises BadInput for a request that a server refuses, and what `watch` raises.
        """
        waiting, outcomes = deque(range(len(requests))), SimpleQueue[Outcome]()
        completions: dict[int, Completion] = {}
        attempts: Counter[int] = Counter()
        while len(completions) < len(requests):
            self._send(waiting, requests, outcomes)
            self.watch(self._reason_to_wait())
            try:
                member, row, result = outcomes.get(timeout=self._longest_look())
            except Empty:
                continue
            member.in_flight -= 1
            if isinstance(result, Completion):
                completions[row] = result
                member.recover()
                continue
            if not isinstance(result, RequestFailed):
                raise result
            attempts[row] += result.status == 500
            if not is_temporary(result) or attempts[row] == ATTEMPTS:
                raise member.server.failure(result)
            member.fail(result)
            waiting.append(row)
        return [completions[row] for row in range(len(requests))]

    def _send(self, waiting: deque[int], requests: Sequence[CompletionRequest], outcomes: SimpleQueue[Outcome]) -> None:
        """Give waiting requests to the least busy servers, as many as they take."""
        while waiting:
            free = [member for member in self.members if member.has_room(time.monotonic())]
            if not free:
                return
            member, row = min(free, key=lambda member: member.in_flight), waiting.popleft()
            member.in_flight += 1
            # a thread that hangs must not outlive the run
            threading.Thread(target=_ask, args=(member, row, requests[row], outcomes), daemon=True).start()

    def _reason_to_wait(self) -> str:
        """Return why no server works, "" if one does."""
        if self.living():
            return ""
        return "; ".join(f"{member.server.url} {member.problem}" for member in self.members)

    def _longest_look(self) -> float:
        """Return the seconds until a failed server is tried again, at most LOOK_SECONDS."""
        now = time.monotonic()
        pauses = [max(0.0, member.retry_at - now) for member in self.members if member.problem and not member.in_flight]
        return min([LOOK_SECONDS, *pauses])


def _ask(member: Member, row: int, request: CompletionRequest, outcomes: SimpleQueue[Outcome]) -> None:
    result: Completion | BaseException
    try:
        result = member.server.complete(request)
    except BaseException as problem:  # noqa: BLE001 (the waiting thread raises it)
        result = problem
    outcomes.put(Outcome(member, row, result))
