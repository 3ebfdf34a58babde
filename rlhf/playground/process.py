# SPDX-License-Identifier: Apache-2.0
"""The server's side of the playground: it starts the worker with the first question and holds the newest replies."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import OrderedDict
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path

from rlhf.playground.exchange import Question, Reply

ROOT = Path(__file__).resolve().parents[2]
KEPT = 200
"""Questions whose replies the server remembers."""


@dataclass(slots=True)
class _Asked:
    """A question, the replies to it by policy, and the worker that answers."""

    question: Question
    replies: dict[str, Reply]
    worker: subprocess.Popen[str] | None = None


class Playground:
    """The playground of a home. Safe to use from several threads."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._numbers = count(1)
        self._asked: OrderedDict[int, _Asked] = OrderedDict()
        self._worker: subprocess.Popen[str] | None = None
        self._lock = threading.RLock()

    def ask(self, question: Question) -> int:
        """Ask the question; return its number. The worker starts if it does not run."""
        with self._lock:
            number = next(self._numbers)
            asked = self._asked[number] = _Asked(question, {policy: Reply(policy) for policy in question.policies})
            while len(self._asked) > KEPT:
                self._asked.popitem(last=False)
            asked.worker = self._send({"number": number, "question": asdict(question)})
            return number

    def stop(self, number: int) -> None:
        """Stop the answers to a question."""
        with self._lock:
            if self._worker and any(reply.active for reply in self.replies(number)):
                self._send({"stop": number})

    def question(self, number: int) -> Question | None:
        """Return the question of that number; None if it is unknown or forgotten."""
        asked = self._asked.get(number)
        return asked.question if asked else None

    def replies(self, number: int) -> list[Reply]:
        """Return the replies to a question in the order of its policies; none to an unknown one."""
        with self._lock:
            asked = self._asked.get(number)
            return list(asked.replies.values()) if asked else []

    def close(self) -> None:
        """End the worker. The next question starts another."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker and worker.stdin:
            worker.stdin.close()
            worker.wait()

    def _send(self, message: dict) -> subprocess.Popen[str]:
        """Send a message to the worker and return it; start one, or another one if it has ended in the meantime."""
        for _ in range(2):
            worker = self._worker or self._start()
            assert worker.stdin is not None
            try:
                worker.stdin.write(json.dumps(message) + "\n")
                worker.stdin.flush()
                break
            except OSError:
                self._worker = None
        return worker

    def _start(self) -> subprocess.Popen[str]:
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "rlhf.playground.worker", str(self.home)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        threading.Thread(target=self._receive, args=(self._worker,), daemon=True).start()
        return self._worker

    def _receive(self, worker: subprocess.Popen[str]) -> None:
        """Take the worker's messages until it ends; replies that it leaves behind have failed."""
        assert worker.stdout is not None
        for line in worker.stdout:
            message = json.loads(line)
            with self._lock:
                asked = self._asked.get(message.pop("number"))
                if asked:
                    policy = message.pop("policy")
                    asked.replies[policy] = asked.replies[policy].updated(message)
        worker.wait()
        with self._lock:
            if self._worker is worker:
                self._worker = None
            for asked in self._asked.values():
                if asked.worker is worker:
                    _fail_active(asked.replies)


def _fail_active(replies: dict[str, Reply]) -> None:
    for policy, reply in replies.items():
        if reply.active:
            replies[policy] = replace(reply, state="failed", cause="ended")
