# SPDX-License-Identifier: Apache-2.0
"""The base of the trainer's tests."""

from __future__ import annotations

import pytest

from reward.base.frozen_base import Base
from tests.support.ppo_parts import tiny_base


@pytest.fixture
def base(tmp_path) -> Base:
    """A tiny random Llama."""
    return tiny_base("llama", tmp_path)
