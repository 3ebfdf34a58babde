# SPDX-License-Identifier: Apache-2.0
"""The run kind `compare`: judge policies against others on test prompts and store the evaluations."""

from __future__ import annotations

from typing import Any

from data.run_context import RunContext, RunResult
from data.starter import rubric
from rlhf.evaluation.judges import RubricParts
from rlhf.evaluation.tournament import Tournament
from rlhf.models.contests import choose_contests
from rlhf.sampling.served.opening import open_sampler, sampler_report
from rlhf.settings import CompareSettings


def run(context: RunContext, settings: CompareSettings) -> RunResult:
    """Compare by the starter's rubric, or by a reward model if judge=reward."""
    return compare(context, settings, rubric.gold_parts)


def compare(context: RunContext, settings: CompareSettings, parts: RubricParts) -> RunResult:
    """Judge each policy of the settings and store its evaluation; `parts(facts, text, ended)` is the rubric.

    Raises BadInput for an unknown policy or reward model, for a policy without an opponent, and if the judge knows no
    test prompt.
    """
    contests = choose_contests(context.store, settings)
    with open_sampler(context, settings) as source:
        tournament = Tournament.load(context, settings, parts, [policy for pair in contests for policy in pair], source)
        report: dict[str, Any] = {"evaluations": tournament.judge_contests(contests)} | sampler_report(source)
    report |= {"skipped": dict(tournament.skipped)} if tournament.skipped else {}
    return RunResult(produced=[], report=report)
