# SPDX-License-Identifier: Apache-2.0
"""Words for what a run uses: facts while it works, and its cell in the list. Without gradio."""

from __future__ import annotations

from collections.abc import Mapping

from data.records import Run
from labeling.texts.pages import text

Used = Mapping[str, float]
"""A reading of `reward.base.usage.Meter`; empty before the first one."""


def usage_facts(run: Run, used: Used) -> dict[str, object]:
    """Return the CPU, the memory and the GPU memory of a running run by their names; empty for others."""
    if run.state != "running" or not used:
        return {}
    facts: dict[str, object] = {
        text("runs.cpu_now"): text("runs.cpu_share", percent=used["cpu_percent"], cores=used["cores"]),
        text("runs.memory_now"): f"{used['memory_mb']:,.0f} MB",
    }
    if "gpu_mb" in used:
        facts[text("runs.gpu_now")] = text("runs.gpu_share", used=used["gpu_mb"], total=used["gpu_total_mb"])
    return facts


def memory_cell(run: Run, used: Used) -> str:
    """Return the memory that a running run uses, on its GPU if it has one, or an ended one used at its peak."""
    megabytes = used.get("gpu_mb", used.get("memory_mb")) if run.state == "running" else run.report.get("peak_mb")
    return "" if megabytes is None else f"{megabytes / 1024:.1f} GB"
