# SPDX-License-Identifier: Apache-2.0
"""A tour's result in plain sentences, without the words of the figures."""

from __future__ import annotations

import shlex
from pathlib import Path

from rlhf.tour.plots import ranked_methods


def plain_result(document: dict) -> list[str]:
    """Return sentences on the new policy, the reward model and, if the tour had all methods, the best of them."""
    ppo = document["ppo"]
    lines = [
        f"The new policy's answers win {rate(ppo['win_rate'], ppo['win_rate_ci'])} of the time against the old one's."
    ]
    if ppo["collapsed"]:
        lines.append("But it broke down: many of its answers repeat themselves, stray far or never end.")
    lines.append(describe_reward(document["reward"]))
    if methods := ranked_methods(document):
        name, best = methods[0]
        lines.append(f"Of all methods, {name} did best: {rate(best['win_rate'], best['win_rate_ci'])}.")
    return lines


def describe_reward(report: dict) -> str:
    """Return a sentence on how often the reward model and two labelers prefer the same answer."""
    if report.get("accuracy") is None:
        return "There are too few unseen pairs to say how good the reward model is."
    line = f"The reward model prefers the same answer as a labeler in {rate(report['accuracy'])} of unseen pairs"
    agreement = (report.get("agreement") or {}).get("rate")
    return f"{line}." if agreement is None else f"{line}; two labelers agree in {rate(agreement)}."


def rate(share: float, interval: list[float] | None = None) -> str:
    """Return a share in whole percent with the ends of its interval."""
    bounds = f" ({100 * interval[0]:.0f} to {100 * interval[1]:.0f})" if interval else ""
    return f"{100 * share:.0f} %{bounds}"


def open_command(home: Path) -> str:
    """Return the command that opens a home in the browser."""
    return f"preference-loop serve --home {shlex.quote(str(home))}"
