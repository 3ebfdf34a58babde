# SPDX-License-Identifier: Apache-2.0
"""The end of a run whose memory ran out twice: one line that names the settings of its kind to lower."""

from __future__ import annotations

from data.errors import BadInput
from data.settings import Settings
from labeling.texts.pages import bad_input

TRAINING = ("per_device_batch_size", "max_length", "batch_size")
SAMPLING = ("batch_size", "max_new_tokens")
SIZES: dict[str, tuple[str, ...]] = {
    "sample": SAMPLING,
    "compare": SAMPLING,
    "best-of-n": SAMPLING,
    "rejection": SAMPLING,
    "ppo": ("per_device_batch_size", "max_new_tokens", "batch_size"),
    "online": ("max_new_tokens", "batch_size"),
    "sft": TRAINING,
    "dpo": TRAINING,
    "reward": TRAINING,
    "pretrain": ("batch_size", "context"),
    "embed": ("batch_size",),
    "quantity": ("batch_size", "max_new_tokens"),
    "ab": ("batch_size", "max_new_tokens"),
}
"""Kind of run -> the settings that its memory grows with."""


def explain_out_of_memory(kind: str, settings: Settings) -> BadInput:
    """Return the error of a run whose memory ran out, also with passes of half the size."""
    lower = name_sizes(kind, settings)
    key = "refused.memory_of_sizes" if lower else "refused.memory"
    return bad_input(key, lower=lower, field=next(iter(SIZES.get(kind, ())), None))


def name_sizes(kind: str, settings: Settings) -> str:
    """Return the settings that the memory of that kind grows with, and their values; empty if there are none."""
    sizes = {name: getattr(settings, name) for name in SIZES.get(kind, ())}
    return " or ".join(f"{name} ({value or 'automatic'})" for name, value in sizes.items())
