# SPDX-License-Identifier: Apache-2.0
"""The packages that a setting's value needs beside the installed ones. Importable without torch."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from labeling.texts.pages import bad_input
from reward.placement_settings import DEFAULTS
from reward.training_settings import TrainerSettings

BITSANDBYTES = "bitsandbytes", "pip install 'preference-loop[gpu]'"
NEEDS = {
    ("quantize", "4bit"): BITSANDBYTES,
    ("quantize", "8bit"): BITSANDBYTES,
    ("optimizer", "adamw_8bit"): BITSANDBYTES,
    ("attention", "flash_attention_2"): ("flash_attn", "pip install flash-attn"),
}
"""By setting and value: the package, and the command that installs it."""
OTHERS = DEFAULTS | {"optimizer": TrainerSettings().optimizer}
"""The defaults of these settings, which need none."""


def check_installed(settings: Mapping[str, object]) -> None:
    """Raise BadInput if a setting's value needs a package that is not installed."""
    for (field, value), (package, command) in NEEDS.items():
        if settings.get(field) == value and find_spec(package) is None:
            raise bad_input(
                "refused.package",
                field=field,
                name=field,
                value=value,
                package=package,
                command=command,
                other=OTHERS[field],
            )
