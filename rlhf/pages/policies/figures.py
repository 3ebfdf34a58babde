# SPDX-License-Identifier: Apache-2.0
"""Win rates and KL of a policy against another one, as the Policies page writes them. Without gradio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from data.intervals import FEWEST, share_interval
from data.records import Evaluation
from data.store import Store
from data.views.head_to_head import HeadToHead, mean_outcomes
from data.views.judging import newest_judging
from labeling.texts.pages import DASH, format_percent, format_share, text


def by_people(met: Sequence[HeadToHead], policy_id: int, against_id: int) -> tuple[str, int]:
    """Return (win rate with interval, judged test prompts) against a policy, by people."""
    shares = list(mean_outcomes(met, policy_id, against_id).values())
    if not shares:
        return text("policies.not_judged"), 0
    return format_share(fmean(shares), share_interval(shares), len(shares)), len(shares)


def describe_judging(store: Store, policy: str, parent: str) -> str:
    """Return a sentence on the newest judging of a policy against its parent; empty if there was none."""
    judging = newest_judging(store, policy, parent)
    if judging is None:
        return ""
    n, names = len(judging.outcomes), {"policy": policy, "parent": parent}
    counts = {"n": n, "waiting": judging.waiting, "withdrawn": judging.withdrawn}
    if n < FEWEST and not judging.is_decided:
        return text("policies.judging_few", **names, **counts)
    low, high = judging.interval
    rates = {"rate": format_percent(judging.rate), "low": f"{100 * low:.0f}", "high": f"{100 * high:.0f}"}
    state = "decided" if judging.is_decided else "open"
    return text(f"policies.judging_{state}", **names, **counts, **rates)


def newest_evaluations(store: Store, policy_id: int, against_id: int) -> list[Evaluation]:
    """Return each judge's newest evaluation against a policy, the newest last."""
    newest = {
        evaluation.judge: evaluation
        for evaluation in store.evaluations.all(policy_id)
        if evaluation.against_id == against_id
    }
    return sorted(newest.values(), key=lambda evaluation: evaluation.id)


def judged_by(evaluation: Evaluation) -> tuple[str, str]:
    """Return (win rate with interval, judge); the judge is marked if the policy was optimised for it."""
    report = evaluation.report
    share = format_share(report.get("win_rate"), report.get("win_rate_ci"), report.get("prompts"))
    partial = text("policies.not_independent", judge=evaluation.judge)
    return share, partial if report.get("judge_partial") else evaluation.judge


def format_kl(report: Mapping[str, Any]) -> str:
    """Return the KL of an evaluation; a bound is marked, and an unknown one is a dash."""
    kl = report.get("kl")
    return DASH if kl is None else f"{'≤ ' if report.get('kl_bound') else ''}{kl:.2f}"
