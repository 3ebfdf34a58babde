# SPDX-License-Identifier: Apache-2.0
"""The placement of a base: its device, dtype, quantisation and attention. Every load of a base takes one.

Defaults: a GPU if torch finds one; there bfloat16 if the GPU has it, on a CPU float32; the attention that
transformers prefers, which is torch's fused one (sdpa) for most models.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import BitsAndBytesConfig

from labeling.texts.pages import bad_input
from reward.base.bf16_probe import cpu_rates
from reward.optional_packages import check_installed
from reward.placement_settings import AUTO, DEFAULTS, SHARDED, PlacementSettings, placement_of

NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}
DTYPES = {name: dtype for dtype, name in NAMES.items()}


@dataclass(frozen=True, slots=True)
class Placement:
    """The device and the form of a base's weights. `choose` checks it on this machine; the constructor does not."""

    device: torch.device = torch.device("cpu")  # noqa: RUF009 (a device is immutable)
    dtype: torch.dtype = torch.float32
    quantize: str = "none"
    attention: str = AUTO
    sharded: bool = False
    """Each process of a run reads its part of the layers."""

    @classmethod
    def choose(cls, wanted: PlacementSettings | None = None) -> Placement:
        """Return the placement for these settings on this machine; an empty field stands for the default.

        Raises BadInput for what the machine cannot do, and for bfloat16 on a CPU that is slower in it.
        """
        given = {} if wanted is None else {key: getattr(wanted, key) for key in DEFAULTS}
        settings = {key: given.get(key) or default for key, default in DEFAULTS.items()}
        device = _device(settings["device"])
        check_installed(settings)
        dtype = _dtype(settings["dtype"], device)
        return cls(device, dtype, settings["quantize"], settings["attention"], _reads_parts(wanted))

    @property
    def quantized(self) -> bool:
        """Return whether the weights are stored in 4 or 8 bits."""
        return self.quantize != "none"

    def load_arguments(self) -> dict[str, Any]:
        """Return the arguments of `from_pretrained`: weights go to the device as they are read."""
        arguments: dict[str, Any] = {"dtype": self.dtype}
        if self.attention != AUTO:
            arguments["attn_implementation"] = self.attention
        if self.device.type != "cpu" or self.quantized:
            arguments["device_map"] = {"": self.device}
        if self.quantized:
            arguments["quantization_config"] = _bits_and_bytes(self.quantize, self.dtype)
        return arguments

    def prepare_torch(self) -> None:
        """Make this GPU the process's own, and let its float32 products use TF32: faster, with 10 bits of mantissa."""
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")
            if self.device.index is not None:  # torch refuses to choose a device without a number
                torch.cuda.set_device(self.device)

    def describe(self) -> dict[str, str]:
        """Return the placement in words, for a run's report."""
        return {
            "device": str(self.device),
            "dtype": NAMES[self.dtype],
            "quantize": self.quantize,
            "attention": self.attention,
        }


def placement_on(device: torch.device, settings: PlacementSettings | None = None) -> Placement:
    """Return the placement for these settings on the device that a trainer has chosen."""
    wanted = placement_of(settings or PlacementSettings()) | {"device": "cpu" if device.type == "cpu" else str(device)}
    return replace(Placement.choose(PlacementSettings(**wanted)), sharded=_reads_parts(settings))


def _reads_parts(settings: PlacementSettings | None) -> bool:
    """Return whether each process reads its part of the base. A fresh DoRA is made from whole weights."""
    return settings is not None and settings.strategy == SHARDED and not getattr(settings, "dora", False)


def check_cpu_bfloat16() -> None:
    """Raise BadInput, with the measured rates, if this machine's CPU is slower in bfloat16 than in float32."""
    rates = cpu_rates()
    if not rates.bfloat16_is_faster:
        raise bad_input("refused.slow_bfloat16", field="dtype", bfloat16=rates.bfloat16, float32=rates.float32)


def _device(wanted: str) -> torch.device:
    """Return the device of that name; auto: an accelerator if torch finds one. Raises BadInput if it is missing."""
    if wanted == AUTO:
        found = torch.accelerator.current_accelerator(check_available=True)
        return torch.device("cpu") if found is None else found
    device = torch.device(wanted)
    if device.type != "cpu":
        module = getattr(torch, device.type, None)
        count = module.device_count() if module is not None and module.is_available() else 0
        if (device.index or 0) >= count:
            raise bad_input("refused.no_device", field="device", wanted=wanted, count=count, type=device.type)
    return device


def _dtype(wanted: str, device: torch.device) -> torch.dtype:
    """Return the dtype of that name; auto: bfloat16 where the device computes in it, float32 on a CPU."""
    if wanted == AUTO:
        return torch.bfloat16 if device.type != "cpu" and _has_bfloat16(device) else torch.float32
    if device.type == "cpu" and wanted == "bfloat16":
        check_cpu_bfloat16()
    if device.type == "cpu" and wanted == "float16":
        raise bad_input("refused.float16", field="dtype")
    if wanted == "bfloat16" and not _has_bfloat16(device):
        raise bad_input("refused.bfloat16", field="dtype", device=device)
    return DTYPES[wanted]


def bfloat16_is_faster(device: torch.device) -> bool:
    """Return whether a training of float32 weights is faster if it multiplies in bfloat16; a CPU is measured."""
    return cpu_rates().bfloat16_is_faster if device.type == "cpu" else _has_bfloat16(device)


def _has_bfloat16(device: torch.device) -> bool:
    return device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)


def _bits_and_bytes(quantize: str, dtype: torch.dtype) -> BitsAndBytesConfig:
    """Return 4-bit nf4 with doubly quantised scales (Dettmers et al. 2023, QLoRA), or 8-bit."""
    if quantize == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
