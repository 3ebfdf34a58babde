# SPDX-License-Identifier: Apache-2.0
"""The site /train: the researcher's pages behind one side bar, in the order in which data moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gradio as gr
from gradio.blocks import Block

from data.records import Run
from data.store import Store
from labeling.accounts.presence import Presence
from labeling.http.color_scheme import color_scheme_switch
from labeling.texts.pages import text
from labeling.texts.reader import reader_language
from labeling.texts.translate import TEXTS, say
from reward.page import QUIET, Look, RewardPage, Updates
from reward.report.addresses import PAGES as PAGES_OF_IDS
from rlhf.pages.arena import ArenaPage
from rlhf.pages.audit import AuditPage
from rlhf.pages.clinic import ClinicPage
from rlhf.pages.data import DataPage
from rlhf.pages.export import ExportPage
from rlhf.pages.labels import LabelsPage
from rlhf.pages.live.page import LivePage
from rlhf.pages.loop import LoopPage
from rlhf.pages.markup import esc
from rlhf.pages.next_step import LABEL_PAGE
from rlhf.pages.people import PeoplePage
from rlhf.pages.playground.page import PlaygroundPage
from rlhf.pages.policies.page import PoliciesPage
from rlhf.pages.projects import ProjectsPage
from rlhf.pages.reward_actions import RewardActions
from rlhf.pages.runs.page import RunsPage
from rlhf.runs.launch import launch

PAGES = (
    "loop",
    "live",
    "playground",
    "data",
    "clinic",
    "projects",
    "labels",
    "reward",
    "policies",
    "arena",
    "runs",
    "people",
    "audit",
    "export",
)


def build(store: Store, presence: Presence | None = None) -> gr.Blocks:
    """Build the site. The address's #name chooses the page; `train.js` then clicks hidden buttons.

    `mount` creates the page's components in the browser, which would take a third of a second for all pages.
    `look` reads the store for the page on the screen alone: the browser spends a tenth of a second on each answer.
    """
    with gr.Blocks(title="Preference Loop", fill_width=True, analytics_enabled=False) as blocks:
        opened = gr.Button(elem_id="open-runs", visible="hidden")
        mount = gr.Button(elem_id="mount", visible="hidden")
        looks = {name: gr.Button(elem_id=f"look-{name}", visible="hidden").click for name in PAGES}
        pages = page_builders(store, looks, presence or Presence())
        with gr.Row(elem_id="frame"):
            with gr.Column(elem_id="side"):
                gr.HTML(side_bar(), padding=False)
            with gr.Column(elem_id="pages"):
                columns = {
                    name: gr.Column(elem_id=f"page-{name}", elem_classes="page", visible=False) for name in PAGES
                }
        built = {}
        for name, column in columns.items():
            with column:
                built[name] = pages[name]()
        runs, projects, reward = built["runs"], built["projects"], built["reward"]
        assert isinstance(runs, RunsPage)
        assert isinstance(projects, ProjectsPage)
        assert isinstance(reward, RewardPage)
        projects.wire_sampling(runs)
        wire_reward_settings(reward, runs)
        opened.click(runs.open_page, runs.panel.model_fields(), runs.refreshed(), **QUIET)
        mount.click(None, None, list(columns.values()), js="() => mountPage()", **QUIET)
        blocks.load(None, js="() => openPage()")
    for part in blocks.blocks.values():
        if isinstance(part, gr.Textbox) and part.value is None:
            part.value = ""  # as it is once it is mounted: a page may read the store before
    return blocks


def wire_reward_settings(reward: RewardPage, runs: RunsPage) -> None:
    """Let the Reward page open the whole form of a training, with its own settings, on the Runs page."""

    def open_form(given: Mapping[Block, Any]) -> Updates:
        return runs.open_form("reward", reward.read(given))

    opened = reward.more.click(open_form, set(reward.fields.values()), runs.form_parts("reward"), **QUIET)
    opened.success(None, js="() => { location.hash = 'runs'; }", **QUIET)


def page_builders(store: Store, looks: Mapping[str, Look], presence: Presence) -> dict[str, Callable[[], object]]:
    """Return the function that builds each page, by the page's name."""

    def queue_reward(settings: dict, by: str) -> Run:
        return launch(store, "reward", settings, by=by)

    def build_reward() -> RewardPage:
        page = RewardPage(store, looks["reward"], queue_reward)
        RewardActions(store, looks["reward"])
        return page

    return {
        "loop": partial(LoopPage, store, looks["loop"]),
        "live": partial(LivePage, store, looks["live"]),
        "playground": partial(PlaygroundPage, store, looks["playground"]),
        "data": partial(DataPage, store, looks["data"]),
        "clinic": partial(ClinicPage, store, looks["clinic"]),
        "projects": partial(ProjectsPage, store, looks["projects"]),
        "labels": partial(LabelsPage, store, looks["labels"]),
        "reward": build_reward,
        "policies": partial(PoliciesPage, store, looks["policies"]),
        "arena": partial(ArenaPage, store, looks["arena"]),
        "runs": partial(RunsPage, store, looks["runs"]),
        "people": partial(PeoplePage, store, looks["people"], presence),
        "audit": partial(AuditPage, store, looks["audit"]),
        "export": partial(ExportPage, store, looks["export"]),
    }


def side_bar() -> str:
    """Return links to the pages and to the labelers' page, sign-out, and the choices of colours and language."""
    links = "".join(f"<a href='#{name}'>{esc(text(f'{name}.title'))}</a>" for name in PAGES)
    label = f"<hr><a href='{LABEL_PAGE}'>{esc(text('side.label'))}</a>"
    leave = f"<form method=post action='../logout'><button>{esc(text('side.sign_out'))}</button></form>"
    choices = f"<div class=choices>{color_scheme_switch(reader_language())}{_languages()}</div>"
    pages = esc(text("side.pages"))
    go = f"<button type=button id=go-open aria-keyshortcuts=Control+K>{esc(text('side.go'))} <kbd>Ctrl K</kbd></button>"
    head = f"<strong>Preference Loop</strong>{go}"
    return f"<nav id=nav aria-label='{pages}'>{head}{links}{label}{leave}{choices}</nav>{_palette()}"


def _palette() -> str:
    """Return the box of `palette.js`, in which a page or an id is typed."""
    title, hint, none = (esc(text(f"side.{key}")) for key in ("go", "go_hint", "go_none"))
    typed = (
        f"<input id=go-typed role=combobox aria-expanded=true aria-controls=go-list aria-autocomplete=list "
        f"autocomplete=off aria-label='{title}' placeholder='{hint}'>"
    )
    found = f"<ul id=go-list role=listbox aria-label='{title}'></ul><p id=go-none hidden>{none}</p>"
    pages = " ".join(f"data-{prefix}={page}" for prefix, page in PAGES_OF_IDS.items())
    return f"<dialog id=go {pages} aria-label='{title}'><div>{typed}{found}</div></dialog>"


def _languages() -> str:
    """Return a button for each language; `train.js` sets the cookie."""
    own = reader_language()
    return "".join(
        f"<button type=button lang={code} data-language={code} aria-pressed={str(code == own).lower()}>"
        f"{esc(say(code, 'language_sign'))}</button>"
        for code in TEXTS
    )
