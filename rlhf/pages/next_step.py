# SPDX-License-Identifier: Apache-2.0
"""The suggested next step with its reason: a pure function of the loop's counts. It states only what they show."""

from __future__ import annotations

from dataclasses import dataclass, field

from labeling.texts.pages import text

FIRST_REWARD = 100
"""Comparisons that make a first reward model worth its minutes."""
NEXT_REWARD = 200
"""Comparisons since the newest reward model that make another one worth its minutes."""
DISPUTED = 10
"""Disputed pairs that make adjudication worth a researcher's time."""
COMPARED = 100
"""Pairs to queue when a policy is compared with its parent."""
LABEL_PAGE = "../label/"


@dataclass(frozen=True, slots=True)
class NewestPolicy:
    """The newest policy that a run trained. `judged`: test prompts on which people compared it with its parent."""

    policy: str
    parent: str
    judged: int


@dataclass(frozen=True, slots=True)
class LoopCounts:
    """Counts of the loop's stations.

    `waiting`: pairs without a verdict; `waiting_compare`: those that compare two policies.
    `fresh`: comparisons by people and imports since the newest reward model.
    `disputed`: pairs on which labelers disagree and nobody decided yet.
    `driven`: a policy was trained with the newest reward model. `active`: a run that is queued or running.
    """

    prompts: int = 0
    test_prompts: int = 0
    completions: int = 0
    waiting: int = 0
    waiting_compare: int = 0
    by_people: int = 0
    simulated: int = 0
    imported: int = 0
    by_ai: int = 0
    fresh: int = 0
    disputed: int = 0
    reward_models: int = 0
    newest_reward: str | None = None
    driven: bool = False
    policies: int = 0
    newest: NewestPolicy | None = None
    active: str | None = None

    @property
    def missing(self) -> int:
        """Comparisons that the next reward model still needs."""
        if self.reward_models:
            return max(0, NEXT_REWARD - self.fresh)
        return max(0, FIRST_REWARD - self.by_people - self.imported)


@dataclass(frozen=True, slots=True)
class Step:
    """A suggestion with its reason: a run to start (`kind`, `settings`) or a page to open (`link`, `action`)."""

    title: str
    reason: str
    kind: str | None = None
    settings: dict[str, str | int] = field(default_factory=dict)
    link: str | None = None
    action: str = ""


def next_step(counts: LoopCounts) -> Step:
    """Return the first step that holds the loop up, in the direction in which data moves."""
    for rule in (_sources, _active_run, _compare_policy, _reward, _ppo, _adjudicate, _label):
        step = rule(counts)
        if step:
            return step
    return _sample(counts)


def _sources(counts: LoopCounts) -> Step | None:
    if not counts.prompts:
        return _page("import_prompts", "#data")
    if not counts.policies:
        return Step(text("loop.import_policy"), text("loop.import_policy_reason"))
    return None


def _active_run(counts: LoopCounts) -> Step | None:
    if not counts.active:
        return None
    if counts.waiting:
        return _page("label_meanwhile", LABEL_PAGE, run=counts.active, waiting=counts.waiting)
    return _page("watch_run", "#runs", run=counts.active)


def _compare_policy(counts: LoopCounts) -> Step | None:
    newest = counts.newest
    if newest is None or newest.judged >= COMPARED // 2:
        return None
    names = {"policy": newest.policy, "parent": newest.parent}
    about = {**names, "judged": newest.judged, "enough": COMPARED // 2, "waiting": counts.waiting_compare}
    if counts.waiting_compare:
        return _page("judge_policy", LABEL_PAGE, **about)
    if not counts.test_prompts:  # policies are compared on test prompts only: the run would fail
        return None
    settings: dict[str, str | int] = {"from": newest.policy, "against": newest.parent, "prompts": COMPARED}
    title = text("loop.queue_pairs", pairs=COMPARED, **names)
    return Step(title, text("loop.queue_pairs_reason", **about), kind="sample", settings=settings)


def _reward(counts: LoopCounts) -> Step | None:
    if counts.missing:
        return None
    if counts.reward_models:
        reason = text("loop.next_reward_reason", n=counts.fresh, reward=counts.newest_reward)
        return Step(text("loop.next_reward"), reason, kind="reward")
    reason = text("loop.first_reward_reason", n=counts.by_people + counts.imported)
    return Step(text("loop.first_reward"), reason, kind="reward")


def _ppo(counts: LoopCounts) -> Step | None:
    if counts.newest_reward is None or counts.driven:
        return None
    reason = text("loop.ppo_reason", reward=counts.newest_reward)
    return Step(text("loop.ppo"), reason, kind="ppo", settings={"reward": counts.newest_reward})


def _adjudicate(counts: LoopCounts) -> Step | None:
    return None if counts.disputed < DISPUTED else _page("adjudicate", "#labels", n=counts.disputed)


def _label(counts: LoopCounts) -> Step | None:
    if not counts.waiting:
        return None
    key = "label_next" if counts.reward_models else "label_first"
    wanted = NEXT_REWARD if counts.reward_models else FIRST_REWARD
    return _page(key, LABEL_PAGE, wanted=wanted, waiting=counts.waiting, missing=counts.missing)


def _sample(counts: LoopCounts) -> Step:
    reason = text("loop.sample_next_reason" if counts.reward_models else "loop.sample_first_reason", n=counts.missing)
    return Step(text("loop.sample"), reason, kind="sample", settings={"prompts": max(COMPARED, counts.missing)})


def _page(key: str, link: str, **values: object) -> Step:
    """Return a step that opens a page; its texts are `loop.KEY`, `loop.KEY_reason` and `loop.KEY_action`."""
    title, reason, action = (text(f"loop.{key}{part}", **values) for part in ("", "_reason", "_action"))
    return Step(title, reason, link=link, action=action)
