# SPDX-License-Identifier: Apache-2.0
"""Helpers that the tests share: tiny models, tiny homes, a real server, a real browser."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 1800
"""Seconds after which a test gives up on a process or a page; a busy machine needs far less."""
