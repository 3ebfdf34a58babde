# SPDX-License-Identifier: Apache-2.0
"""The Loop page: the loop with its live counts, and the suggested next step."""

from __future__ import annotations

from threading import Lock
from typing import NamedTuple

import gradio as gr

from data.errors import BadInput
from data.store import Store
from labeling.accounts.current import current_account
from labeling.texts.pages import text
from reward.page import QUIET, Look, Updates
from reward.report.addresses import address_of, link_ids
from reward.report.live import live_accuracy
from reward.report.view import message_html, percent_range
from rlhf.pages.components import esc, heading, html
from rlhf.pages.first_round.facts import end_round, read_round
from rlhf.pages.first_round.offer import SIMULATE, Offer, make_offer, offer_button
from rlhf.pages.first_round.steps import due_step, round_steps
from rlhf.pages.first_round.view import END, NEXT, draw_round
from rlhf.pages.loop_counts import count_loop
from rlhf.pages.markup import live_line
from rlhf.pages.next_step import LABEL_PAGE, LoopCounts, NewestPolicy, Step, next_step
from rlhf.pages.policies.figures import describe_judging
from rlhf.runs.launch import launch

PLACES = ((16, 24), (50, 13), (84, 24), (84, 76), (50, 87), (16, 76))
"""Centres of the stations, clockwise from the top left, in percent of the drawing's width and height."""
ARROWS = (
    ("M 250 105 Q 310 70 370 66", "sample", 300, 62),
    ("M 624 66 Q 680 68 714 102", "pair", 700, 62),
    ("M 860 170 Q 882 250 860 327", "compare", 885, 255),
    ("M 750 395 Q 690 430 630 434", "train", 700, 452),
    ("M 376 434 Q 320 432 286 398", "ppo", 300, 452),
    ("M 140 330 Q 118 250 140 173", "answer_again", 15, 255),
)
"""Arrows from each station to the next one: path, key of the verb, and the verb's place."""
TIP = (
    "<marker id=tip viewBox='0 0 10 10' refX=9 refY=5 markerWidth=7 markerHeight=7 orient=auto>"
    "<path d='M0 0L10 5L0 10z'/></marker>"
)
STARTS_AT = {
    "sample": "prompts",
    "reward": "comparisons",
    "ppo": "reward_models",
    "#labels": "comparisons",
    LABEL_PAGE: "pairs",
}
"""The station from which a step starts, by the kind of its run or by its link."""


class Station(NamedTuple):
    """A station of the loop: `key` names it, `detail` explains the number."""

    key: str
    number: int
    detail: str
    link: str


class LoopPage:
    """The page's components and its handlers.

    A first round shows its guide; otherwise the page shows one suggestion.
    """

    def __init__(self, store: Store, look: Look) -> None:
        self.store = store
        self.starting = Lock()  # a second click waits, and then sees the run of the first one
        heading("loop")
        self.suggestion = html("loop-next")
        with gr.Row(elem_classes="line"):
            self.start = gr.Button(variant="primary", visible=False, scale=0, min_width=200, elem_id="do-next")
        self.status = html()
        self.drawing = html()
        drawn = [self.suggestion, self.start, self.drawing]
        gr.on(look, self.draw, None, drawn, **QUIET)
        self.start.click(self.start_step, None, [self.status, *drawn], **QUIET)
        handlers = {NEXT: self.start_step, SIMULATE: self.simulate, END: self.end_round}
        for name, handler in handlers.items():  # the buttons of the guide press these
            gr.Button(elem_id=name, visible="hidden").click(handler, None, [self.status, *drawn], **QUIET)

    def start_step(self) -> Updates:
        """Start the run that is due in the first round, or the suggested one."""
        with self.starting:
            facts = read_round(self.store)
            step = due_step(facts).action if facts else next_step(count_loop(self.store))
            line = start_run(self.store, step, current_account().name) if step else ""
        return {self.status: line, **self.draw()}

    def simulate(self) -> Updates:
        """Let simulated labelers answer waiting pairs, as a run."""
        with self.starting:
            offer = make_offer(self.store)
            line = start_run(self.store, offer.step, current_account().name) if offer else ""
        return {self.status: line, **self.draw()}

    def end_round(self) -> Updates:
        """Hide the guide of the first round in this home."""
        end_round(self.store)
        return {self.status: "", **self.draw()}

    def draw(self) -> Updates:
        """Return the guide or the suggestion with its button, and the loop."""
        facts = read_round(self.store)
        counts = facts.counts if facts else count_loop(self.store)
        facts = None if counts.online else facts  # an online run is a round of its own
        step = next_step(counts)
        suggestion = draw_round(round_steps(facts)) if facts else self.suggest(step)
        return {
            self.suggestion: suggestion + draw_judging(self.store, counts.newest),
            self.start: gr.Button(step.title, visible=step.kind is not None and facts is None),
            self.drawing: draw_loop(counts, step) + draw_live(self.store, counts.newest_driver),
        }

    def suggest(self, step: Step) -> str:
        """Return the suggestion; where it leads to labeling, with the offer of simulated labelers."""
        return draw_step(step, make_offer(self.store) if step.link == LABEL_PAGE else None)


def draw_judging(store: Store, newest: NewestPolicy | None) -> str:
    """Return a line on people's verdicts on the newest policy; empty if none of its pairs were queued."""
    line = describe_judging(store, newest.policy, newest.parent) if newest else ""
    return f"<p class=soft>{link_ids(line)}</p>" if line else ""


def draw_live(store: Store, reward: str | None) -> str:
    """Return the accuracy of a reward model since its training, beside the best possible one; empty if unknown."""
    model = store.reward_models.get(reward) if reward else None
    live = live_accuracy(store, model) if model else None
    if model is None or live is None:
        return ""
    line = text("loop.live_accuracy", reward=reward, accuracy=live.shown)
    if reachable := percent_range(model.report.get("reachable")):
        line += f" {text('loop.reachable', range=reachable)}"
    return f"<p class=soft id=live-accuracy>{link_ids(line)}</p>"


def start_run(store: Store, step: Step, by: str) -> str:
    """Queue the run of a step and return the line to show: empty on success, as the page then shows the run."""
    if step.kind is None:
        return message_html(step.reason)
    try:
        launch(store, step.kind, step.settings, by=by)
    except BadInput as problem:
        return message_html(problem)
    return ""


def draw_step(step: Step, offer: Offer | None = None) -> str:
    """Return the suggestion with its reason, the link to its page, and the offer of simulated labelers."""
    link = f"<p><a href='{esc(step.link)}'>{esc(step.action)}</a></p>" if step.link else ""
    link += offer_button(offer) if offer else ""
    link += live_line(step.live)
    head = f"<span class=soft>{esc(text('loop.next_step'))}</span><b>{link_ids(step.title)}</b>"
    return f"<div class='card next'>{head}{link_ids(step.reason)}{link}</div>"


def stations(counts: LoopCounts) -> list[Station]:
    """Return every station in the order in which data moves."""
    labels = text("loop.by_people", people=counts.by_people, simulated=counts.simulated)
    labels += text("loop.imported", n=counts.imported) if counts.imported else ""
    labels += text("loop.by_ai", n=counts.by_ai) if counts.by_ai else ""
    compared = counts.by_people + counts.simulated + counts.imported + counts.by_ai
    reward, policy = counts.newest_driver, counts.newest.policy if counts.newest else None
    return [
        Station("prompts", counts.prompts, text("loop.prompts_detail"), "#runs"),
        Station("completions", counts.completions, text("loop.completions_detail"), "#policies"),
        Station("pairs", counts.waiting, text("loop.pairs_detail"), LABEL_PAGE),
        Station("comparisons", compared, labels, "#labels"),
        Station("reward_models", counts.reward_models, _newest(reward, "loop.no_reward"), _open("reward", reward)),
        Station("policies", counts.policies, _newest(policy, "loop.no_policy"), _open("policies", policy)),
    ]


def draw_loop(counts: LoopCounts, step: Step) -> str:
    """Return the loop: a circle on a wide screen, a column on a narrow one."""
    due = "policies" if "against" in step.settings else STARTS_AT.get(step.kind or step.link or "", "")
    paths = "".join(_arrow(*arrow) for arrow in ARROWS)
    boxes = "".join(
        _station(station, place, verb, station.key == due)
        for station, place, (_, verb, _, _) in zip(stations(counts), PLACES, ARROWS, strict=True)
    )
    return f"<div class=ring><svg viewBox='0 0 1000 500' aria-hidden=true><defs>{TIP}</defs>{paths}</svg>{boxes}</div>"


def _newest(name: str | None, otherwise: str) -> str:
    return text("loop.newest", name=name) if name else text(otherwise)


def _open(page: str, newest: str | None) -> str:
    return address_of(page, newest) if newest else f"#{page}"


def _arrow(path: str, verb: str, x: int, y: int) -> str:
    anchor = "start" if x in (15, 885) else "middle"
    word = f"<text x='{x}' y='{y}' text-anchor='{anchor}'>{esc(text(f'loop.{verb}_verb'))}</text>"
    return f"<path d='{path}' marker-end='url(#tip)'/>{word}"


def _station(station: Station, place: tuple[int, int], verb: str, due: bool) -> str:
    (x, y), name = place, text(f"loop.{station.key}")
    box = f"<span>{esc(name)}</span><b>{station.number:,}</b><small>{esc(station.detail)}</small>"
    return (
        f"<a class='station{' due' if due else ''}' style='left:{x}%;top:{y}%' href='{station.link}'>{box}</a>"
        f"<span class=verb>↓ {esc(text(f'loop.{verb}_verb'))}</span>"
    )
