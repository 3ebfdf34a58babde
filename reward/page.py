"""The page Reward: every reward model with what its accuracy must be read against, and a form that queues a new one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args, get_origin

import gradio as gr

from data.errors import BadInput
from data.formats.export_shapes import make_pseudonym
from data.records import Run
from data.settings import Described, describe
from data.store import Store
from labeling.accounts.current import current_account
from reward.report import view
from reward.settings import RewardSettings

Enqueue = Callable[[dict[str, Any], str], Run]
Looks = Sequence[Callable]
"""The events on which the page looks at the store again: loaded, turned to, or some seconds went by."""
QUIET = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
HERE = "(...given) => [location.hash, ...given.slice(1)]"
"""Put before such a look: its first input becomes the page on the screen, so that a hidden page costs nothing."""


def build_reward_tab(store: Store, looks: Looks, *, enqueue: Enqueue) -> None:
    """Build the page. `enqueue(settings, name)` queues a run of kind reward."""
    RewardPage(store, looks, enqueue)


class RewardPage:
    """The page's components and its handlers."""

    def __init__(self, store: Store, looks: Looks, enqueue: Enqueue) -> None:
        self.store, self.enqueue = store, enqueue
        lead = "Each orders answers as the labelers did. Accuracy is on test prompts, which no run trains on."
        gr.HTML(f"<h1>Reward</h1><p class=soft>{lead}</p>", elem_classes="plain", padding=False)
        self.cards = gr.HTML(elem_classes="plain", padding=False, elem_id="reward-cards")
        self.choice = gr.Dropdown(label="Look closer at", elem_id="reward-choice", visible=False)
        self.closer = gr.HTML(elem_classes="plain", padding=False, elem_id="reward-closer")
        self.groups = gr.Dataframe(
            headers=view.HEADERS,
            interactive=False,
            visible=False,
            elem_id="reward-groups",
            label="Accuracy by group, 95 % intervals by prompt",
        )
        self.worst = gr.HTML(elem_classes="plain", padding=False, elem_id="reward-worst")
        self._form()
        self.where, self.listed = gr.Textbox(visible="hidden"), gr.Textbox(visible="hidden")
        shown = [self.listed, self.cards, self.choice, self.fields["from"]]
        gr.on(looks, self.tick, [self.where, self.listed], shown, js=HERE, **QUIET)
        self.choice.change(self.show, self.choice, [self.closer, self.groups, self.worst], **QUIET)

    def tick(self, place: str, listed: str) -> list:
        """The cards again when a reward model came, the choices of the form when a policy did."""
        models, policies = self.store.reward_models.all(), view.policy_names(self.store)
        mark = f"{len(models)} {len(policies)}"
        if place != "#reward" or mark == listed:
            return [gr.skip()] * 4
        start = gr.Dropdown(choices=policies)
        if listed.split(" ")[0] == str(len(models)):
            return [mark, gr.skip(), gr.skip(), start]
        names = [(f"{model.public} · {model.name}", model.public) for model in reversed(models)]
        chosen = gr.Dropdown(choices=names, value=names[0][1] if names else None, visible=bool(names))
        return [mark, view.cards(models), chosen, start]

    def show(self, chosen: str | None) -> list:
        """Plots, the table of groups and the worst disagreements of one reward model."""
        if not chosen:
            return [gr.skip()] * 3
        model = self.store.reward_models.get(chosen)
        names = {
            make_pseudonym(account.id): account.name for account in self.store.accounts.all()
        }  # reports hold pseudonyms
        rows = view.groups(model, names)
        title = f"<h2>Where {view.esc(chosen)} is surest and the labeler disagrees</h2>"
        return [
            view.closer(model),
            gr.Dataframe(rows, visible=bool(rows)),
            f"{title}{view.worst(model, names)}" if rows else "",
        ]

    def submit(self, *given: Any) -> str:
        """Queue a run with the form's settings; the line to show."""
        account = current_account()
        wanted = {key: value for key, value in zip(self.fields, given, strict=True) if value is not None}
        try:
            run = self.enqueue(wanted, account.name)
        except BadInput as problem:
            return view.said(problem)
        return view.said(f"{run.public} is queued; follow it on the Runs page.")

    def _form(self) -> None:
        settings = describe(RewardSettings)
        self.fields: dict[str, gr.components.Component] = {}
        gr.HTML("<h2>Train a reward model</h2>", elem_classes="plain", padding=False)
        with gr.Row(elem_classes="fields"):
            self.fields |= {one.key: setting_field(one, ["from"], min_width=200) for one in settings if one.main}
        with gr.Accordion("More settings", open=False), gr.Row(elem_classes="fields"):
            self.fields |= {one.key: setting_field(one, ["from"], min_width=200) for one in settings if not one.main}
        start = gr.Button("Train a reward model", variant="primary", scale=0, min_width=220, elem_id="train-reward")
        told = gr.HTML(elem_classes="plain", padding=False, elem_id="reward-told")
        start.click(self.submit, list(self.fields.values()), told, **QUIET)


def setting_field(one: Described, models: Sequence[str], **about: Any) -> gr.components.Component:
    """The field of one setting by its type; of the keys in `models` a list that the page fills. `about`: more for gradio."""
    name = one.key.replace("_", " ")
    about |= {"label": f"{name} ({one.unit})" if one.unit not in ("", one.key) else name, "info": one.help}
    default = one.default
    if get_origin(one.type) is Literal:
        return gr.Dropdown(
            [(str(choice) or "as fits", choice) for choice in get_args(one.type)], value=default, **about
        )
    if one.key in models:
        return gr.Dropdown([""], value=shown(default), allow_custom_value=True, **about)
    if one.type is bool:
        return gr.Checkbox(value=bool(default), **about)
    if one.type in (int, float) and default is not None:
        return gr.Number(value=default, precision=0 if one.type is int else None, **about)
    return gr.Textbox(value=shown(default), max_lines=1, **about)


def shown(value: Any) -> Any:
    """A setting in its field: lists as texts with commas, None as nothing; numbers and truth values as they are."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return "" if value is None else value
