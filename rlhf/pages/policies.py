"""Policies: the family tree with what people and judges say of each, and its answers beside its parent's."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from statistics import fmean

import gradio as gr

from data.errors import BadInput
from data.ids import POLICY, public_id
from data.intervals import bootstrap_share
from data.records import Evaluation, Policy
from data.store import Store
from data.views.head_to_head import HeadToHead, head_to_head, mean_outcomes
from labeling.accounts.current import current_account
from rlhf.pages.components import (
    QUIET,
    WHERE,
    Looks,
    beside,
    empty,
    facts,
    heading,
    html,
    said,
    with_interval,
)
from rlhf.runs.launch import launch

HEADERS = [
    "Policy",
    "Name",
    "Kind",
    "From",
    "Win rate by people",
    "Judged",
    "Win rate by judge",
    "Judge",
    "KL (nats)",
    "Length (tokens)",
]
PAIRS = 100
SHOWN, LOOKED = 6, 300
"""Answers on the page, and the newest ones among which those are sought that the parent has too."""


class PoliciesPage:
    """The page's components and its handlers."""

    def __init__(self, store: Store, looks: Looks) -> None:
        self.store = store
        heading(
            "Policies",
            "Every policy with its parent. Win rates are against the parent, on test prompts, with a 95 % interval by prompt.",
        )
        self.table = gr.Dataframe(headers=HEADERS, interactive=False, elem_id="policies-table", label="Family tree")
        with gr.Row(elem_classes="line"):
            self.choice = gr.Dropdown(label="Policy", min_width=220, scale=0, elem_id="policy-choice")
            self.judge = gr.Button(
                f"Queue {PAIRS} blind pairs against its parent",
                variant="primary",
                scale=0,
                min_width=300,
                elem_id="queue-pairs",
            )
        self.told = html()
        self.detail = html()
        self.where = gr.Textbox(visible="hidden")
        self.listed = gr.Textbox(visible="hidden")
        gr.on(looks, self.tick, [self.where, self.listed], [self.listed, self.table, self.choice], js=WHERE, **QUIET)
        self.choice.change(self.show, self.choice, self.detail, **QUIET)
        self.table.select(self.choose, None, self.choice, **QUIET)
        self.judge.click(self.queue, self.choice, self.told, **QUIET)

    def tick(self, place: str, listed: str) -> list:
        """The table again, when a policy, a judgement or an evaluation came."""
        if place.split("/")[0] != "#policies":
            return [gr.skip()] * 3
        policies = self.store.policies.all()
        mark = f"{len(policies)} {self.store.comparisons.count()} {len(self.store.evaluations.all())}"
        if mark == listed:
            return [gr.skip()] * 3
        names = [(f"{policy.public} · {policy.name}", policy.public) for policy in reversed(policies)]
        chosen = gr.Dropdown(choices=names, value=names[0][1]) if names and not listed else gr.Dropdown(choices=names)
        met = head_to_head(self.store, "person")
        return [mark, [row(self.store, policy, met) for policy in in_family_order(policies)], chosen]

    def choose(self, event: gr.SelectData) -> str:
        """A click on a row."""
        return event.row_value[0]

    def show(self, chosen: str) -> str:
        """Where the policy comes from, and its newest answers beside its parent's."""
        if not chosen:
            return empty(
                "No policy yet. The starter's come with the first start; PPO on the Runs page makes new ones.",
                "#runs",
                "Runs",
            )
        policy = self.store.policies.get(chosen)
        return f"<div class=card>{facts(lineage(policy))}</div><h2>Answers</h2>{answers(self.store, policy)}"

    def queue(self, chosen: str) -> str:
        """Blind pairs of this policy and its parent for the labelers, as a sampling run."""
        account = current_account()
        try:
            policy = self.store.policies.get(chosen or "")
            if policy.parent_id is None:
                raise BadInput(f"{policy.public} has no parent", "Choose a policy that was trained from another one.")
            wanted = {"from": policy.public, "against": public_id(POLICY, policy.parent_id), "prompts": PAIRS}
            run = launch(self.store, "sample", wanted, by=account.name)
        except BadInput as problem:
            return said(problem)
        return said(f"{run.public} is queued; its pairs appear on the Label page, without names.")


def in_family_order(policies: list[Policy]) -> list[Policy]:
    """Each policy after its parent, children oldest first."""
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


def row(store: Store, policy: Policy, met: Sequence[HeadToHead]) -> list[str]:
    """A line of the table; `met`: what people say where policies met."""
    people, judged = by_people(met, policy)
    found = by_judge(store, policy)
    report = found.report if found else {}
    length = report.get("length_end")
    return [
        policy.public,
        policy.name,
        policy.kind,
        public_id(POLICY, policy.parent_id) if policy.parent_id else "–",
        people,
        str(judged or "–"),
        with_interval(report.get("win_rate"), report.get("win_rate_ci")),
        _judge(found),
        "–" if report.get("kl") is None else f"{report['kl']:.2f}",
        "–" if length is None else f"{length:.0f}",
    ]


def by_people(met: Sequence[HeadToHead], policy: Policy) -> tuple[str, int]:
    """(win rate with interval, judged test prompts) against the parent, by people."""
    if policy.parent_id is None:
        return "–", 0
    shares = list(mean_outcomes(met, policy.id, policy.parent_id).values())
    if not shares:
        return "not judged yet", 0
    return with_interval(fmean(shares), bootstrap_share(shares)), len(shares)


def by_judge(store: Store, policy: Policy) -> Evaluation | None:
    """The newest evaluation against the parent."""
    found = [one for one in store.evaluations.all(policy.id) if one.against_id == policy.parent_id]
    return found[-1] if found else None


def _judge(found: Evaluation | None) -> str:
    """Who judged, and whether the policy was optimised for that judge."""
    return (
        "–"
        if found is None
        else f"{found.judge} (not independent)"
        if found.report.get("judge_partial")
        else found.judge
    )


def lineage(policy: Policy) -> dict[str, object]:
    """Everything it descends from, by id."""
    return {
        "Base": policy.base.rsplit("/", 1)[-1],
        "Parent": policy.parent_id and public_id(POLICY, policy.parent_id),
        "Reward model": policy.reward_model_id and f"r{policy.reward_model_id}",
        "Data": policy.snapshot_id and f"s{policy.snapshot_id}",
        "Run": policy.run_id and f"run{policy.run_id}",
        "Seed": policy.seed,
        "Made": policy.created_at[:16].replace("T", " "),
    }


def answers(store: Store, policy: Policy) -> str:
    """The newest answers of a policy, each beside its parent's to the same prompt; alone where the parent answered none of LOOKED."""
    recent = store.completions.recent_prompts(policy.id, LOOKED)
    if not recent:
        return empty(f"{policy.public} has answered nothing yet.", "#runs", "Sample on the Runs page")
    parent = store.policies.get(policy.parent_id) if policy.parent_id else None
    found = ((prompt, {one.policy_id: one.text for one in store.completions.of_prompt(prompt)}) for prompt in recent)
    both = list(islice((one for one in found if parent and parent.id in one[1]), SHOWN))
    alone = (
        (prompt, {one.policy_id: one.text for one in store.completions.of_prompt(prompt)}) for prompt in recent[:SHOWN]
    )
    return "".join(
        beside(
            store.prompts.get(prompt).text,
            (f"{policy.public} · {policy.name}", texts[policy.id]),
            (f"{parent.public} · {parent.name}", texts[parent.id]) if both else None,
        )
        for prompt, texts in both or alone
    )
