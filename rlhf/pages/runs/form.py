# SPDX-License-Identifier: Apache-2.0
"""The form of one kind of run: its main settings, the others folded up, and what such a run needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, get_origin

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from data.errors import BadInput
from data.records import Run
from data.settings import Described, as_dict, describe, parse_settings
from data.store import Store
from labeling.texts.pages import text
from reward.page import Updates, field_value, setting_field
from reward.report.choices import model_choices, policy_names
from reward.report.view import error_html, message_html
from rlhf.common.estimate import expected_seconds, format_duration, peak_memory_mb, typical_seconds
from rlhf.kinds import Kind
from rlhf.models.reward_sources import read_sources
from rlhf.pages.components import html
from rlhf.pages.markup import esc
from rlhf.pages.runs.preset_choice import CHANGED, PresetChoice
from rlhf.ppo.settings import NO_GUARD
from rlhf.presets import PRESETS, preset_keys
from rlhf.runs.dry_run import describe_gpus, describe_memory, memory_document
from rlhf.runs.launch import launch
from rlhf.runs.memory_need import estimate_per_gpu, estimate_run, gpu_gigabytes
from rlhf.runs.preflight import CHECKS
from rlhf.runs.resolve import Default, resolve_models, shown_defaults

POLICIES, REWARDS = ("from", "against", "policies"), ("reward", "guard")
"""Settings that name policies, and those that name reward models."""
DERIVED = ("base", "embedded")
"""Other settings whose default depends on the store."""


class RunForm:
    """The settings of one kind inside its tab, `fields` by key. Settings named in `apart` are shown elsewhere."""

    def __init__(self, store: Store, kind: Kind, apart: Collection[str] = ()) -> None:
        self.store, self.kind = store, kind
        settings = describe(kind.settings_class())
        main = [setting for setting in settings if setting.main] or settings[:5]
        html(value=f"<p class=soft>{esc(kind.explains)}</p>")
        self.presets = PresetChoice(kind) if kind.name in PRESETS else None
        self.fields: dict[str, Component] = {}
        with gr.Row(elem_classes="fields"):
            self._add(main)
        others = [setting for setting in settings if setting not in main]
        self.apart = [setting.key for setting in others if setting.key in apart]
        self.folded = [setting for setting in others if setting.key not in apart]
        self.more: gr.Accordion | None = None
        if self.folded:
            with gr.Accordion(text("runs.more_settings"), open=False) as self.more, gr.Row(elem_classes="fields"):
                self._add(self.folded)

    def share(self, fields: Mapping[str, Component]) -> None:
        """Take the fields of the settings that are shown elsewhere."""
        self.fields |= {key: fields[key] for key in self.apart}

    def _add(self, settings: Sequence[Described]) -> None:
        for setting in settings:
            elem_id = f"{self.kind.name}-{setting.key}"
            self.fields[setting.key] = setting_field(self.kind.name, setting, POLICIES + REWARDS, elem_id=elem_id)

    def read(self, given: Mapping[Block, Any]) -> dict[str, Any]:
        """Return what stands in the fields by key."""
        return {key: given[field] for key, field in self.fields.items()}

    def fill(self, preset: str | None) -> Updates:
        """Fill the fields as the preset has them."""
        assert self.presets, "only a form with presets has this event"
        folded = {setting.key for setting in self.folded}
        return self.presets.fill(preset, self.fields, self.more, folded)

    def filled_parts(self) -> list[Block]:
        """Return the outputs of `fill`; none without presets."""
        if self.presets is None:
            return []
        parts = [self.presets.line, self.more, *(self.fields[key] for key in preset_keys(self.kind.name))]
        return [part for part in parts if part is not None]

    def memory(self, given: Mapping[str, Any]) -> str:
        """Return the memory that a run with these settings would need, as a line to show.

        It is empty if it is unknown, or if such a run lacks a model: `needs` says so.
        """
        try:
            parsed = parse_settings(self.kind.settings_class(), _read(given))
        except BadInput as problem:
            return message_html(problem)
        gpus = gpu_gigabytes()
        try:
            resolved = resolve_models(self.store, self.kind, parsed)
            estimate = estimate_run(self.store, self.kind.name, resolved)
            per_gpu = estimate_per_gpu(self.store, self.kind.name, resolved, gpus)
        except BadInput as problem:
            return "" if self.missing() else message_html(problem)
        if estimate is None:
            return ""
        line = text("runs.memory", line=describe_memory(memory_document(estimate)))
        return message_html(f"{line} {describe_gpus(per_gpu, gpus)}")

    def submit(self, given: Mapping[str, Any], by: str) -> tuple[str, str]:
        """Queue the run; return the line to show and the run's id, which is empty if there is none."""
        try:
            run = launch(self.store, self.kind.name, _read(given), by=by)
        except BadInput as problem:
            return message_html(problem), ""
        return message_html(text("runs.queued", run=run.public), run.public), run.public

    def models(self) -> dict[str, Component]:
        """Return the fields that name models, by key: `refreshed` reads and writes them.

        A field with choices of its own, such as a reward training's `guard`, names no model.
        """
        settings = describe(self.kind.settings_class())
        chosen = {setting.key for setting in settings if get_origin(setting.type) is Literal}
        named = {*POLICIES, *REWARDS, *DERIVED} - chosen
        return {key: field for key, field in self.fields.items() if key in named}

    def refreshed(self, given: Mapping[Block, Any], shown: Mapping[str, str]) -> tuple[Updates, dict[str, str]]:
        """Return the form as the store is now, and its defaults by key.

        A field that is empty, or still holds the default `shown` before, gets the default of now.
        """
        defaults, names = shown_defaults(self.store, self.kind), self._model_names()
        updates: Updates = {}
        for key, field in self.models().items():
            default = defaults.get(key)
            stays = given[field] not in ("", None, shown.get(key))
            value = given[field] if stays else default.value if default else ""
            updates[field] = model_field(names.get(key), default, value)
        return updates, {key: default.value for key, default in defaults.items()}

    def _model_names(self) -> dict[str, list[tuple[str, str]]]:
        """Return the (label, value) that the lists offer, by key; the store is read once for the whole form."""
        policies = [(name, name) for name in policy_names(self.store)]
        rewards = [("", ""), *model_choices(reversed(self.store.reward_models.all()))]
        if self.kind.name == "ppo":
            rewards += [(name, name) for name in read_sources(self.store.home)]
        guards = [*rewards, (NO_GUARD, NO_GUARD)]
        return {**dict.fromkeys(POLICIES, policies), "reward": rewards, "guard": guards}

    def outlook(self, given: Mapping[str, Any] | None = None) -> str:
        """Return what such a run still needs; else the time and memory that the last ones took on this machine.

        With the fields' values it is the time that these settings would take.
        """
        missing = self.missing()
        if missing:
            return f"<p class=bad>{esc(text('runs.missing'))} {error_html(missing)}</p>"
        runs = self.store.runs.all()
        seconds, peak = typical_seconds(runs, self.kind.name), peak_memory_mb(runs, self.kind.name)
        expected = self._expected(runs, given) if given else None
        if not seconds:
            outlook = text("runs.first_here")
        else:
            key = ("runs.would_take" if expected else "runs.took") + ("_memory" if peak else "")
            outlook = text(key, time=format_duration(expected or seconds), memory=f"{peak or 0:,.0f}")
        return f"<p class=soft>{esc(outlook)} {esc(text('runs.one_at_a_time'))}</p>"

    def _expected(self, runs: Sequence[Run], given: Mapping[str, Any]) -> float | None:
        """Return the seconds that these settings would take; None if they are invalid or nothing is known."""
        try:
            parsed = parse_settings(self.kind.settings_class(), _read(given))
            return expected_seconds(runs, self.kind.name, as_dict(parsed))
        except BadInput:
            return None

    def missing(self) -> BadInput | None:
        """Return what prevents such a run with the default settings now, or None."""
        defaults = self.kind.settings_class()()
        for need in self.kind.needs:
            try:
                CHECKS[need](self.store, defaults)
            except BadInput as problem:
                return problem
        return None

    def filled(self, settings: Mapping[str, Any]) -> Updates:
        """Return the fields with these settings. A field that differs from its default is marked, and its fold open."""
        different = self.different(settings)
        updates: Updates = {
            field: gr.update(value=field_value(settings[key]), elem_classes=[CHANGED] if key in different else [])
            for key, field in self.fields.items()
            if key in settings
        }
        if self.more and {setting.key for setting in self.folded} & set(different):
            updates[self.more] = gr.Accordion(open=True)
        return updates

    def different(self, settings: Mapping[str, Any]) -> list[str]:
        """Return the keys whose values differ from the defaults, as they stand in the form. Models do not count."""
        defaults, models = as_dict(self.kind.settings_class()()), self.models()
        return [key for key in self.fields if key in settings and key not in models and settings[key] != defaults[key]]


def model_field(names: Sequence[tuple[str, str]] | None, default: Default | None, value: str) -> Component:
    """Return a text field without `names`, else a list; its default is first and says why it is the default."""
    if names is None:
        return gr.Textbox(value=value)
    if default is None:
        return gr.Dropdown(choices=list(names), value=value)
    first = text(f"runs.default_{default.why}", name=default.value), default.value
    others = [(label, name) for label, name in names if name not in ("", default.value)]
    return gr.Dropdown(choices=[first, *others], value=value)


def _read(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the fields that hold a value."""
    return {key: _joined(value) for key, value in given.items() if value is not None}


def _joined(value: object) -> object:
    """Return a list as a text with commas, any other value as it is."""
    return ",".join(map(str, value)) if isinstance(value, list) else value
