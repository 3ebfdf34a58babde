# SPDX-License-Identifier: Apache-2.0
"""Win rate by number of labels: learning while people label against labels of the start's answers, in two worlds.

All arms have the same recipe and as many policy updates for as many labels. `offline` gets all its labels from answers
of the start. `periodic` asks in four rounds about the policy of the round's begin. `random` and `variance` ask about
the newest policy's answers, by chance or where the reward models disagree. In the world `tour` labelers judge by the rubric. In the world `far` they also want a sentence that 2.5 % of
the start's answers have. The far wish is frozen: nothing was tuned on it.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from data.records import Completion, Prompt
from data.run_context import RunContext
from data.settings import as_dict, parse_settings
from data.starter import gold
from data.store import Store
from labeling.queue.items import shown_ids
from labeling.session import Answer, Session
from labeling.simulate import AGREEMENT, RubricScores, fit_beta, perceive, simulated_account
from rlhf.kinds import KINDS
from rlhf.runs.first_start import load_starter
from rlhf.runs.worker import work

STAGES = {200: (100, 200), 400: (50, 400), 800: (800,), 2000: (2000,)}
"""Largest number of labels of a stage of the study -> the sizes of its offline runs."""
SIZES = tuple(sorted(size for sizes in STAGES.values() for size in sizes))
ROUNDS = 4
UPDATE_LABELS = 8
"""Labels of train prompts for an update, in every arm."""
WISH, WORTH = "i hope to see you soon", 1.5
TEST_PROMPTS, DRAWS = 300, 2
TEST_SHARE = 0.2
"""The share of labels that measure: of the random arm online, of test prompts offline."""
LABELERS = 2

Score = Callable[[dict, str, bool], float]


def far_score(facts: dict, text: str, ended: bool) -> float:
    """Return the rubric's score, and more if the answer has the wish."""
    return gold(facts, text, ended) + WORTH * (WISH in text.lower())


WORLDS: dict[str, Score] = {"tour": gold, "far": far_score}


@dataclass
class Labelers:
    """Simulated labelers of one world. Their noise is the same in every arm: `beta` is fitted to the start's pairs."""

    store: Store
    score: Score
    beta: float
    seed: int
    most: int
    given: int = 0
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.scores = RubricScores(self.store, partial(scored, self.score))
        accounts = [simulated_account(self.store, number) for number in range(1, LABELERS + 1)]
        self.sessions = [Session(self.store, account, rng=self.rng) for account in accounts]

    def answer(self) -> None:
        """Let each labeler answer one pair, until all labels are given."""
        for session in self.sessions:
            item = session.next() if self.given < self.most else None
            if item is None:
                continue
            left, right = shown_ids(session.find_assignment(item.assignment))
            verdict = perceive(self.beta * (self.scores(left) - self.scores(right)), self.rng)
            session.submit(Answer(secrets.token_hex(16), item.assignment, verdict))
            self.given += 1


def cases(worlds: Sequence[str] = ("far", "tour")) -> list[str]:
    """Return the runs to do for a seed, as world/arm/labels: those that say most first.

    An online run is measured on its way at every smaller size. The other arms need a run for each size.
    """
    return [
        f"{world}/{arm}/{size}"
        for most, offline in STAGES.items()
        for world in worlds
        for arm in ("offline", "random", "variance", "periodic")
        for size in (offline if arm == "offline" else (most,))
    ]


def labels(folder: Path, *, seed: int = 0, case: str) -> dict[str, Any]:
    """Do one run and return the figures of its policy by the number of labels."""
    world, arm, most = case.split("/")
    evaluation = Evaluation(WORLDS[world], seed)
    found = _run(folder, evaluation, seed, int(most), arm)
    start = {"beta": evaluation.beta, "start": evaluation.mean_score(evaluation.start)}
    return start | {f"{arm}_{size}": row for size, row in found.items()}


def _run(folder: Path, evaluation: Evaluation, seed: int, most: int, arm: str) -> dict[int, dict[str, Any]]:
    """Do one run and return the figures of its policy by the number of labels."""
    from rlhf.online.run import OnlineRun  # with torch, which most figures do without

    store = Store(folder)
    load_starter(store)
    labelers = Labelers(store, evaluation.score, evaluation.beta, seed, most)
    if arm == "offline":
        _label_the_start(store, labelers, seed)
    settings = parse_settings(
        KINDS["online"].settings_class(),
        {
            "labels": "simulated",
            "from": "p2",
            "max_labels": most,
            "selection": "variance" if arm == "variance" else "random",
            "random_share": TEST_SHARE,
            "publish_every": 0,
            "seed": seed,
        }
        | (_rounds(most) if arm == "periodic" else {"labels_per_step": UPDATE_LABELS}),
    )
    queued = store.runs.enqueue("online", as_dict(settings), "bench")
    store.runs.claim()
    online = OnlineRun.load(RunContext(store, store.runs.get(queued.id)), settings)
    found: dict[int, dict[str, Any]] = {}

    def rest() -> None:
        for size in SIZES:
            if arm in ("random", "variance") and size not in found and labelers.given >= size:
                found[size] = evaluation.measure(online)
        labelers.answer()

    online.labels.rest = rest
    online.work()
    found[most] = evaluation.measure(online)
    store.close()
    return found


def _rounds(most: int) -> dict[str, int]:
    """Return the settings of a run that asks for its labels in rounds and makes a round's updates at once."""
    each = round((1 - TEST_SHARE) * most / ROUNDS)
    return {"first_labels": each, "labels_per_step": each, "updates_per_step": max(1, each // UPDATE_LABELS)}


def _label_the_start(store: Store, labelers: Labelers, seed: int) -> None:
    """Label as many pairs of the start's answers as labels are wanted."""
    settings = {"from": "p2", "prompts": labelers.most, "test_share": TEST_SHARE, "seed": seed}
    parsed = parse_settings(KINDS["sample"].settings_class(), settings)
    run = store.runs.enqueue("sample", as_dict(parsed), "bench")
    store.runs.claim()
    assert work(store, run, KINDS["sample"]) == "done"
    while (before := labelers.given) < labelers.most:
        labelers.answer()
        if labelers.given == before:  # pairs of equal answers are not shown
            break


class Evaluation:
    """The start's answers to test prompts, and the comparison of a policy with them by the world's own score."""

    def __init__(self, score: Score, seed: int) -> None:
        from data import starter
        from reward.base.frozen_base import Base

        self.score, self.seed = score, seed
        rows = [row for row in starter.read_rows(starter.PROMPTS) if _split(row["prompt"]) == "test"]
        self.rows = rows[:TEST_PROMPTS]
        base = Base.load("starter")
        base.add_adapter("start", starter.SFT)
        self.start, self.start_ids = self._draw(base, "start", 1)
        self.beta = fit_beta((self.start[0] - self.start[1]).tolist(), AGREEMENT)

    def measure(self, online: Any) -> dict[str, Any]:  # noqa: ANN401 - an OnlineRun, which needs torch
        """Return the policy's win rate against the start, its KL, and how the reward model orders both's answers."""
        base = online.trainer.base
        mine, ids = self._draw(base, "policy", 2)
        wins = (mine[:, None] > self.start[None]) + 0.5 * (mine[:, None] == self.start[None])
        learner = online.labels.learner
        return {
            "win_rate": float(wins.mean()),
            "score": self.mean_score(mine),
            "labels": online.labels.total,
            "learned_from": len(online.labels.training),
            "updates": online.trainer.updates_done,
            "kl": online.trainer._metrics["kl"],
            "order_start": self._order(base, learner, self.start, self.start_ids),
            "order_policy": self._order(base, learner, mine, ids),
        }

    @staticmethod
    def mean_score(scores: np.ndarray) -> float:
        """Return the mean of scores."""
        return float(scores.mean())

    def _draw(self, base: Any, role: str, key: int) -> tuple[np.ndarray, list[list[list[int]]]]:  # noqa: ANN401
        """Return the scores (DRAWS, N) of a role's answers to the test prompts, and the answers' ids."""
        from rlhf.sampling.sampler import banned_ids, draw_uniforms, generate

        prompts = [base.encode_prompt(row["prompt"]) for row in self.rows]
        scores, ids = [], []
        for draw in range(DRAWS):
            noise = draw_uniforms(2**20 + self.seed, key, [(row, draw) for row in range(len(prompts))], 80)
            with base.role(role):
                drawn = generate(base, prompts, noise, max_new_tokens=80, banned=banned_ids(base))
            texts = [base.decode(answer) for answer in drawn.ids]
            judged = zip(self.rows, texts, drawn.ended, strict=True)
            scores.append([self.score(row["facts"], text, ended) for row, text, ended in judged])
            ids.append(drawn.ids)
        return np.array(scores), ids

    def _order(self, base: Any, learner: Any, scores: np.ndarray, ids: list[list[list[int]]]) -> float:  # noqa: ANN401
        """Return how often the reward model orders two answers to a prompt as the world does; ties are left out."""
        prompts = [base.encode_prompt(row["prompt"]) for row in self.rows]
        first, second = (learner.scores(prompts, answers)[0].numpy() for answers in ids)
        truth, said = scores[0] - scores[1], first - second
        decided = truth != 0
        return float((np.sign(truth[decided]) == np.sign(said[decided])).mean())


def _split(prompt: str) -> str:
    from data.splits import split_of

    return split_of(prompt)


def scored(score: Score, prompt: Prompt, completion: Completion) -> float:
    """Return the score of a completion in a world."""
    return score(prompt.facts or {}, completion.text, completion.ended)
