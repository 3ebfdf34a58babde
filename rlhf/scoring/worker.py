# SPDX-License-Identifier: Apache-2.0
"""The process that scores new test comparisons: `python -m rlhf.scoring.worker HOME`.

It reads each answer once for every one of the newest reward models, and stores the scores. While a server holds the
home it waits for more comparisons for some time, since loading a base takes seconds. It ends when a run is queued or
running, which needs the memory.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from data.errors import BadInput
from data.records import RewardModel as RewardRecord
from data.store import Store
from data.views.live_comparisons import scoring_models, unscored_comparisons
from reward.model import RewardModel
from reward.placement_settings import PlacementSettings, read_placement
from reward.training.rows import RowEncoder
from reward.training.score_test import distinct_answers
from rlhf.common.library_warnings import silence_libraries
from rlhf.common.locks import SERVER, is_locked
from rlhf.models.policy_loading import Bases
from rlhf.scoring.scorer import is_busy

BATCH = 64
"""Comparisons whose answers are scored and stored at once."""
LINGER_SECONDS, POLL_SECONDS = 120.0, 2.0
"""The time that the process waits for more comparisons, and between two looks."""


class LiveScores:
    """Score new comparisons by the models that are in memory."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._bases = Bases(PlacementSettings.model_validate(read_placement(store.home)))
        self._models: dict[int, RewardModel] = {}
        self.unusable: set[int] = set()

    def step(self) -> bool:
        """Score a batch for the first of the newest models that needs one; return whether there was one.

        A model that cannot be loaded is left out, and the log says why.
        """
        for record in scoring_models(self.store):
            try:
                if record.id not in self.unusable and self._score(record):
                    return True
            except BadInput as problem:
                print(f"{record.public}: {problem}", flush=True)
                self.unusable.add(record.id)
        return False

    def _score(self, record: RewardRecord) -> bool:
        """Score a batch. An answer that the model cannot read gets no score, so it is not tried again."""
        rows = unscored_comparisons(self.store, record, BATCH)
        if not rows:
            return False
        if record.id not in self._models:
            self._models[record.id] = RewardModel.load(self.store.home / record.adapter, self._bases.of(record))
        model = self._models[record.id]
        answers = distinct_answers(RowEncoder(model.base).encode(rows))
        scores: dict[str, float | None] = {id: None for row in rows for id in (row.a_id, row.b_id)}
        if answers:
            prompts, ids = zip(*answers.values(), strict=True)
            scores |= dict(zip(answers, model.raw_scores(prompts, ids).tolist(), strict=True))
        self.store.reward_scores.add_many(record.id, scores)
        return True


def score_until_idle(store: Store, linger: float = LINGER_SECONDS, poll: float = POLL_SECONDS) -> bool:
    """Score until a run needs the machine, or until no comparison came for `linger` seconds.

    Returns whether every model could be loaded.
    """
    scores, last = LiveScores(store), time.monotonic()
    while not is_busy(store):
        if scores.step():
            last = time.monotonic()
        elif time.monotonic() - last > linger or not is_locked(store.home / SERVER):
            break
        else:
            time.sleep(poll)
    return not scores.unusable


if __name__ == "__main__":
    silence_libraries()
    raise SystemExit(0 if score_until_idle(Store(Path(sys.argv[1]))) else 1)
