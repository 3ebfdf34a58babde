# SPDX-License-Identifier: Apache-2.0
"""Rows of the family tree, lineage and answers on the Policies page, as plain values and HTML. Without gradio."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from data.ids import POLICY, public_id
from data.intervals import share_interval
from data.records import Evaluation, Note, Policy
from data.store import Store
from data.tables.notes import EMPTY
from data.views.head_to_head import HeadToHead, mean_outcomes
from labeling.texts.pages import format_share, text
from rlhf.pages.markup import empty, facts, side_by_side
from rlhf.pages.runs.listing import describe_tags

COLUMNS = ("policy", "name", "kind", "parent", "people", "judged", "by_judge", "judge", "kl", "length")
SHOWN, SEARCHED = 6, 300
"""Answers on the page, and the newest prompts among which those are sought that the parent answered too."""


def in_family_order(policies: Sequence[Policy]) -> list[Policy]:
    """Return each policy after its parent, children oldest first."""
    children: dict[int | None, list[Policy]] = {}
    known = {policy.id for policy in policies}
    for policy in policies:
        children.setdefault(policy.parent_id if policy.parent_id in known else None, []).append(policy)
    ordered: list[Policy] = []
    waiting = list(reversed(children.get(None, [])))
    while waiting:
        policy = waiting.pop()
        ordered.append(policy)
        waiting += reversed(children.get(policy.id, []))
    return ordered


def row(store: Store, policy: Policy, met: Sequence[HeadToHead], note: Note = EMPTY) -> list[str]:
    """Return a row under COLUMNS; `met`: people's comparisons between policies. A name that people gave comes first."""
    people, judged = by_people(met, policy)
    evaluation = newest_evaluation(store, policy)
    report = evaluation.report if evaluation else {}
    length = report.get("length_end")
    return [
        policy.public,
        " · ".join((note.name or policy.name, *describe_tags(note))),
        policy.kind,
        public_id(POLICY, policy.parent_id) if policy.parent_id else "–",
        people,
        str(judged or "–"),
        format_share(report.get("win_rate"), report.get("win_rate_ci"), report.get("prompts")),
        _judge(evaluation),
        "–" if report.get("kl") is None else f"{report['kl']:.2f}",
        "–" if length is None else f"{length:.0f}",
    ]


def by_people(met: Sequence[HeadToHead], policy: Policy) -> tuple[str, int]:
    """Return (win rate with interval, judged test prompts) against the parent, by people."""
    if policy.parent_id is None:
        return "–", 0
    shares = list(mean_outcomes(met, policy.id, policy.parent_id).values())
    if not shares:
        return text("policies.not_judged"), 0
    return format_share(fmean(shares), share_interval(shares), len(shares)), len(shares)


def newest_evaluation(store: Store, policy: Policy) -> Evaluation | None:
    """Return the newest evaluation against the parent."""
    evaluations = store.evaluations.all(policy.id)
    against_parent = [evaluation for evaluation in evaluations if evaluation.against_id == policy.parent_id]
    return against_parent[-1] if against_parent else None


def draw_policy(store: Store, chosen: str) -> str:
    """Return a policy's lineage and answers; without one, the step that makes one."""
    if not chosen:
        return empty(text("policies.none"), "#runs", text("link.runs"))
    policy = store.policies.get(chosen)
    title = f"<h2>{text('policies.answers')}</h2>"
    return f"<div class=card>{facts(lineage(policy))}</div>{title}{draw_answers(store, policy)}"


def lineage(policy: Policy) -> dict[str, object]:
    """Return everything the policy descends from, by id."""
    return {
        text("policies.base"): policy.base.rsplit("/", 1)[-1],
        text("policies.column_parent"): policy.parent_id and public_id(POLICY, policy.parent_id),
        text("policies.reward_model"): policy.reward_model_id and f"r{policy.reward_model_id}",
        text("policies.data"): policy.snapshot_id and f"s{policy.snapshot_id}",
        text("policies.run"): policy.run_id and f"run{policy.run_id}",
        text("policies.seed"): policy.seed,
        text("policies.created"): policy.created_at[:16].replace("T", " "),
    }


def draw_answers(store: Store, policy: Policy) -> str:
    """Return the policy's newest answers, beside its parent's if the parent answered any of these prompts."""
    recent = store.completions.recent_prompts(policy.id, SEARCHED)
    if not recent:
        return empty(text("policies.no_answers", policy=policy.public), "#runs", text("policies.sample"))
    parent = store.policies.get(policy.parent_id) if policy.parent_id else None
    shared = _shared_prompts(store, recent, parent) if parent else []
    return "".join(_answers(store, prompt, policy, parent if shared else None) for prompt in shared or recent[:SHOWN])


def _shared_prompts(store: Store, prompts: Sequence[int], parent: Policy) -> list[int]:
    """Return the first SHOWN prompts that the parent answered too, and read no further than needed."""
    shared: list[int] = []
    for prompt in prompts:
        if len(shared) == SHOWN:
            break
        if any(completion.policy_id == parent.id for completion in store.completions.of_prompt(prompt)):
            shared.append(prompt)
    return shared


def _answers(store: Store, prompt: int, policy: Policy, parent: Policy | None) -> str:
    texts = {completion.policy_id: completion.text for completion in store.completions.of_prompt(prompt)}
    own = f"{policy.public} · {policy.name}", texts[policy.id]
    other = (f"{parent.public} · {parent.name}", texts[parent.id]) if parent else None
    return side_by_side(store.prompts.get(prompt).text, own, other)


def _judge(evaluation: Evaluation | None) -> str:
    """Return the judge, marked if the policy was optimised for it."""
    if evaluation is None:
        return "–"
    if evaluation.report.get("judge_partial"):
        return text("policies.not_independent", judge=evaluation.judge)
    return evaluation.judge
