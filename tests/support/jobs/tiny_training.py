# SPDX-License-Identifier: Apache-2.0
"""A training without torch: `python tests/support/jobs/tiny_training.py RUN HOME`.

The same `rlhf.runs.worker.work` as a real run's. It adds 1 to its weight in every step, writes curves, samples, a log
and a checkpoint per step, and publishes the weight as a policy. At step HOLD_AT it waits for the file HOLD. A step
takes PAUSE seconds.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from data.run_context import Cancelled, RunContext, RunResult
from data.settings import as_dict
from data.store import Store
from rlhf.kinds import Kind
from rlhf.runs.worker import EXIT, work
from rlhf.settings import SFTSettings

HOLD, HOLD_AT, PAUSE = "TINY_HOLD", "TINY_HOLD_AT", "TINY_PAUSE"


def train(context: RunContext, settings: SFTSettings) -> RunResult:
    """Count to `max_steps` from the newest checkpoint."""
    folder = context.checkpoints()
    weight = max([int(path.name) for path in folder.iterdir() if path.name.isdigit()], default=0)
    print(f"from {weight}", flush=True)
    while weight < settings.max_steps:
        weight += 1
        time.sleep(float(os.environ.get(PAUSE, 0)))
        context.metric(weight, weight=weight, inverse=1 / weight)
        context.sample(weight, text=f"sample {weight}")
        print(f"step {weight}", flush=True)
        context.progress(weight, settings.max_steps, "steps")
        _save(folder, weight)
        while weight == int(os.environ.get(HOLD_AT, 0)) and not Path(os.environ[HOLD]).exists():
            time.sleep(0.02)
            if context.cancelled():
                raise Cancelled
        if context.cancelled():
            raise Cancelled
    adapter = context.folder / "adapter"
    adapter.mkdir()
    (adapter / "weight").write_text(str(weight))
    parent = context.store.policies.get(settings.from_)
    policy = context.store.policies.publish(
        adapter,
        name=f"tiny of {context.run.public}",
        kind="sft",
        base=parent.base,
        parent_id=parent.id,
        run_id=context.run.id,
        config=as_dict(settings),
        seed=settings.seed,
    )
    shutil.rmtree(folder)
    return RunResult([policy.public], {"weight": weight})


def _save(folder: Path, weight: int) -> None:
    draft = folder / "draft"
    draft.write_text(str(weight))
    draft.rename(folder / str(weight))
    (folder / str(weight - 2)).unlink(missing_ok=True)


TINY = Kind("sft", "rlhf.settings:SFTSettings", "tests.support.jobs.tiny_training:train")


def command(run_id: int, home: Path) -> list[str]:
    """The launcher's command for this training."""
    return [sys.executable, __file__, str(run_id), str(home)]


if __name__ == "__main__":
    sys.modules["tests.support.jobs.tiny_training"] = sys.modules["__main__"]
    store = Store(Path(sys.argv[2]))
    raise SystemExit(EXIT[work(store, store.runs.get(int(sys.argv[1])), TINY)])
