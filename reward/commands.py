# SPDX-License-Identifier: Apache-2.0
"""The commands of the reward package: none. `train reward` is a kind of run, with settings in `reward.settings`."""

from __future__ import annotations

import argparse


def register(subparsers: object, common: argparse.ArgumentParser) -> None:
    """Add nothing; the application calls this function of every package."""
