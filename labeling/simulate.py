# SPDX-License-Identifier: Apache-2.0
"""Simulated labelers: they answer through `Session`, and every answer is permanently flagged as simulated.

A labeler compares two answers whose rubric scores differ by d = score(left) - score(right) and perceives z = beta d + e
with standard logistic noise e. The labeler prefers the left answer if z > 0: a Bernoulli choice with p = sigmoid(beta
d) (Bradley & Terry 1952). Two such labelers agree on the pair with probability p^2 + (1 - p)^2. `beta` is chosen so
that the mean of this over the waiting pairs is the requested agreement. The verdict follows the size of z: |z| < 1
slightly, < 2.5 clearly, else much better. So most mistakes are slight ones, as with people. There are no ties: a tie
counts half in measured agreement and would shift it from the formula.

To rank answers, a labeler perceives each with standard Gumbel noise. Two such noises differ by logistic noise, so every
two answers of a ranking follow the same law as a pair (Plackett 1975).
"""

from __future__ import annotations

import math
import random
import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

import data.starter
from data.ids import canonical_json
from data.records import Account, Completion, Prompt
from data.store import Store
from labeling.queue.items import shown_ids
from labeling.queue.leases import OVERLAP, Queue
from labeling.session import Answer, RankingAnswer, RankingItem, Session
from labeling.texts.pages import bad_input

AGREEMENT = 0.73
GRADES = ((1.0, "_slightly"), (2.5, ""), (math.inf, "_much"))
LARGEST_BETA = 1e9
ROUNDS = 50
NOBODY = Account(id=0, name="", role="labeler", password_hash=None, simulated=True, disabled=False, created_at="")
"""A simulated labeler without any assignment: it has the queue of a new account."""

Score = Callable[[Prompt, Completion], float]
WAITING = """SELECT count(*) AS items, count(prompts.facts) AS covered FROM (
    SELECT p.prompt_id FROM queue AS q JOIN pairs AS p ON p.id = q.pair_id
    WHERE q.project_id IN (SELECT value FROM json_each(:projects)) AND q.simulated = 0
    AND NOT EXISTS (SELECT 1 FROM gold AS g WHERE g.pair_id = q.pair_id)
    UNION ALL SELECT prompt_id FROM ranking_tasks
    WHERE project_id IN (SELECT value FROM json_each(:projects)) AND simulated = 0 AND shown = 1 LIMIT :most
) AS waiting JOIN prompts ON prompts.id = waiting.prompt_id"""


class Watcher:
    """The listener of a simulation. It takes the progress, and decides whether labelers wait when no item is left."""

    def report(self, answers: int) -> None:
        """Take the number of recorded answers after a commit; may raise to stop."""

    def wait(self) -> bool:
        """Wait for more items; return whether there may be any. May raise to stop."""
        return False


class WaitingItems(NamedTuple):
    """Pairs and rankings that wait for simulated labelers, and whether the rubric covers all of their prompts."""

    items: int
    covered: bool


class RubricScores:
    """The rubric scores of completions, each computed once."""

    def __init__(self, store: Store, score: Score) -> None:
        self.store = store
        self.score = score
        self.cache: dict[str, float] = {}

    def __call__(self, completion_id: str) -> float:
        """Return the score of a completion."""
        if completion_id not in self.cache:
            completion = self.store.completions.get(completion_id)
            self.cache[completion_id] = self.score(self.store.prompts.get(completion.prompt_id), completion)
        return self.cache[completion_id]


def simulate(
    store: Store,
    *,
    labels: int,
    labelers: int,
    agreement: float = AGREEMENT,
    seed: int,
    score: Score,
    overlap: float = OVERLAP,
    watcher: Watcher | None = None,
) -> int:
    """Let the accounts sim-1, sim-2, ... give up to `labels` answers in turn, and return how many they gave.

    They give fewer if the waiting items run out. `overlap`: mean number of labelers per item (1.1: two for one item in
    ten; agreement can only be measured on those). `score(prompt, completion)`: the rubric score. Raises BadInput, and
    records nothing, if a number is below 1, if nothing waits, or if the scores do not allow the agreement.
    """
    check_counts(labels, labelers)
    watcher = watcher or Watcher()
    rng = random.Random(seed)
    gold = RubricScores(store, score)
    # Before the accounts, so that a refusal leaves none; outside their transaction, so that people can write meanwhile.
    first_labeler = store.accounts.by_name(_name(1)) or NOBODY
    waiting = Queue(store, first_labeler, overlap=overlap, rankings=True, rng=rng).waiting_pairs()
    beta = fit_beta([gold(first) - gold(second) for first, second in waiting], agreement)
    with store.transaction():
        sessions = [
            Session(store, simulated_account(store, number), overlap=overlap, rankings=True, rng=rng)
            for number in range(1, labelers + 1)
        ]
    answers, everybody = 0, sessions
    while answers < labels and (sessions or watcher.wait()):
        sessions = sessions or everybody
        # One commit for many answers: nobody waits for a simulated receipt, and people can write between the commits.
        with store.transaction():
            for _ in range(ROUNDS):
                turn = sessions[: labels - answers]
                idle = [session for session in turn if not answer_next(session, gold, beta, rng)]
                answers += len(turn) - len(idle)
                sessions = [session for session in sessions if session not in idle]
        watcher.report(answers)
    return answers


def rubric_score(prompt: Prompt, completion: Completion) -> float:
    """Return the score of the starter's rubric. Raises BadInput for a prompt that the rubric does not cover."""
    if prompt.facts is None:
        raise bad_input("refused.rubric_prompt", prompt=prompt.text)
    return data.starter.gold(prompt.facts, completion.text, completion.ended)


def count_waiting(store: Store, most: int) -> WaitingItems:
    """Count the pairs and rankings that no simulated labeler judged, and look at no more than `most` of them."""
    projects = [project.id for project in store.projects.open_for(NOBODY)]
    counts = store.one(WAITING, {"projects": canonical_json(projects), "most": most})
    return WaitingItems(counts["items"], counts["covered"] == counts["items"])


def check_counts(labels: int, labelers: int) -> None:
    """Raise BadInput if a number is below 1."""
    for name, value in (("labels", labels), ("labelers", labelers)):
        if value < 1:
            raise bad_input("refused.too_few", field=name, value=value)


def simulated_account(store: Store, number: int) -> Account:
    """Return the simulated account with this number. Raises BadInput if a person has its name."""
    name = _name(number)
    account = store.accounts.by_name(name) or store.accounts.add(name, "labeler", simulated=True)
    if not account.simulated:
        raise bad_input("refused.simulated_name", field="labelers", account=name)
    return account


def _name(number: int) -> str:
    return f"sim-{number}"


def answer_next(session: Session, gold: RubricScores, beta: float, rng: random.Random) -> bool:
    """Answer one item; return False if none is left for this labeler."""
    item = session.next()
    if item is None:
        return False
    scores = [gold(shown) for shown in shown_ids(session.find_assignment(item.assignment))]
    id = secrets.token_hex(16)
    if isinstance(item, RankingItem):
        places = perceive_order([beta * score for score in scores], rng)
        session.submit(RankingAnswer(id, item.assignment, places))
    else:
        session.submit(Answer(id, item.assignment, perceive(beta * (scores[0] - scores[1]), rng)))
    return True


def perceive(difference: float, rng: random.Random) -> str:
    """Return the verdict on a scaled score difference (left minus right) perceived with logistic noise."""
    chance = rng.random()
    perceived = difference + math.log((chance + 1e-300) / (1 - chance))
    grade = next(name for bound, name in GRADES if abs(perceived) < bound)
    return ("left" if perceived > 0 else "right") + grade


def perceive_order(scores: Sequence[float], rng: random.Random) -> tuple[int, ...]:
    """Return the place of each scaled score, perceived with Gumbel noise."""
    perceived = [score - math.log(-math.log(rng.random() + 1e-300)) for score in scores]
    order = sorted(range(len(scores)), key=perceived.__getitem__, reverse=True)
    return tuple(order.index(number) + 1 for number in range(len(scores)))


def expected_agreement(differences: np.ndarray, beta: float) -> float:
    """Return the agreement of two labelers: the mean of p^2 + (1 - p)^2 with p = sigmoid(beta d).

    Each term equals (1 + tanh(beta d / 2)^2) / 2.
    """
    return float(np.mean((1 + np.tanh(beta * differences / 2) ** 2) / 2))


def fit_beta(differences: Sequence[float], agreement: float) -> float:
    """Return the beta with the requested agreement of two labelers, by bisection. Raises BadInput if there is none.

    Agreement grows with beta from 0.5 to (1 + the share of pairs whose scores differ) / 2.
    """
    if not differences:
        raise bad_input("refused.none_waiting")
    array = np.asarray(differences, dtype=np.float64)
    most = (1 + np.mean(array != 0)) / 2
    if not 0.5 <= agreement < most:
        raise bad_input("refused.agreement", field="agreement", agreement=agreement, pairs=array.size, most=most)
    low, high = 0.0, LARGEST_BETA / np.abs(array).max() if most > 0.5 else 0.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if expected_agreement(array, middle) < agreement else (low, middle)
    return (low + high) / 2
