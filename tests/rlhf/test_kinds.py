# SPDX-License-Identifier: Apache-2.0
"""Every kind of run names code that exists."""

from __future__ import annotations

import inspect

import pytest

from data.errors import BadInput
from data.settings import Settings, describe, parse_settings
from labeling.texts.pages import setting_help, text
from rlhf.kinds import KINDS, find_kind
from rlhf.runs.endpoint_run import KIND
from rlhf.runs.preflight import CHECKS


@pytest.mark.parametrize("kind", [*KINDS.values(), KIND], ids=lambda kind: kind.name)
def test_the_settings_and_the_code_of_a_kind_exist(kind):
    assert issubclass(kind.settings_class(), Settings)
    assert list(inspect.signature(kind.runner()).parameters) == ["context", "settings"]
    assert set(kind.needs) <= set(CHECKS)


@pytest.mark.parametrize("kind", [*KINDS.values(), KIND], ids=lambda kind: kind.name)
def test_a_kind_has_its_texts_and_every_setting_a_valid_default(kind):
    described = describe(kind.settings_class())
    for setting in described:
        assert setting_help(kind.name, setting.key)
        assert not setting.unit or text(f"unit.{setting.unit}")
    assert kind.title
    assert kind.explains.endswith(".")
    defaults = {setting.key: setting.default for setting in described}
    assert parse_settings(kind.settings_class(), defaults) == kind.settings_class()()


def test_an_unknown_kind_is_refused_with_the_nearest_name():
    with pytest.raises(BadInput, match="Did you mean 'sample'"):
        find_kind("sampel")
