# SPDX-License-Identifier: Apache-2.0
"""The five steps of the first round with state, time and action: a pure function of the round's facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from data.records import Run
from labeling.texts.pages import format_percent, text
from reward.report.addresses import address_of
from rlhf.common.estimate import format_duration, typical_seconds
from rlhf.pages.first_round.facts import Outcome, RoundFacts
from rlhf.pages.first_round.offer import Offer
from rlhf.pages.next_step import (
    FIRST_REWARD,
    Step,
    compare_by_rubric,
    compare_step,
    label_step,
    learns_from,
    ppo_step,
    reward_step,
    sample_step,
    say_doubt,
    train_ppo,
)

STARTER_SECONDS = {"simulate": 5.0, "reward": 20.0, "ppo": 240.0, "compare": 50.0}
"""Measured seconds of the starter's runs on two CPU cores, for a home without a finished run of the kind."""
State = Literal["done", "now", "later"]


@dataclass(frozen=True, slots=True)
class RoundStep:
    """One step of the round.

    `made`: the name of what a finished step made. `run`: the newest run of the step that is due, if it is at work
    or ended without success. `action`: what the button of the step that is due does. `offer`: what simulated labelers
    could answer. `link`: the page with the result.
    """

    key: str
    state: State
    link: str
    time: str = ""
    made: str = ""
    detail: str = ""
    run: Run | None = None
    action: Step | None = None
    offer: Offer | None = None

    @property
    def title(self) -> str:
        """The step's name in the reader's language."""
        return text(f"round.{self.key}")

    @property
    def explains(self) -> str:
        """A sentence on what the step does, in the reader's language."""
        return text(f"round.{self.key}_explains")


def round_steps(facts: RoundFacts) -> list[RoundStep]:
    """Return the five steps; the first one that is not done is due. Labeling is done once simulated labelers end."""
    done = {
        "label": bool(facts.counts.reward_models) or not (facts.counts.missing or _at_work(facts, "simulate")),
        "reward": bool(facts.counts.reward_models),
        "ppo": facts.policy is not None,
        "compare": facts.outcome is not None,
        "result": False,
    }
    due = next(key for key, is_done in done.items() if not is_done)
    return [
        RoundStep(key, "done", _link(facts, key), made=_made(facts, key))
        if is_done
        else DUE[key](facts, RoundStep(key, "now", LINKS[key], _time(facts, key)))
        if key == due
        else RoundStep(key, "later", LINKS[key], _time(facts, key))
        for key, is_done in done.items()
    ]


def due_step(facts: RoundFacts) -> RoundStep:
    """Return the step that is due."""
    return next(step for step in round_steps(facts) if step.state == "now")


def describe_outcome(policy: str, parent: str, outcome: Outcome) -> str:
    """Return sentences on the win rate, on whether the difference is clear, and on the judge."""
    low, high = outcome.interval
    names = {"policy": policy, "parent": parent}
    rates = {"rate": format_percent(outcome.rate), "low": f"{100 * low:.0f}", "high": f"{100 * high:.0f}"}
    verdict = "better" if low > 0.5 else "worse" if high < 0.5 else "unclear"
    judge = outcome.judge if outcome.judge in ("rubric", "people") else "reward"
    judged = text(f"round.judged_by_{judge}", n=outcome.prompts, judge=outcome.judge)
    return f"{text('round.wins', **names, **rates)} {text(f'round.{verdict}', **names)} {judged}"


def _label(facts: RoundFacts, step: RoundStep) -> RoundStep:
    counts = facts.counts
    have = text("round.label_count", n=FIRST_REWARD - counts.missing, wanted=FIRST_REWARD)
    simulating, sampling = _at_work(facts, "simulate"), _at_work(facts, "sample")
    if not counts.missing:  # simulated labelers give more than are needed, and a better reward model
        return replace(step, detail=have, run=simulating)
    started = simulating or (sampling if not counts.waiting else _failed(facts, "simulate"))
    return replace(
        step,
        detail=f"{have} {learns_from(counts)}" if counts.sources or counts.simulated else have,
        run=started,
        action=label_step(counts) or (None if started else sample_step(counts)),
        offer=facts.offer,
    )


def _reward(facts: RoundFacts, step: RoundStep) -> RoundStep:
    return replace(_started(facts, step, "reward", reward_step(facts.counts)), detail=learns_from(facts.counts))


def _ppo(facts: RoundFacts, step: RoundStep) -> RoundStep:
    counts = facts.counts
    doubt = counts.doubt and counts.doubt.than
    if counts.driver and doubt == "length":  # the first round shows how the loop works, and says what to expect
        step = replace(step, detail=say_doubt(counts, "round.like_length"))
        return _started(facts, step, "ppo", train_ppo(counts.driver))
    action = ppo_step(counts)
    if doubt is None or action is None:
        return _started(facts, step, "ppo", action)
    runs = (_at_work(facts, kind) for kind in ("simulate", "sample", "reward", "ppo"))
    at_work = next((run for run in runs if run), None)
    return replace(step, detail=action.reason, run=at_work, action=None if at_work else action, offer=facts.offer)


def _compare(facts: RoundFacts, step: RoundStep) -> RoundStep:
    assert facts.policy, "a policy is compared after it was trained"
    if facts.covered:
        return _started(facts, step, "compare", compare_by_rubric(facts.policy))
    return _started(facts, step, "sample", compare_step(replace(facts.counts, newest=facts.policy, admitted=0)))


def _result(facts: RoundFacts, step: RoundStep) -> RoundStep:
    assert facts.policy, "a result is of a policy"
    assert facts.outcome, "the comparison is done"
    detail = describe_outcome(facts.policy.policy, facts.policy.parent, facts.outcome)
    # people's pairs are stored answers; those of a compare run are in its report
    compared = next((run.public for run in facts.runs if run.kind == "compare" and run.state == "done"), None)
    report = address_of("runs", compared) if compared else "#runs"
    return replace(step, detail=detail, link=_link(facts, "ppo") if facts.outcome.judge == "people" else report)


DUE: dict[str, Callable[[RoundFacts, RoundStep], RoundStep]] = {
    "label": _label,
    "reward": _reward,
    "ppo": _ppo,
    "compare": _compare,
    "result": _result,
}
"""Functions that add the details and the action to the step that is due, by its key."""
LINKS = {"label": "#labels", "reward": "#reward", "ppo": "#policies", "compare": "#policies", "result": "#policies"}


def _link(facts: RoundFacts, key: str) -> str:
    """Return the address of what a finished step made."""
    made = {"reward": facts.counts.newest_driver, "ppo": facts.policy and facts.policy.policy}.get(key)
    return address_of(LINKS[key][1:], made) if made else LINKS[key]


def _made(facts: RoundFacts, key: str) -> str:
    counts = facts.counts
    return {
        "label": text("round.comparisons", n=counts.by_people + counts.imported + counts.simulated),
        "reward": counts.newest_driver or "",
        "ppo": facts.policy.policy if facts.policy else "",
        "compare": format_percent(facts.outcome.rate if facts.outcome else None),
    }[key]


def _started(facts: RoundFacts, step: RoundStep, kind: str, action: Step | None) -> RoundStep:
    """Return the step with its newest run; while that is at work there is nothing to press."""
    at_work = _at_work(facts, kind)
    return replace(step, run=at_work or _failed(facts, kind), action=None if at_work else action)


def _at_work(facts: RoundFacts, kind: str) -> Run | None:
    return next((run for run in facts.runs if run.kind == kind and not run.over), None)


def _failed(facts: RoundFacts, kind: str) -> Run | None:
    """Return the newest run of that kind if it ended without success."""
    newest = next((run for run in facts.runs if run.kind == kind), None)
    return newest if newest and newest.state in ("failed", "lost", "cancelled") else None


def _time(facts: RoundFacts, key: str) -> str:
    """Return about how long a step takes: by earlier runs of this home, else the starter's on two cores; or ""."""
    kind = {"label": "simulate", "compare": "compare" if facts.covered else ""}.get(key, key)
    if key == "label" and not facts.offer:
        kind = ""
    earlier = typical_seconds(facts.runs, kind)
    seconds = earlier or (STARTER_SECONDS.get(kind) if facts.on_starter else None)
    parts = []
    if seconds:
        basis = "simulated" if key == "label" else "earlier" if earlier else "two_cores"
        parts.append(text(f"round.time_{basis}", time=format_duration(seconds)))
    if key == "label" and facts.pace is not None:
        parts.append(text("round.pace", time=format_duration(facts.pace * facts.counts.missing)))
    return " ".join(parts)
