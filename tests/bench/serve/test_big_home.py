# SPDX-License-Identifier: Apache-2.0
"""The values that the benchmark of the pages sends in place of a browser."""

from __future__ import annotations

import pytest

from tests.bench.serve.big_home import empty_value


@pytest.mark.parametrize(
    ("props", "sent"),
    [({"value": False}, False), ({"value": 0}, 0), ({"value": None, "multiselect": True}, []), ({}, "")],
)
def test_a_component_sends_its_own_value_also_if_it_is_false(props, sent):
    assert empty_value(props) == sent
