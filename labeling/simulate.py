"""Simulated labelers: they answer through `Session` like anyone, and every answer is marked as simulated for ever.

A labeler who compares two answers whose gold scores differ by d = gold(left) - gold(right) perceives z = beta d + e,
where e is standard logistic noise, and prefers the left one where z > 0: a Bernoulli choice with p = sigmoid(beta d)
(Bradley & Terry 1952). Two such labelers agree on the pair with probability p^2 + (1 - p)^2; `beta` is where this,
averaged over the waiting pairs, is the agreement asked for. The verdict is graded by how large the difference seemed:
|z| < 1 slightly, < 2.5 clearly, else much better; so mistakes are mostly slight ones, as with people. There are no ties:
a tie counts half in measured agreement and would shift it from the formula.
"""

from __future__ import annotations

import math
import random
import secrets
from collections.abc import Callable, Sequence

import numpy as np

from data.errors import BadInput
from data.records import Account, Completion, Prompt
from data.store import Store
from labeling.queue.leases import OVERLAP, Queue
from labeling.session import Answer, Session

AGREEMENT = 0.73
GRADES = ((1.0, "_slightly"), (2.5, ""), (math.inf, "_much"))
LARGEST_BETA = 1e9
ROUNDS = 50
NOBODY = Account(id=0, name="", role="labeler", password_hash=None, simulated=True, disabled=False, created_at="")
"""A simulated labeler who has met no pair yet: the queue shows it what it would show a new account."""

Score = Callable[[Prompt, Completion], float]


class Gold:
    """The gold scores of completions, each worked out once."""

    def __init__(self, store: Store, score: Score) -> None:
        self.store = store
        self.score = score
        self.known: dict[str, float] = {}

    def __call__(self, completion_id: str) -> float:
        """The gold score of a completion."""
        if completion_id not in self.known:
            completion = self.store.completions.get(completion_id)
            self.known[completion_id] = self.score(self.store.prompts.get(completion.prompt_id), completion)
        return self.known[completion_id]


def simulate(
    store: Store,
    *,
    labels: int,
    labelers: int,
    agreement: float = AGREEMENT,
    seed: int,
    score: Score,
    overlap: float = OVERLAP,
) -> int:
    """Let the accounts sim-1, sim-2, ... give `labels` answers in turn; how many were given.

    There are fewer where the waiting pairs run out. `overlap` is the mean number of labelers for a pair (1.1: two for
    one pair in ten, which is what measuring agreement needs). `score(prompt, completion)` is the gold score.
    Raises BadInput, and records nothing, where a number makes no sense, where no pair waits, or where the gold scores do
    not admit the agreement.
    """
    check_counts(labels, labelers)
    rng = random.Random(seed)
    gold = Gold(store, score)
    # Before the accounts, so that a refusal leaves none, and outside their transaction, so that people get in while gold is worked out.
    waiting = Queue(store, store.accounts.by_name(_name(1)) or NOBODY, overlap=overlap, rng=rng).waiting()
    beta = fit_beta([gold(first) - gold(second) for first, second in waiting], agreement)
    with store.transaction():
        sessions = [
            Session(store, simulated_account(store, number), overlap=overlap, rng=rng)
            for number in range(1, labelers + 1)
        ]
    given = 0
    while sessions and given < labels:
        # One commit for many answers: nobody watches for a simulated receipt, and people get in between the commits.
        with store.transaction():
            for _ in range(ROUNDS):
                turn = sessions[: labels - given]
                idle = [session for session in turn if not answer_next(session, gold, beta, rng)]
                given += len(turn) - len(idle)
                sessions = [session for session in sessions if session not in idle]
    return given


def check_counts(labels: int, labelers: int) -> None:
    """Both numbers are at least 1. Raises BadInput."""
    for name, value in (("labels", labels), ("labelers", labelers)):
        if value < 1:
            raise BadInput(f"{value} is too few", "Give at least 1.", field=name)


def simulated_account(store: Store, number: int) -> Account:
    """The simulated account of this number. Raises BadInput where a person has its name."""
    name = _name(number)
    account = store.accounts.by_name(name) or store.accounts.add(name, "labeler", simulated=True)
    if not account.simulated:
        raise BadInput(
            f"the account {name!r} is a person's",
            "Simulated labelers need this name: use another home.",
            field="labelers",
        )
    return account


def _name(number: int) -> str:
    return f"sim-{number}"


def answer_next(session: Session, gold: Gold, beta: float, rng: random.Random) -> bool:
    """Answer one item; False where none is left for this labeler."""
    item = session.next()
    if item is None:
        return False
    sides = session.queue.find(item.assignment)
    verdict = perceive(beta * (gold(sides.left_id) - gold(sides.right_id)), rng)
    session.submit(Answer(secrets.token_hex(16), item.assignment, verdict))
    return True


def perceive(difference: float, rng: random.Random) -> str:
    """The verdict on a scaled gold difference (left minus right) as it seems through logistic noise."""
    chance = rng.random()
    seen = difference + math.log((chance + 1e-300) / (1 - chance))
    grade = next(name for bound, name in GRADES if abs(seen) < bound)
    return ("left" if seen > 0 else "right") + grade


def expected_agreement(differences: np.ndarray, beta: float) -> float:
    """How often two labelers agree: the mean of p^2 + (1 - p)^2, p = sigmoid(beta d), which is (1 + tanh(beta d / 2)^2) / 2."""
    return float(np.mean((1 + np.tanh(beta * differences / 2) ** 2) / 2))


def fit_beta(differences: Sequence[float], agreement: float) -> float:
    """The beta at which two labelers agree as asked, by bisection. Raises BadInput where there is none.

    Agreement grows with beta from 0.5 to (1 + the share of pairs whose gold scores differ) / 2.
    """
    if not differences:
        raise BadInput(
            "no pair waits for simulated labelers",
            "Sample answers first: preference-loop sample --policy P --prompts N --per-prompt K",
        )
    array = np.asarray(differences, dtype=np.float64)
    most = (1 + np.mean(array != 0)) / 2
    if not 0.5 <= agreement < most:
        raise BadInput(
            f"an agreement of {agreement} cannot be had on these {array.size} pairs",
            f"Give a number from 0.5 to below {most:.3f}.",
            field="agreement",
        )
    low, high = 0.0, LARGEST_BETA / np.abs(array).max() if most > 0.5 else 0.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if expected_agreement(array, middle) < agreement else (low, middle)
    return (low + high) / 2
