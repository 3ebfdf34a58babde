# SPDX-License-Identifier: Apache-2.0
"""A look at a run before it is queued: its complete settings and the memory it will need. Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from data.settings import as_dict, parse_settings
from data.store import Store
from labeling.texts.pages import text
from reward.gpu_need import DDP, SERVED, GpuNeed
from reward.memory_estimate import MemoryEstimate
from reward.placement_settings import SHARDED
from rlhf.kinds import find_kind
from rlhf.runs import preflight
from rlhf.runs.memory_need import estimate_run, free_megabytes

PARTS = ("libraries", "weights", "adapters", "optimizer", "activations", "cache")
KEYS = {DDP: "ddp", SHARDED: "sharded", SERVED: "served"}
"""The name of each strategy's number in a text."""
UNKNOWN = "unknown: this kind loads no base, or the base has no safetensors files on this machine."


def look_ahead(store: Store, kind: str, settings: list[str] | dict) -> dict[str, Any]:
    """Return {kind, settings, memory}; `memory` has MB by part, the peak and what is free now, or is None.

    Rows that a run freezes when it is queued stay unnamed. Raises BadInput as `launch` would.
    """
    definition = find_kind(kind)
    parsed = parse_settings(definition.settings_class(), settings)
    resolved = preflight.check(store, definition, parsed)
    estimate = estimate_run(store, kind, resolved)
    return {"kind": kind, "settings": as_dict(resolved), "memory": estimate and memory_document(estimate)}


def memory_document(estimate: MemoryEstimate) -> dict[str, int]:
    """Return an estimate's parts in MB with the peak, and the memory that is free on this machine."""
    return asdict(estimate) | {"peak": estimate.peak, "free": free_megabytes()}


def render_look(document: dict[str, Any]) -> str:
    """Return the settings a line each, and the memory in one line."""
    lines = [f"{document['kind']} would run with:"]
    lines += [f"  {key} = {value}" for key, value in document["settings"].items() if value not in ("", [], ())]
    memory = document["memory"]
    need = describe_memory(memory) if memory else UNKNOWN
    return "\n".join([*lines, f"Memory: {need}", "Nothing was queued."])


def describe_memory(memory: dict[str, int]) -> str:
    """Return the peak, its parts and the free memory as a line in the reader's language."""
    parts = ", ".join(f"{text(f'runs.memory_part_{name}')} {memory[name]:,}" for name in PARTS if memory[name])
    line = text("runs.memory_need", peak=memory["peak"], parts=parts, free=memory["free"])
    return f"{line} {text('runs.memory_too_much')}" if memory["peak"] > memory["free"] else line


def describe_gpus(needs: Sequence[GpuNeed], gpus: Sequence[float]) -> str:
    """Return the need of a run on each GPU by strategy, and the GPUs of this machine, in the reader's language."""
    here = text("runs.gpus_here", gpus=len(gpus), size=min(gpus)) if gpus else text("runs.gpus_none")
    parts = {KEYS[need.strategy]: need.gigabytes for need in needs}
    line = text("runs.gpu_need_sharded", **parts) if len(needs) > 1 else text("runs.gpu_need", need=parts[DDP])
    if "served" in parts:
        line += " " + text("runs.gpu_need_served", served=parts["served"])
    return f"{line} {here}"
