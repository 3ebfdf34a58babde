# SPDX-License-Identifier: Apache-2.0
"""A tiny frozen base."""

from __future__ import annotations

import pytest

from reward.base.frozen_base import Base
from tests.support.tiny_model import make_tiny_model


@pytest.fixture
def base(tmp_path):
    return Base.load(make_tiny_model("llama", tmp_path / "llama"))
