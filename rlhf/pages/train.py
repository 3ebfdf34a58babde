"""/train: the researcher's pages behind one side bar, in the order of the ring."""

from __future__ import annotations

import gradio as gr

from data.records import Run
from data.store import Store
from labeling.accounts.presence import Presence
from reward.page import build_reward_tab
from rlhf.pages import export, loop
from rlhf.pages.arena import ArenaPage
from rlhf.pages.clinic import ClinicPage
from rlhf.pages.components import QUIET
from rlhf.pages.data import DataPage
from rlhf.pages.labels import LabelsPage
from rlhf.pages.people import PeoplePage
from rlhf.pages.policies import PoliciesPage
from rlhf.pages.projects import ProjectsPage
from rlhf.pages.runs import RunsPage
from rlhf.runs.launch import launch

NAMES = ("Loop", "Data", "Clinic", "Projects", "Labels", "Reward", "Policies", "Arena", "Runs", "People", "Export")
PAGES = tuple((name.lower(), name) for name in NAMES)
EVERY = 2.0
"""Seconds between two looks at the store by a page that is on the screen."""


def build(store: Store, presence: Presence | None = None) -> gr.Blocks:
    """The whole site of the researcher; the address's #name chooses the page without asking the server."""

    def queue_reward(settings: dict, by: str) -> Run:
        return launch(store, "reward", settings, by=by)

    with gr.Blocks(title="Preference Loop", fill_width=True, analytics_enabled=False) as blocks:
        timer = gr.Timer(EVERY)
        turned = gr.Button("Look again", elem_id="turned", visible="hidden")
        looks = [blocks.load, timer.tick, turned.click]
        with gr.Row(elem_id="frame"):
            with gr.Column(elem_id="side"):
                gr.HTML(side_bar(), padding=False)
            with gr.Column(elem_id="pages"):
                with page("loop"):
                    loop.build(store, looks)
                with page("data"):
                    DataPage(store, looks)
                with page("clinic"):
                    ClinicPage(store, looks)
                with page("projects"):
                    ProjectsPage(store, looks)
                with page("labels"):
                    LabelsPage(store, looks)
                with page("reward"):
                    build_reward_tab(store, looks, enqueue=queue_reward)
                with page("policies"):
                    PoliciesPage(store, looks)
                with page("arena"):
                    ArenaPage(store, looks)
                with page("runs"):
                    runs = RunsPage(store, looks)
                with page("people"):
                    PeoplePage(store, looks, presence or Presence())
                with page("export"):
                    export.build(store, looks)
        gr.on([blocks.load, turned.click], runs.opened, None, runs.changing(), **QUIET)
    return blocks


def page(name: str) -> gr.Column:
    """One page; the style sheet shows the one that the address names."""
    return gr.Column(elem_id=f"page-{name}", elem_classes="page")


def side_bar() -> str:
    """Links to the pages and to the labelers' page, and the way out."""
    links = "".join(f"<a href='#{name}'>{title}</a>" for name, title in PAGES)
    leave = "<form method=post action='../logout'><button>Sign out</button></form>"
    return f"<nav id=nav aria-label='Pages'><strong>Preference Loop</strong>{links}<hr><a href='../label/'>Label</a>{leave}</nav>"
