"""Starting a run: a form per kind, made from its settings; five that matter above the fold, the rest below."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from data.errors import BadInput
from data.settings import Described, describe
from data.store import Store
from labeling.accounts.current import current_account
from reward.page import setting_field, shown
from reward.report.view import policy_names, refused
from rlhf.common.estimate import format_duration, peak_memory_mb, typical_seconds
from rlhf.kinds import KINDS, Kind
from rlhf.models.reward_sources import read_sources
from rlhf.pages.components import QUIET, esc, html, said
from rlhf.runs.launch import launch
from rlhf.runs.preflight import CHECKS

POLICIES, REWARDS = ("from", "against", "policies"), ("reward", "guard")


class RunForm:
    """The form of one kind inside its tab: `fields` by key, `told` for what came of it."""

    def __init__(self, store: Store, kind: Kind) -> None:
        self.store = store
        self.kind = kind
        settings = describe(kind.settings_class())
        main = [one for one in settings if one.main] or settings[:5]
        html(value=f"<p class=soft>{esc(kind.explains)}</p>")
        self.fields: dict[str, Any] = {}
        with gr.Row(elem_classes="fields"):
            self._add(main)
        with gr.Accordion("More settings", open=False), gr.Row(elem_classes="fields"):
            self._add([one for one in settings if one not in main])
        self.needs = html()
        self.start = gr.Button(f"Start: {kind.title}", variant="primary", elem_id=f"start-{kind.name}", scale=0)
        self.told = html()

    def _add(self, settings: list[Described]) -> None:
        for one in settings:
            with gr.Column(min_width=230):
                self.fields[one.key] = setting_field(one, POLICIES + REWARDS, elem_id=f"{self.kind.name}-{one.key}")

    def wire(self, after: Callable[[], list], outputs: list) -> None:
        """On a click: check, queue, say so; `after` gives the page's other outputs."""
        keys = list(self.fields)

        def start(*given: Any) -> list:
            account = current_account()
            problem = self.missing()
            line = self.submit(dict(zip(keys, given, strict=True)), account.name)
            needs = "" if problem and line == said(problem) else self.outlook()
            return [line, needs, *after()]

        self.start.click(start, list(self.fields.values()), [self.told, self.needs, *outputs], **QUIET)

    def submit(self, given: dict[str, Any], by: str) -> str:
        """Queue the run; the line to show."""
        try:
            run = launch(
                self.store,
                self.kind.name,
                {key: _text(value) for key, value in given.items() if value is not None},
                by=by,
            )
        except BadInput as problem:
            return said(problem)
        return said(f"{run.public} is queued.")

    def changing(self) -> list:
        """The outputs of `fresh`."""
        return [self.needs, *(field for key, field in self.fields.items() if key in POLICIES + REWARDS)]

    def fresh(self) -> dict[Any, Any]:
        """What must be read again when the page is opened: the choices of models, and what is missing."""
        rewards = [model.public for model in reversed(self.store.reward_models.all())]
        if self.kind.name == "ppo":
            rewards += read_sources(self.store.home)
        choices = {**dict.fromkeys(POLICIES, policy_names(self.store)), **dict.fromkeys(REWARDS, ["", *rewards])}
        lists = {field: gr.Dropdown(choices=choices[key]) for key, field in self.fields.items() if key in choices}
        return {self.needs: self.outlook(), **lists}

    def outlook(self) -> str:
        """What is missing before such a run can start, or how long one like it took on this machine, and how much memory."""
        problem = self.missing()
        if problem:
            return f"<p class=bad>Missing: {refused(problem)}</p>"
        runs = self.store.runs.all()
        seconds, peak = typical_seconds(runs, self.kind.name), peak_memory_mb(runs, self.kind.name)
        memory = f" and up to {peak:,.0f} MB" if peak else ""
        before = (
            f"The last ones took {format_duration(seconds)}{memory} on this machine."
            if seconds
            else "None has run on this machine yet."
        )
        return f"<p class=soft>{before} One run works at a time; others wait their turn.</p>"

    def missing(self) -> BadInput | None:
        """What such a run would lack now, were it started with the defaults."""
        defaults = self.kind.settings_class()()
        for need in self.kind.needs:
            try:
                CHECKS[need](self.store, defaults)
            except BadInput as problem:
                return problem
        return None

    def filled(self, settings: dict[str, Any]) -> dict[Any, Any]:
        """The fields with another run's settings."""
        return {field: shown(settings[key]) for key, field in self.fields.items() if key in settings}


def forms(store: Store) -> tuple[gr.Tabs, dict[str, RunForm]]:
    """A tab per kind."""
    made = {}
    with gr.Tabs(elem_id="kinds") as tabs:
        for kind in KINDS.values():
            with gr.Tab(kind.title, id=kind.name):
                made[kind.name] = RunForm(store, kind)
    return tabs, made


def _text(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list) else value
