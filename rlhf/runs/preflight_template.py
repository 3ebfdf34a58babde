# SPDX-License-Identifier: Apache-2.0
"""Preflight check of the arguments that a run passes to its base's chat template."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.settings import Settings
from data.store import Store
from reward.base.text.template_options import TemplateOptions, check_arguments, read_arguments
from rlhf.runs.base_files import base_folder, starting_policy
from rlhf.settings import TemplateSettings


def check_template_arguments(store: Store, settings: Settings) -> None:
    """Check that the chat template of the policy that a run starts from reads every argument in `template_set`.

    A template that is not on this machine, or that the base's Python code makes, is checked when the run works.
    """
    if not isinstance(settings, TemplateSettings) or not settings.template_set:
        return
    arguments = read_arguments(settings.template_set, "template_set")
    policy = starting_policy(store, settings)
    folder = base_folder(policy.base) if policy else None
    template = (TemplateOptions.of(policy).chat_template if policy else None) or (folder and stored_template(folder))
    if template:
        check_arguments(template, arguments, "template_set")


def stored_template(folder: Path) -> str | Mapping[str, str] | None:
    """Return the chat template in a model's folder, or its templates by name; None without one."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    try:
        kept: Any = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template")
    except (OSError, ValueError):
        return None
    return {one["name"]: one["template"] for one in kept} if isinstance(kept, list) else kept
