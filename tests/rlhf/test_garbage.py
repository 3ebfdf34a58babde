# SPDX-License-Identifier: Apache-2.0
"""Garbage is not collected while libraries are imported, and is afterwards."""

from __future__ import annotations

import gc

import pytest

from rlhf.garbage import no_collections
from rlhf.kinds import find_kind


def test_nothing_is_collected_in_the_block_and_the_former_state_returns():
    with no_collections():
        with no_collections():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_import_that_fails_leaves_the_former_state():
    with pytest.raises(ZeroDivisionError), no_collections():
        raise ZeroDivisionError
    assert gc.isenabled()


def test_the_code_of_a_run_is_imported_without_collections(monkeypatch):
    seen = []
    monkeypatch.setattr("rlhf.kinds.import_module", lambda name: seen.append(gc.isenabled()) or gc)
    monkeypatch.setattr(gc, "run", "the runner", raising=False)
    assert find_kind("ppo").runner() == "the runner"
    assert seen == [False]
    assert gc.isenabled()
