# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tables: two labelers, and a prompt."""

from __future__ import annotations

import pytest


@pytest.fixture
def people(store):
    return [store.accounts.add(name, "labeler") for name in ("Mina", "Jun")]


@pytest.fixture
def prompt(store):
    """A prompt."""
    return store.prompts.add("Write a thank-you note.", source="test")
