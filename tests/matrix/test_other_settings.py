# SPDX-License-Identifier: Apache-2.0
"""Settings at another value than their default; `make matrix` tries those of all kinds of run."""

from __future__ import annotations

from typing import Literal

import pytest

from data.settings import Described, describe
from rlhf.kinds import find_kind
from tests.matrix.other_settings import RUNS, other_values, try_settings

LIBRARIES = ("packing", "finetuning", "dora", "gradient_checkpointing", "optimizer", "dtype", "quantize")
"""Settings whose other values run other code of the libraries; `make matrix` tries all settings of all kinds."""


def test_other_values_of_settings_work_in_supervised_fine_tuning_or_are_refused(tmp_path):
    assert try_settings(tmp_path, ("sft",), LIBRARIES) == {}


@pytest.mark.parametrize(
    ("kind", "default", "others"),
    [
        (bool, False, [True]),
        (int, 8, [4]),
        (int, 0, [1]),
        (float, 0.5, [0.25]),
        (float, 0.0, [0.1]),
        (Literal["a", "b", "c"], "b", ["a", "c"]),
        (str, "", []),
    ],
)
def test_other_values_are_every_other_choice_or_one_other_number(kind, default, others):
    assert list(other_values(Described("x", kind, default, "", main=False))) == others


def test_a_setting_whose_smallest_values_say_nothing_has_a_value_of_its_own():
    assert list(other_values(Described("max_length", int, 0, "tokens", main=False))) == [64]


@pytest.mark.parametrize("kind", RUNS)
def test_the_short_runs_name_settings_that_exist(kind):
    assert set(RUNS[kind]) <= {setting.key for setting in describe(find_kind(kind).settings_class())}
