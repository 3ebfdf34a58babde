# SPDX-License-Identifier: Apache-2.0
"""Helpers that the tests share: tiny models, tiny homes, a real server, a real browser."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 1800
"""Seconds after which a test gives up on a process or a page; a busy machine needs far less."""


def unmeasured_environment() -> dict[str, str]:
    """Return the environment without coverage.py, for a process that may not write its figures."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
