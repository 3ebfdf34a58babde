# SPDX-License-Identifier: Apache-2.0
"""The commands of this floor: none of its own.

`train reward` is a kind of run, with `reward.settings` as its settings.
"""

from __future__ import annotations

import argparse
from typing import Any


def register(subparsers: Any, common: argparse.ArgumentParser) -> None:  # noqa: ANN401 (the type in argparse is private)
    """Add nothing: every floor is asked."""
