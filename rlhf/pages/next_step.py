# SPDX-License-Identifier: Apache-2.0
"""The suggested next step with its reason: a pure function of the loop's counts. It states only what they show."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from labeling.texts.pages import text
from reward.report.addresses import address_of
from rlhf.pages.doubts import Doubt

FIRST_REWARD = 100
"""Comparisons that make a first reward model worth its minutes."""
NEXT_REWARD = 200
"""Comparisons since the newest reward model that make another one worth its minutes."""
DISPUTED = 10
"""Disputed pairs that make adjudication worth a researcher's time."""
COMPARED = 100
"""Pairs to queue when a policy is compared with its parent."""
LABEL_PAGE = "../label/"
LIVE_PAGE = "#live"


@dataclass(frozen=True, slots=True)
class NewestPolicy:
    """The newest policy that a run trained.

    `judged`: test prompts on which people compared it with its parent; `compared`: whether a compare run did.
    `waiting`: blind pairs of the two that nobody judged. `decided`: their verdicts exclude a win rate of one half.
    """

    policy: str
    parent: str
    judged: int
    compared: bool = False
    waiting: int = 0
    decided: bool = False


@dataclass(frozen=True, slots=True)
class LoopCounts:
    """Counts of the loop's stations.

    `waiting`: pairs without a verdict. `driver`: the reward model that a training uses by default.
    `doubt`: what speaks against a training with it. `driven`: a policy was trained with it.
    `fresh`: comparisons by people and imports since the newest driver.
    `admitted`: simulated comparisons that count, as somebody let simulated labelers answer from a page; else 0.
    `disputed`: pairs on which labelers disagree and nobody decided yet.
    `active`: a run that is queued or running. `online`: an online run that works.
    """

    prompts: int = 0
    test_prompts: int = 0
    completions: int = 0
    waiting: int = 0
    by_people: int = 0
    simulated: int = 0
    imported: int = 0
    by_ai: int = 0
    fresh: int = 0
    admitted: int = 0
    fresh_admitted: int = 0
    disputed: int = 0
    reward_models: int = 0
    newest_driver: str | None = None
    driver: str | None = None
    doubt: Doubt | None = None
    driven: bool = False
    policies: int = 0
    newest: NewestPolicy | None = None
    active: str | None = None
    online: str | None = None

    @property
    def missing(self) -> int:
        """Comparisons that the next reward model still needs."""
        return max(0, self._missing_of_people - (self.fresh_admitted if self.newest_driver else self.admitted))

    @property
    def _missing_of_people(self) -> int:
        if self.newest_driver:
            return max(0, NEXT_REWARD - self.fresh)
        return max(0, FIRST_REWARD - self.by_people - self.imported)

    @property
    def by_rubric(self) -> bool:
        """True if the rubric judges a new policy: simulated labelers gave more comparisons than people."""
        return self.admitted > self.by_people

    @property
    def sources(self) -> dict[str, int]:
        """The comparisons that the next reward model learns from, by source: people's alone if these are enough."""
        counts = {"person": self.by_people, "import": self.imported}
        if self._missing_of_people:
            counts["simulated"] = self.admitted
        return {source: count for source, count in counts.items() if count}


@dataclass(frozen=True, slots=True)
class Step:
    """A suggestion with its reason: a run to start (`kind`, `settings`) or a page to open (`link`, `action`).

    `live`: a sentence that leads to the Live page.
    """

    title: str
    reason: str
    kind: str | None = None
    settings: dict[str, str | int] = field(default_factory=dict)
    link: str | None = None
    action: str = ""
    live: str = ""


def next_step(counts: LoopCounts) -> Step:
    """Return the first step that holds the loop up, in the direction in which data moves."""
    for rule in (_sources, _online_run, _active_run, compare_step, reward_step, ppo_step, _adjudicate, label_step):
        step = rule(counts)
        if step:
            return step
    return sample_step(counts)


def _sources(counts: LoopCounts) -> Step | None:
    if not counts.prompts:
        return _page("import_prompts", "#data")
    if not counts.policies:
        return Step(text("loop.import_policy"), text("loop.import_policy_reason"))
    return None


def _online_run(counts: LoopCounts) -> Step | None:
    if not counts.online:
        return None
    if not counts.waiting:
        return _page("watch_online", LIVE_PAGE, run=counts.online)
    step = _page("label_online", LABEL_PAGE, run=counts.online, waiting=counts.waiting)
    return replace(step, live=text("loop.online_figures"))


def _active_run(counts: LoopCounts) -> Step | None:
    if not counts.active:
        return None
    if counts.waiting:
        return _page("label_meanwhile", LABEL_PAGE, run=counts.active, waiting=counts.waiting)
    return _page("watch_run", address_of("runs", counts.active), run=counts.active)


def compare_step(counts: LoopCounts) -> Step | None:
    """Return the step that compares the newest policy with its parent, unless that was done."""
    newest = counts.newest
    if newest is None or newest.decided or newest.judged >= COMPARED // 2:
        return None
    names = {"policy": newest.policy, "parent": newest.parent}
    about = {**names, "judged": newest.judged, "enough": COMPARED // 2, "waiting": newest.waiting}
    if counts.by_rubric and newest.compared:
        return None
    if newest.waiting and not counts.by_rubric:
        return _page("judge_policy", LABEL_PAGE, **about)
    if not counts.test_prompts:  # policies are compared on test prompts only: the run would fail
        return None
    if counts.by_rubric:
        return compare_by_rubric(newest)
    settings: dict[str, str | int] = {"from": newest.policy, "against": newest.parent, "prompts": COMPARED}
    settings["until_decided"] = True
    title = text("loop.queue_pairs", pairs=COMPARED, **names)
    return Step(title, text("loop.queue_pairs_reason", **about), kind="sample", settings=settings)


def compare_by_rubric(newest: NewestPolicy) -> Step:
    """Return the step that compares a policy with its parent by the rubric."""
    names = {"policy": newest.policy, "parent": newest.parent}
    settings: dict[str, str | int] = {"policies": newest.policy, "against": newest.parent}
    return Step(text("loop.compare", **names), text("loop.compare_reason"), kind="compare", settings=settings)


def reward_step(counts: LoopCounts) -> Step | None:
    """Return the step that trains a reward model if there are enough comparisons for it."""
    if counts.missing:
        return None
    settings: dict[str, str | int] = {"labels": "+".join(counts.sources)} if "simulated" in counts.sources else {}
    learns = learns_from(counts)
    if counts.newest_driver:
        reason = text("loop.next_reward_reason", n=counts.fresh + counts.fresh_admitted, reward=counts.newest_driver)
        return Step(text("loop.next_reward"), f"{reason} {learns}", kind="reward", settings=settings)
    live = "" if "simulated" in counts.sources else text("loop.or_online")
    return Step(text("loop.first_reward"), learns, kind="reward", settings=settings, live=live)


def learns_from(counts: LoopCounts) -> str:
    """Return a sentence on the comparisons that the next reward model learns from, and on those left out."""
    named = ", ".join(text(f"loop.source_{source}", n=count) for source, count in counts.sources.items())
    named = named or text("loop.source_none")
    learns = text("loop.learns_from", sources=named)
    left_out = 0 if "simulated" in counts.sources else counts.simulated
    return f"{learns} {text('loop.left_out', n=left_out)}" if left_out else learns


def ppo_step(counts: LoopCounts) -> Step | None:
    """Return the step that trains a policy with the default driver, unless one was.

    If the model may be no better than a coin, or is no better than the length of the answers, it is the step that
    leads to more comparisons.
    """
    if counts.driver is None or counts.driven:
        return None
    if counts.doubt:
        step = reward_step(counts) or label_step(counts) or sample_step(counts)
        return replace(step, reason=say_doubt(counts, f"loop.like_{counts.doubt.than}_reason"))
    return train_ppo(counts.driver)


def train_ppo(driver: str) -> Step:
    """Return the step that trains a policy with a reward model."""
    return Step(text("loop.ppo"), text("loop.ppo_reason", reward=driver), kind="ppo", settings={"reward": driver})


def say_doubt(counts: LoopCounts, key: str) -> str:
    """Return the text of that key, filled with the doubt's figures about the driver."""
    assert counts.doubt, "only a doubt has figures"
    measured = counts.doubt.measured
    shares = {name: f"{100 * (value or 0):.0f}" for name, value in measured._asdict().items()}
    return text(key, **shares, reward=counts.driver, n=measured.comparisons)


def _adjudicate(counts: LoopCounts) -> Step | None:
    return None if counts.disputed < DISPUTED else _page("adjudicate", "#labels", n=counts.disputed)


def label_step(counts: LoopCounts) -> Step | None:
    """Return the step that opens the labelers' page if pairs wait."""
    if not counts.waiting:
        return None
    key = "label_next" if counts.newest_driver else "label_first"
    wanted = NEXT_REWARD if counts.newest_driver else FIRST_REWARD
    return _page(key, LABEL_PAGE, wanted=wanted, waiting=counts.waiting, missing=counts.missing)


def sample_step(counts: LoopCounts) -> Step:
    """Return the step that samples as many prompts as comparisons are missing, or more."""
    reason = text("loop.sample_next_reason" if counts.newest_driver else "loop.sample_first_reason", n=counts.missing)
    return Step(text("loop.sample"), reason, kind="sample", settings={"prompts": max(COMPARED, counts.missing)})


def _page(key: str, link: str, **values: object) -> Step:
    """Return a step that opens a page; its texts are `loop.KEY`, `loop.KEY_reason` and `loop.KEY_action`."""
    title, reason, action = (text(f"loop.{key}{part}", **values) for part in ("", "_reason", "_action"))
    return Step(title, reason, link=link, action=action)
