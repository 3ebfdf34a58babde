# SPDX-License-Identifier: Apache-2.0
"""Warnings of libraries about each other, which the logs of this program's processes leave out."""

from __future__ import annotations

import os
import warnings

LIBRARY_WARNINGS = (
    (FutureWarning, r"transformers\b"),
    (UserWarning, r"peft\b"),
    (UserWarning, r"torch\.utils\.data\b"),
)
"""Warnings of libraries about each other, by category and module. A reader of the log cannot act on them."""


def silence_libraries() -> None:
    """Keep the libraries' warnings and progress bars out of the log. Call it before they are imported."""
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    for category, module in LIBRARY_WARNINGS:
        warnings.filterwarnings("ignore", category=category, module=module)
