"""Arena: every policy against one of them on the same held-out prompts, by a judge and by people, over how far each went from it."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence

import gradio as gr

from data.errors import BadInput
from data.ids import POLICY, public_id
from data.records import Policy
from data.store import Store
from data.views.head_to_head import head_to_head
from labeling.accounts.current import current_account
from reward.report.svg_chart import Chart, round_ticks, share_ticks
from rlhf.common.estimate import format_duration
from rlhf.evaluation.arena import PolicyRow, as_csv, judge_names, policy_rows
from rlhf.evaluation.elo import elo_ratings
from rlhf.pages.components import (
    QUIET,
    WHERE,
    Looks,
    empty,
    esc,
    heading,
    html,
    percent,
    said,
    with_interval,
)
from rlhf.runs.launch import launch

HEADERS = [
    "Policy",
    "Name",
    "Way",
    "Win rate",
    "Noisy labelers",
    "People",
    "Judged",
    "KL (nats)",
    "Reward",
    "Gold",
    "Tokens",
    "Distinct 2-grams",
    "Time",
    "MB",
    "Note",
]
RANKS = ["Policy", "Points", "95 % from", "to", "Comparisons"]
PAIRS = 50


class ArenaPage:
    """The page's components and its handlers."""

    def __init__(self, store: Store, looks: Looks) -> None:
        self.store = store
        heading(
            "Arena",
            "All ways to train, side by side: answers to the same test prompts, against one policy. Intervals are 95 %, by prompt.",
        )
        with gr.Row(elem_classes="fields"):
            free = {"allow_custom_value": True}  # gradio knows the choices of the first look only
            self.against = gr.Dropdown([], label="Against", min_width=220, elem_id="arena-against", **free)
            self.judge = gr.Dropdown(
                ["rubric"], value="rubric", label="Judge", min_width=140, elem_id="arena-judge", **free
            )
            self.chosen = gr.Dropdown(
                [], label="Policies (none: all)", multiselect=True, min_width=280, elem_id="arena-policies", **free
            )
        with gr.Row(elem_classes="line"):
            self.compare = gr.Button(
                "Compare on test prompts", variant="primary", scale=0, min_width=220, elem_id="arena-compare"
            )
            self.people = gr.Button(
                f"Queue {PAIRS} blind pairs of each for people", scale=0, min_width=300, elem_id="arena-people"
            )
        self.told = html()
        self.table = gr.Dataframe(headers=HEADERS, interactive=False, elem_id="arena-table", label="Side by side")
        self.notes = html("arena-notes")
        self.plot = html("arena-plot")
        self.ranks = gr.Dataframe(
            headers=RANKS, interactive=False, visible=False, elem_id="arena-ranks", label="Ranking by people"
        )
        self.ranked = html()
        self.where, self.seen = gr.Textbox(visible="hidden"), gr.Textbox(visible="hidden")
        drawn = [self.table, self.notes, self.plot, self.ranks, self.ranked]
        asked = [self.against, self.judge]
        gr.on(
            looks,
            self.tick,
            [self.where, self.seen, *asked],
            [self.seen, *asked, self.chosen, *drawn],
            js=WHERE,
            **QUIET,
        )
        gr.on([self.against.input, self.judge.input], self.show, asked, drawn, **QUIET)
        self.compare.click(self.queue_comparison, [*asked, self.chosen], self.told, **QUIET)
        self.people.click(self.queue_pairs, [self.against, self.chosen], self.told, **QUIET)

    def tick(self, place: str, seen: str, against: str, judge: str) -> list:
        """Everything again, when a policy, a reward model, a judgement or an evaluation came."""
        if place.split("/")[0] != "#arena":
            return [gr.skip()] * 9
        policies, store = self.store.policies.all(), self.store
        mark = (
            f"{len(policies)} {store.reward_models.count()} {store.comparisons.count()} {len(store.evaluations.all())}"
        )
        if mark == seen:
            return [gr.skip()] * 9
        names = [(f"{policy.public} · {policy.name}", policy.public) for policy in policies]
        against = against or (start_of(store, policies) or "")
        return [
            mark,
            gr.Dropdown(choices=names, value=against or None),
            gr.Dropdown(choices=judge_names(store), value=judge or "rubric"),
            gr.Dropdown(choices=names),
            *self.show(against, judge or "rubric"),
        ]

    def show(self, against: str, judge: str) -> list:
        """The table and the plots for another opponent or judge."""
        try:
            return self.draw(against, judge)
        except BadInput as problem:  # somebody typed an id that there is not
            return [gr.skip(), said(problem), "", gr.Dataframe(visible=False), ""]

    def draw(self, against: str, judge: str) -> list:
        """Table, notes, plot, ranking and its download."""
        if not against:
            return [
                [],
                empty("No policy yet. The starter's come with the first start.", "#runs", "Runs"),
                "",
                gr.Dataframe(visible=False),
                "",
            ]
        opponent = self.store.policies.get(against)
        met = head_to_head(self.store, "person")
        found = policy_rows(self.store, opponent, judge, met)
        ranks = elo_ratings(met, opponent.id)
        table = [[public_id(POLICY, one.policy_id), *(round(x) for x in one[1:4]), one.comparisons] for one in ranks]
        return [
            [row(line) for line in found],
            notes(found, opponent) + download(found, opponent, judge),
            plot(found, opponent),
            gr.Dataframe(value=table, visible=bool(table)),
            told_of_ranking(bool(table), opponent),
        ]

    def queue_comparison(self, against: str, judge: str, chosen: Sequence[str] | None) -> str:
        """A run that lets the chosen policies answer the same test prompts, judged."""
        account = current_account()
        try:
            run = launch(
                self.store,
                "compare",
                comparison(self.store, against, judge, self._others(against, chosen)),
                by=account.name,
            )
        except BadInput as problem:
            return said(problem)
        return said(f"{run.public} is queued; its figures appear here.")

    def queue_pairs(self, against: str, chosen: Sequence[str] | None) -> str:
        """Blind pairs with each chosen policy for the labelers, as a sampling run each."""
        account = current_account()
        try:
            wanted = [{"from": name, "against": against, "prompts": PAIRS} for name in self._others(against, chosen)]
            runs = [launch(self.store, "sample", settings, by=account.name) for settings in wanted]
        except BadInput as problem:
            return said(problem)
        return said(
            f"{', '.join(run.public for run in runs)} queued; the pairs appear on the Label page, without names."
        )

    def _others(self, against: str, chosen: Sequence[str] | None) -> list[str]:
        """The chosen policies, or all but the opponent. Raises BadInput where none is left."""
        others = [name for name in chosen or [policy.public for policy in self.store.policies.all()] if name != against]
        if not others:
            raise BadInput("there is no policy to compare with this one", "Train one first: preference-loop train ppo")
        return others


def comparison(store: Store, against: str, judge: str, policies: Sequence[str]) -> dict:
    """Settings of such a run; beside the rubric the newest reward model says what it thinks."""
    models = store.reward_models.all()
    reward = judge if judge != "rubric" else (models[-1].public if models else "")
    return {
        "policies": ",".join(policies),
        "against": against,
        "judge": "rubric" if judge == "rubric" else "reward",
        "reward": reward,
    }


def start_of(store: Store, policies: Sequence[Policy]) -> str | None:
    """The policy that most evaluations are against; before there is one, the parent of the newest policy, or the first."""
    opponents = [one.against_id for one in store.evaluations.all() if one.against_id is not None]
    parents = [policy.parent_id for policy in policies if policy.parent_id is not None][-1:]
    wanted = max(set(opponents), key=opponents.count) if opponents else (parents[0] if parents else None)
    return public_id(POLICY, wanted) if wanted is not None else (policies[0].public if policies else None)


def row(line: PolicyRow) -> list[str]:
    """A line of the table."""
    memory = "–" if line.peak_mb is None else f"{line.peak_mb:,.0f}"
    return [
        line.policy,
        line.name,
        line.kind,
        with_interval(line.win_rate, (line.win_low, line.win_high)),
        percent(line.simulated),
        with_interval(line.people, (line.people_low, line.people_high)),
        str(line.people_prompts or "–"),
        "–" if line.kl is None else f"{'≤ ' if line.kl_bound else ''}{line.kl:.2f}",
        _plain(line.reward),
        _plain(line.gold),
        "–" if line.length is None else f"{line.length:.0f}",
        _plain(line.distinct_2),
        "–" if line.seconds is None else format_duration(line.seconds),
        memory,
        "judge not independent" if line.partial else "",
    ]


def notes(found: Sequence[PolicyRow], against: Policy) -> str:
    """What must be known to read the table: who was not judged, whose judge was not independent, and where the prompts differ."""
    said_so = [f"{line.policy}: the judge is not independent, {line.partial}." for line in found if line.partial]
    judged = [line for line in found if line.win_rate is not None]
    if not judged:
        said_so.append(f"No policy was compared with {against.public} by this judge yet: press Compare.")
    elif len(judged) < len(found):
        said_so.append(f"Not compared yet: {', '.join(line.policy for line in found if line.win_rate is None)}.")
    if len({line.measured_on for line in judged}) > 1:
        said_so.append("Not all were asked the same prompts: compare them again in one run.")
    return "".join(f"<p class=soft>{esc(text)}</p>" for text in said_so)


def plot(found: Sequence[PolicyRow], against: Policy) -> str:
    """Win rate over the square root of KL (the axis of Gao et al. 2023), with intervals; nothing where no line has both."""
    dots = [line for line in found if line.win_rate is not None and line.kl is not None]
    if not dots:
        return ""
    far = max(0.5, 1.25 * max(math.sqrt(max(0.0, line.kl)) for line in dots))
    low, high = min(0.4, *(line.win_low for line in dots)), max(0.6, *(line.win_high for line in dots))
    chart = Chart((0.0, far), (low - 0.03, high + 0.05))
    chart.axes(
        "√KL from it (√nats)", "win rate (%)", round_ticks(0.0, far), share_ticks(low - 0.03, high + 0.05)
    ).level(0.5, "quiet", "")
    for line in dots:
        hint = f"{line.policy} {line.kind}: {with_interval(line.win_rate, (line.win_low, line.win_high))}, KL {line.kl:.2f}"
        x = math.sqrt(max(0.0, line.kl))
        chart.dot(x, line.win_rate, (line.win_low, line.win_high), "quiet" if line.kl_bound else "main", hint)
        chart.word(x, line.win_rate, f"{line.policy} {line.kind}")
    key = "<div class='key soft'><i>● KL measured</i><i>□ KL at most this (best of n)</i></div>"
    title = f"Win rate against {esc(against.public)} over how far a policy went"
    caption = f"<figcaption><b>{title}</b><span class=soft>95 % intervals</span></figcaption>"
    return f"<div class=plots><figure>{caption}{chart.svg('Win rate over the square root of KL')}{key}</figure></div>"


def download(found: Sequence[PolicyRow], against: Policy, judge: str) -> str:
    """A link that saves every column as CSV."""
    data = base64.b64encode(as_csv(list(found)).encode()).decode()
    name = f"arena-{against.public}-{judge}.csv"
    return f"<p><a download='{esc(name)}' href='data:text/csv;base64,{data}'>Download every column (CSV)</a></p>"


def told_of_ranking(known: bool, against: Policy) -> str:
    """What the ranking says, or which step fills it."""
    if not known:
        return empty(
            "People have not compared two policies yet. Queue blind pairs above; they wait on the",
            "/label/",
            "Label page",
        )
    return (
        f"<p class=soft>Points above {esc(against.public)} from all of people's verdicts on test prompts (Bradley-Terry); 400 points are ten to one, "
        "a tie is half a win, and equal answers are one. Policies that no chain of comparisons links to it are left out.</p>"
    )


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
