# SPDX-License-Identifier: Apache-2.0
"""Helpers that the tests share: tiny models, tiny homes, a real server, a real browser."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
