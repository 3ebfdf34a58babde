# SPDX-License-Identifier: Apache-2.0
"""Silence PEFT's warning about rank and alpha patterns of experts, which it takes for patterns without a target.

Relies on PEFT comparing patterns with the names of modules only. Experts that share one tensor are parameters, so their
patterns are applied and yet reported as ignored.
"""

from __future__ import annotations

import warnings

GENERAL, OWN = r"'\.\*\\\\\.(gate_up_proj|down_proj)'", r"'[^']*\bexperts\b[^']*'"
"""A pattern of all layers, as PEFT writes it for a checkpoint with separate experts, and one of a layer's experts."""
MESSAGE = (
    "The following (rank|alpha)_pattern keys did not match any targeted module and were ignored: "
    rf"\[({GENERAL}|{OWN})(, ({GENERAL}|{OWN}))*\]\.$"
)


def ignore_expert_patterns() -> None:
    """Let this process ignore the warning if every pattern in it names experts."""
    warnings.filterwarnings("ignore", message=MESSAGE, category=RuntimeWarning)
