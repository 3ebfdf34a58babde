# SPDX-License-Identifier: Apache-2.0
"""The settings that decide device, precision, quantisation and attention of a base. Importable without torch.

A home keeps its own in `placement.json`. A run that leaves one empty takes the home's when it is queued.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from data.errors import BadInput
from data.settings import Device, Processes, Settings, as_dict, parse_settings
from labeling.texts.pages import bad_input

FILE = "placement.json"
AUTO = "auto"
SHARDED = "sharded"
"""The strategy in which each process holds its part of the frozen weights."""


Launcher = Literal["local", "worker", "ray"]
LAUNCHERS = get_args(Launcher)
"""The places of a run: this machine, that of a worker that asks for it, or a Ray cluster."""


class DeviceSettings(Settings):
    """The device of a run, where an empty field stands for the home's, the processes that share it, and its machine.

    The number of processes changes no result. `auto` is the number in the home's accelerate.yaml, else a process for
    each GPU. The strategy `auto` is that of the file, else DDP. A kind whose runs can shard the frozen weights says so
    in `shardable`.
    """

    shardable: ClassVar[bool] = False
    device: Device = ""
    processes: Processes = AUTO
    strategy: Literal["auto", "ddp", "sharded"] = "auto"
    launcher: Launcher = "local"


PROCESS_KEYS = ("processes", "strategy", "launcher")
"""The settings that change no result: a resumed run may have others."""


class PlacementSettings(DeviceSettings):
    """The device and precision of a run's base. An empty field stands for the home's."""

    dtype: Literal["", "auto", "float32", "bfloat16", "float16"] = ""
    quantize: Literal["", "none", "8bit", "4bit"] = ""
    attention: Literal["", "auto", "sdpa", "eager", "flash_attention_2"] = ""


CHOICES: dict[str, tuple[str, ...] | None] = {
    "device": None,
    **{key: get_args(PlacementSettings.model_fields[key].annotation)[1:] for key in ("dtype", "quantize", "attention")},
}
"""The choices of each field, without the empty one; None: any name of a device."""
DEFAULTS = {"device": AUTO, "dtype": AUTO, "quantize": "none", "attention": AUTO}
"""The value of an empty field in a home without a placement."""


def read_placement(home: Path) -> dict[str, str]:
    """Return the home's placement, complete. Raises BadInput if its file is damaged."""
    file = home / FILE
    if not file.is_file():
        return dict(DEFAULTS)
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        settings = parse_settings(PlacementSettings, dict(kept))
    except (ValueError, TypeError, BadInput) as problem:
        raise bad_input("refused.placement_file", file=str(file), problem=str(problem)) from None
    return _completed(as_dict(settings), DEFAULTS)


def write_placement(home: Path, given: Mapping[str, str | None]) -> dict[str, str]:
    """Keep the fields that are given as the home's placement and return it; nothing given changes nothing.

    Raises BadInput for a value that is none of the choices.
    """
    changes = {key: value for key, value in given.items() if value}
    placement = read_placement(home)
    if changes:
        placement = _completed(as_dict(parse_settings(PlacementSettings, changes)), placement)
        part = home / f"{FILE}.part"
        part.write_text(json.dumps(placement, indent=2) + "\n", encoding="utf-8")
        os.replace(part, home / FILE)
    return placement


def placement_of(settings: PlacementSettings) -> dict[str, Any]:
    """Return the settings' placement, for a part of the run with settings of its own."""
    return {key: getattr(settings, key) for key in DEFAULTS}


def _completed(given: Mapping[str, str], rest: Mapping[str, str]) -> dict[str, str]:
    """Return the placement whose empty fields come from `rest`."""
    return {key: given[key] or rest[key] for key in DEFAULTS}
