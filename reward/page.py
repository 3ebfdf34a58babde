# SPDX-License-Identifier: Apache-2.0
"""The Reward page: every reward model with the baselines of its accuracy, and a form to train one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin
from zlib import crc32

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from data.errors import BadInput
from data.formats.export.formats import make_pseudonym
from data.records import RewardModel, RewardRole, Run
from data.settings import Described, describe
from data.store import Store
from data.views.live_comparisons import score_mark
from labeling.accounts.current import current_account
from labeling.accounts.management import audit_name
from labeling.texts.pages import setting_help, text
from reward.report import view
from reward.report.addresses import choose_address, chosen_by_address, link_ids, unknown
from reward.report.choices import model_choices, policy_names, role_name
from reward.report.live import live_accuracies
from reward.roles import ROLES, change_role
from reward.settings import RewardSettings

Enqueue = Callable[[dict[str, Any], str], Run]
"""Queue a run of kind reward with these settings on behalf of the account with this name. Raises BadInput."""
Look = Callable[..., object]
"""The event on which a page reads the store again: it was opened, or some seconds went by while it is on the screen."""
Updates = dict[Block, object]
"""New values of components by component; every other output of the event stays as it is."""
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
FieldValue = str | int | float | bool | list[Any] | tuple[Any, ...] | None
"""The value of a setting."""
POLICY_SETTINGS = ("from",)
"""The settings that name a policy. The page fills their lists."""


def data_table(
    headers: Sequence[str],
    elem_id: str,
    label: str,
    *,
    datatype: str | Sequence[str] = "auto",
    visible: bool = True,
    searched: bool = True,
) -> gr.Dataframe:
    """Return a table that nobody edits, with a search over its rows and a button that saves them all as CSV.

    `searched` is False for a page with a search of its own.
    """
    kinds: Any = datatype
    with gr.Column(elem_classes="tabled"):
        shown = gr.Dataframe(
            headers=list(headers),
            datatype=kinds,
            interactive=False,
            visible=visible,
            elem_id=elem_id,
            label=label,
            show_search="search" if searched else "none",
        )
        save = gr.Button(text("table.save"), size="sm", scale=0, elem_classes="save-table")
        save.click(None, shown, None, js=f"(table) => saveTable('{elem_id}', table)", **QUIET)
    return shown


def on_address(
    page: str,
    events: Look | Sequence[Look],
    handler: Callable[..., object],
    inputs: Sequence[Block],
    outputs: Sequence[Block],
) -> None:
    """Wire a handler whose first input is what the page's address chooses, an empty text if nothing.

    An address that changes while an answer is on its way is read after it.
    """
    carried: dict[str, Any] = {"js": chosen_by_address(page, len(inputs)), "trigger_mode": "always_last", **QUIET}
    gr.on(events, handler, inputs, outputs, **carried)


class RewardPage:
    """The page's components and its handlers. The address says which model is on the screen; else it is the newest."""

    def __init__(self, store: Store, look: Look, enqueue: Enqueue) -> None:
        self.store, self.enqueue = store, enqueue
        _html(f"<h1>{text('reward.title')}</h1><p class=soft>{text('reward.lead')}</p>")
        self.cards = _html(elem_id="reward-cards")
        self.choice = gr.Dropdown(label=text("reward.choice"), elem_id="reward-choice", visible=False)
        roles = [(role_name(role), role) for role in ROLES]
        self.role = gr.Radio(roles, label=text("reward.role"), elem_id="reward-model-role", visible=False)
        self.role_status = _html(elem_id="reward-role-status")
        self.closer = _html(elem_id="reward-closer")
        self.groups = data_table(view.columns(), "reward-groups", text("reward.groups"), visible=False)
        self.worst = _html(elem_id="reward-worst")
        self._add_form()
        self.chosen, self.seen, self.shown = (gr.Textbox(visible="hidden") for _ in range(3))
        shown = [self.seen, self.shown, self.cards, self.choice, self.fields["from"]]
        drawn = [*shown, self.role, self.closer, self.groups, self.worst]
        on_address("reward", look, self.refresh, [self.chosen, self.seen, self.shown], drawn)
        self.role.input(self.change_role, [self.shown, self.role], [self.role_status, self.cards, self.choice], **QUIET)
        self.choice.input(None, self.choice, None, js=choose_address("reward"), **QUIET)

    def _add_form(self) -> None:
        settings = [setting for setting in describe(RewardSettings) if setting.main]
        _html(f"<h2>{text('reward.form')}</h2>")
        with gr.Row(elem_classes="fields"):
            self.fields = {
                setting.key: setting_field("reward", setting, POLICY_SETTINGS, min_width=200) for setting in settings
            }
        with gr.Row(elem_classes="line"):
            start = gr.Button(text("reward.start"), variant="primary", scale=0, min_width=220, elem_id="train-reward")
            self.more = gr.Button(text("reward.more_settings"), scale=0, min_width=160, elem_id="reward-more")
        status = _html(elem_id="reward-status")
        start.click(self.submit, set(self.fields.values()), status, **QUIET)

    def refresh(self, chosen: str, seen: str, shown: str) -> Updates:
        """Draw again what changed: cards and lists after a new model or comparison, the plots after another choice."""
        models, policies = self.store.reward_models.all(), policy_names(self.store)
        roles = "".join(model.role[0] for model in models) or "0"
        live = crc32(repr(score_mark(self.store)).encode())
        mark, chosen = f"{roles} {len(policies)} {live}", chosen or (models[-1].public if models else "")
        updates: Updates = {}
        if mark != seen:
            updates |= {self.seen: mark, self.fields["from"]: gr.Dropdown(choices=policies)}
        if seen.split(" ")[::2] != [roles, f"{live}"]:
            updates[self.cards] = view.cards_html(models, live_accuracies(self.store))
        if chosen != shown or seen.split(" ")[0] != roles:
            updates[self.choice] = self.offer(models, chosen)
        if chosen != shown:
            updates |= {self.shown: chosen, **self.show(chosen)}
        return updates or gr.skip()

    def offer(self, models: Sequence[RewardModel], chosen: str) -> gr.Dropdown:
        """Return the list of reward models."""
        names = model_choices(reversed(models))
        known = chosen in [model.public for model in models]
        return gr.Dropdown(choices=names, value=chosen if known else None, visible=bool(names))

    def show(self, chosen: str) -> Updates:
        """Draw the plots, the table of groups and the worst disagreements of one reward model."""
        model = next((model for model in self.store.reward_models.all() if model.public == chosen), None)
        if model is None:
            line = view.message_html(unknown("reward", chosen))
            hidden: Updates = {self.role: gr.Radio(visible=False), self.groups: gr.Dataframe(visible=False)}
            return {self.closer: line, self.worst: "", **hidden}
        # Reports hold pseudonyms.
        names = {make_pseudonym(account.id): account.name for account in self.store.accounts.all()}
        rows = view.group_rows(model, names)
        title = f"<h2>{link_ids(text('reward.worst', model=chosen))}</h2>"
        return {
            self.role: gr.Radio(value=model.role, visible=True),
            self.closer: view.details_html(model),
            self.groups: gr.Dataframe(rows, visible=bool(rows)),
            self.worst: f"{title}{view.disagreements_html(model, names)}" if rows else "",
        }

    def change_role(self, chosen: str, role: RewardRole) -> Updates:
        """Change the role of the reward model on the screen."""
        try:
            model = change_role(self.store, chosen, role, by=audit_name(current_account()))
        except BadInput as problem:
            return {self.role_status: view.message_html(problem)}
        models = self.store.reward_models.all()
        line = view.message_html(text("reward.role_changed", model=model.public, role=role_name(role)), model.public)
        return {
            self.role_status: line,
            self.cards: view.cards_html(models, live_accuracies(self.store)),
            self.choice: self.offer(models, chosen),
        }

    def submit(self, given: Mapping[Block, Any]) -> str:
        """Queue a run with the form's settings and return the line to show."""
        try:
            run = self.enqueue(self.read(given), current_account().name)
        except BadInput as problem:
            return view.message_html(problem)
        return view.message_html(text("reward.queued", run=run.public), run.public)

    def read(self, given: Mapping[Block, Any]) -> dict[str, Any]:
        """Return the settings of the form's fields that hold a value."""
        values = {key: given[field] for key, field in self.fields.items()}
        return {key: value for key, value in values.items() if value is not None}


def setting_field(
    kind: str,
    setting: Described,
    models: Sequence[str],
    *,
    min_width: int = 160,
    elem_id: str | None = None,
    visible: bool = True,
) -> Component:
    """Return the field of a setting of this kind of run by its type.

    A setting whose key is in `models` gets a list, which the page fills. `min_width` is in pixels.
    """
    about: dict[str, Any] = {
        "label": _label(setting),
        "info": setting_help(kind, setting.key),
        "min_width": min_width,
        "elem_id": elem_id,
        "visible": visible,
    }
    default = setting.default
    if get_origin(setting.type) is Literal:
        choices = [(str(choice) or text("reward.default_choice"), choice) for choice in get_args(setting.type)]
        return gr.Dropdown(choices, value=default, **about)
    if setting.key in models:
        return gr.Dropdown([""], value=field_value(default), allow_custom_value=True, **about)
    if setting.type is bool:
        return gr.Checkbox(value=bool(default), **about)
    if setting.type in (int, float) and default is not None:
        return gr.Number(value=default, precision=0 if setting.type is int else None, **about)
    return gr.Textbox(value=str(field_value(default)), max_lines=1, **about)


def field_value(value: FieldValue) -> str | int | float | bool:
    """Return a setting's value for its field: a list becomes a text with commas, None an empty text."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return "" if value is None else value


def _label(setting: Described) -> str:
    name = setting.key.replace("_", " ")
    return f"{name} ({text(f'unit.{setting.unit}')})" if setting.unit not in ("", setting.key) else name


def _html(value: str = "", elem_id: str | None = None) -> gr.HTML:
    return gr.HTML(value, elem_classes="plain", padding=False, elem_id=elem_id)
