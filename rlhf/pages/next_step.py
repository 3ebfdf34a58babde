"""One suggested next step round the ring, with its reason: a pure function of what the ring holds."""

from __future__ import annotations

from dataclasses import dataclass, field

ENOUGH = 100
"""Comparisons that make a first reward model worth its minutes."""
MANY = 200
"""Comparisons since the last reward model that make a new one worth its minutes."""
DISPUTED = 10
"""Disputed pairs that are worth a researcher's sitting down to them."""
JUDGE = 100
"""Pairs queued to judge a policy against its parent."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest policy that training made. `judged` counts people's comparisons of it with its parent."""

    policy: str
    parent: str
    judged: int


@dataclass(frozen=True, slots=True)
class Ring:
    """What the stations of the ring hold. `fresh` counts people's comparisons that no reward model has seen,
    `disputed` the pairs on which two of them disagree and nobody has decided; `driven` says whether the newest reward model
    has driven a policy."""

    prompts: int = 0
    test_prompts: int = 0
    completions: int = 0
    waiting: int = 0
    waiting_compare: int = 0
    by_people: int = 0
    simulated: int = 0
    imported: int = 0
    fresh: int = 0
    disputed: int = 0
    reward_models: int = 0
    newest_reward: str | None = None
    driven: bool = False
    policies: int = 0
    newest: Newest | None = None
    active: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What to do, why, and either a run to start (`kind`, `settings`) or a page to go to (`link`)."""

    title: str
    reason: str
    kind: str | None = None
    settings: dict = field(default_factory=dict)
    link: str | None = None


def next_step(ring: Ring) -> Step:
    """The first thing that holds the ring up, seen in the direction in which data goes round it."""
    for rule in (_sources, _under_way, _judge, _reward, _ppo, _adjudicate, _label):
        step = rule(ring)
        if step:
            return step
    return Step(
        "Sample new answers",
        "No pairs wait and everything that was compared has been learned from.",
        kind="sample",
        settings={"prompts": JUDGE},
    )


def _sources(ring: Ring) -> Step | None:
    if not ring.prompts:
        return Step(
            "Import prompts",
            "The ring starts with prompts and this home has none. The Data page reads them from a file.",
            link="#data",
        )
    if not ring.policies:
        return Step(
            "Import a policy", "Nobody can answer the prompts yet. The command import takes in a policy's folder."
        )
    return None


def _under_way(ring: Ring) -> Step | None:
    if not ring.active:
        return None
    if ring.waiting:
        return Step(
            "Compare pairs meanwhile",
            f"{ring.active} is at work and {ring.waiting:,} pairs wait for a verdict.",
            link="../label/",
        )
    return Step(
        "Watch the run", f"{ring.active} is at work; its curves and samples are on the Runs page.", link="#runs"
    )


def _judge(ring: Ring) -> Step | None:
    newest = ring.newest
    if newest is None or newest.judged >= JUDGE // 2:
        return None
    if ring.waiting_compare:
        return Step(
            "Judge the new policy",
            f"{ring.waiting_compare:,} blind pairs wait, which say whether {newest.policy} beats {newest.parent}.",
            link="../label/",
        )
    if not ring.test_prompts:  # policies are compared on these alone: the run would fail
        return None
    reason = (
        f"People never compared {newest.policy} with {newest.parent}."
        if not newest.judged
        else (f"Only {newest.judged:,} comparisons say how {newest.policy} does against {newest.parent}.")
    )
    return Step(
        f"Queue {JUDGE} pairs of {newest.policy} against {newest.parent}",
        reason,
        kind="sample",
        settings={"from": newest.policy, "against": newest.parent, "prompts": JUDGE},
    )


def _reward(ring: Ring) -> Step | None:
    if not ring.reward_models and ring.by_people + ring.imported >= ENOUGH:
        return Step(
            "Train the first reward model",
            f"{ring.by_people + ring.imported:,} comparisons are enough to start from.",
            kind="reward",
        )
    if ring.reward_models and ring.fresh >= MANY:
        return Step(
            "Train a new reward model",
            f"{ring.fresh:,} comparisons since {ring.newest_reward} was trained.",
            kind="reward",
        )
    return None


def _ppo(ring: Ring) -> Step | None:
    if ring.newest_reward and not ring.driven:
        return Step(
            "Train a policy with PPO",
            f"{ring.newest_reward} has not driven a policy yet.",
            kind="ppo",
            settings={"reward": ring.newest_reward},
        )
    return None


def _adjudicate(ring: Ring) -> Step | None:
    if ring.disputed < DISPUTED:
        return None
    return Step(
        "Adjudicate",
        f"Two labelers disagree on {ring.disputed:,} pairs: a verdict of yours stands in place of theirs.",
        link="#labels",
    )


def _label(ring: Ring) -> Step | None:
    if not ring.waiting:
        return None
    missing = max(0, (MANY - ring.fresh) if ring.reward_models else (ENOUGH - ring.by_people - ring.imported))
    return Step(
        "Compare pairs",
        f"{ring.waiting:,} pairs wait; {missing:,} more comparisons make a {'new' if ring.reward_models else 'first'} "
        "reward model worthwhile.",
        link="../label/",
    )
