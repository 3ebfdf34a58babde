"""Loop: the ring with its live counts, and the one suggested next step."""

from __future__ import annotations

import gradio as gr

from data.errors import BadInput
from data.store import Store
from labeling.accounts.current import current_account
from rlhf.pages.components import QUIET, WHERE, Looks, esc, heading, html, said
from rlhf.pages.loop_counts import look_round
from rlhf.pages.next_step import Ring, Step, next_step
from rlhf.runs.launch import launch

PLACES = ((16, 24), (50, 13), (84, 24), (84, 76), (50, 87), (16, 76))
"""Centres of the stations, clockwise from the top left, in percent of the drawing's width and height."""
ARROWS = (
    ("M 250 105 Q 310 70 370 66", "sample", 300, 62),
    ("M 624 66 Q 680 68 714 102", "pair", 700, 62),
    ("M 860 170 Q 882 250 860 327", "compare", 885, 255),
    ("M 750 395 Q 690 430 630 434", "train", 700, 452),
    ("M 376 434 Q 320 432 286 398", "PPO", 300, 452),
    ("M 140 330 Q 118 250 140 173", "answer again", 15, 255),
)

STATIONS = {
    "sample": "Prompts",
    "reward": "Comparisons",
    "ppo": "Reward models",
    "#labels": "Comparisons",
    "../label/": "Pairs",
}
"""Which station the suggested step starts from."""


def build(store: Store, looks: Looks) -> None:
    """The page; the ring is drawn again while it is on the screen."""
    heading(
        "Loop",
        "Prompts are answered, people compare the answers, a reward model learns from them and drives the next policy.",
    )
    suggestion = html()
    with gr.Row(elem_classes="line"):
        do_it = gr.Button("Start it", variant="primary", visible=False, scale=0, min_width=200, elem_id="do-next")
    told = html()
    ring = html()
    where = gr.Textbox(visible="hidden")

    def show(place: str) -> list:
        if place.strip("#") not in ("", "loop"):
            return [gr.skip()] * 3
        held = look_round(store)
        step = next_step(held)
        return [draw_step(step), gr.Button(step.title, visible=step.kind is not None), draw_ring(held, step)]

    def act() -> list:
        account = current_account()
        step = next_step(look_round(store))
        return [do_step(store, step, account.name), *show("loop")]

    shown = [suggestion, do_it, ring]
    gr.on(looks, show, where, shown, js=WHERE, **QUIET)
    do_it.click(act, None, [told, *shown], **QUIET)


def do_step(store: Store, step: Step, by: str) -> str:
    """Queue the suggested run; what came of it as a line."""
    if step.kind is None:
        return said(step.reason)
    try:
        run = launch(store, step.kind, step.settings, by=by)
    except BadInput as problem:
        return said(problem)
    return said(f"{run.public} is queued. Follow it on the Runs page.")


def draw_step(step: Step) -> str:
    """The suggestion with its reason, and its link where it is a place to go to."""
    link = f"<p><a href='{esc(step.link)}'>Go there</a></p>" if step.link else ""
    return f"<div class='card next'><span class=soft>Next step</span><b>{esc(step.title)}</b>{esc(step.reason)}{link}</div>"


def stations(ring: Ring) -> list[tuple[str, str, str, str]]:
    """(name, count, detail, link) of every station in the order in which data goes round."""
    labels = f"{ring.by_people:,} by people · {ring.simulated:,} simulated" + (
        f" · {ring.imported:,} imported" if ring.imported else ""
    )
    return [
        ("Prompts", f"{ring.prompts:,}", "to answer", "#runs/sample"),
        ("Completions", f"{ring.completions:,}", "answers of policies", "#policies"),
        ("Pairs", f"{ring.waiting:,}", "waiting for a verdict", "../label/"),
        ("Comparisons", f"{ring.by_people + ring.simulated + ring.imported:,}", labels, "#labels"),
        (
            "Reward models",
            f"{ring.reward_models:,}",
            f"newest {ring.newest_reward}" if ring.newest_reward else "none yet",
            "#reward",
        ),
        (
            "Policies",
            f"{ring.policies:,}",
            f"newest {ring.newest.policy}" if ring.newest else "the starter's",
            "#policies",
        ),
    ]


def draw_ring(ring: Ring, step: Step) -> str:
    """The ring: a circle on a wide screen, a column on a narrow one."""
    due = STATIONS.get(step.kind or step.link or "", "")
    due = "Policies" if "against" in step.settings else due
    paths = "".join(
        f"<path d='{path}' marker-end='url(#tip)'/><text x='{x}' y='{y}' text-anchor='{'start' if x in (15, 885) else 'middle'}'>{verb}</text>"
        for path, verb, x, y in ARROWS
    )
    tip = "<marker id=tip viewBox='0 0 10 10' refX=9 refY=5 markerWidth=7 markerHeight=7 orient=auto><path d='M0 0L10 5L0 10z'/></marker>"
    boxes = "".join(
        f"<a class='station{' due' if name == due else ''}' style='left:{x}%;top:{y}%' href='{link}'><span>{name}</span><b>{count}</b>"
        f"<small>{esc(detail)}</small></a><span class=verb>↓ {arrow[1]}</span>"
        for (name, count, detail, link), (x, y), arrow in zip(stations(ring), PLACES, ARROWS, strict=True)
    )
    return f"<div class=ring><svg viewBox='0 0 1000 500' aria-hidden=true><defs>{tip}</defs>{paths}</svg>{boxes}</div>"
