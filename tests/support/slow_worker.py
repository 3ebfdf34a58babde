# SPDX-License-Identifier: Apache-2.0
"""A worker without torch for the supervisor's tests: `python tests/support/slow_worker.py RUN HOME`.

The same `rlhf.runs.worker.work` as a real run's, with a kind that counts to `total` and stops between two numbers.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from data.run_context import Cancelled, RunContext, RunResult
from data.settings import Settings
from data.store import Store
from rlhf.kinds import Kind
from rlhf.runs.worker import EXIT, work


class CountSettings(Settings):
    """How far, and how long each number takes."""

    total: int = 20
    pause: float = 0.05
    fail_at: int = -1
    stubborn: bool = False


def count(context: RunContext, settings: CountSettings) -> RunResult:
    """Count to `total`; raise at `fail_at`; `stubborn` never looks at a cancellation."""
    for number in range(settings.total):
        if number == settings.fail_at:
            raise ValueError(f"cannot count past {number}")
        if context.cancelled() and not settings.stubborn:
            raise Cancelled
        context.progress(number + 1, settings.total)
        time.sleep(settings.pause)
    return RunResult(produced=[], report={"counted": settings.total})


COUNT = Kind("count", "tests.support.slow_worker:CountSettings", "tests.support.slow_worker:count")


def command(run_id: int, home: Path) -> list[str]:
    """The supervisor's command for this worker."""
    return [sys.executable, __file__, str(run_id), str(home)]


if __name__ == "__main__":
    sys.modules["tests.support.slow_worker"] = sys.modules["__main__"]
    store = Store(Path(sys.argv[2]))
    raise SystemExit(EXIT[work(store, store.runs.get(int(sys.argv[1])), COUNT)])
