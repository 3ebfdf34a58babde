# SPDX-License-Identifier: Apache-2.0
"""The guard's rule, worked out by hand: when a fall is more than noise, and when a run is over-optimising."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.ppo.guard import AlarmCounter, GuardReading, is_alarm, paired_change

BEST = GuardReading(4, 1.0, (1.0, 2.0, 3.0, 4.0))
numbers = st.floats(-10, 10)


def fell(update: int = 6, reward: float = 1.5, by: tuple[float, ...] = (1.0, 1.2, 0.8, 1.0)) -> GuardReading:
    return GuardReading(update, reward, tuple(before - less for before, less in zip(BEST.guard, by, strict=True)))


def test_the_error_is_that_of_the_paired_difference():
    # differences -1, -1.2, -0.8, -1: mean -1, squares of what is left 0 + 0.04 + 0.04 + 0 = 0.08, variance 0.08 / 3
    mean, error = paired_change(fell().guard, BEST.guard)
    assert mean == pytest.approx(-1.0)
    assert error == pytest.approx(math.sqrt(0.08 / 3 / 4))  # 0.0816


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=30), numbers)
def test_what_makes_a_prompt_easy_drops_out(pairs, shift):
    now, before = zip(*pairs, strict=True)
    found = paired_change([x + shift for x in now], [x + shift for x in before])
    assert found == pytest.approx(paired_change(now, before), abs=1e-6)
    differences = np.array(now) - np.array(before)
    assert found == pytest.approx((differences.mean(), differences.std(ddof=1) / len(now) ** 0.5), abs=1e-6)


def test_a_fall_beyond_its_noise_while_the_reward_rises_is_an_alarm():
    assert is_alarm(fell(), BEST)
    # differences -1, 1.2, -0.8, -0.2: mean -0.2, error sqrt((0.64 + 1.96 + 0.36 + 0) / 3 / 4) = 0.497: within the noise
    assert not is_alarm(fell(by=(1.0, -1.2, 0.8, 0.2)), BEST)


def test_the_border_lies_at_two_and_a_half_errors():
    # differences -m - 1, -m + 1, -m - 1, -m + 1: error sqrt(4 / 3 / 4) = 0.57735, border 1.44338
    assert not is_alarm(fell(by=(2.44, 0.44, 2.44, 0.44)), BEST)
    assert is_alarm(fell(by=(2.45, 0.45, 2.45, 0.45)), BEST)


def test_where_both_fall_it_is_not_over_optimisation():
    assert not is_alarm(fell(reward=1.0), BEST)
    assert not is_alarm(fell(reward=0.4), BEST)


def test_one_prompt_alone_never_alarms():
    assert not is_alarm(GuardReading(2, 9.0, (-100.0,)), GuardReading(0, 0.0, (0.0,)))


def test_two_alarms_in_a_row_end_the_run_and_say_why():
    counter = AlarmCounter()
    counter.observe(BEST, is_best=True)
    counter.observe(fell(6), is_best=False)
    assert counter.reason == ""
    counter.observe(fell(8), is_best=False)
    assert counter.reason == "since update 4 the guard fell by 1.00 (standard error 0.08) while the reward rose by 0.50"


def test_a_quiet_look_or_a_better_policy_between_two_alarms_starts_the_count_anew():
    for between, between_is_best in (
        (GuardReading(8, 1.5, BEST.guard), False),
        (GuardReading(8, 1.5, (5.0, 6.0, 7.0, 8.0)), True),
    ):
        counter = AlarmCounter()
        for reading, best in ((BEST, True), (fell(6), False), (between, between_is_best), (fell(10), False)):
            counter.observe(reading, is_best=best)
        assert counter.reason == ""


def test_a_counter_goes_on_from_what_a_checkpoint_kept():
    whole, first = AlarmCounter(), AlarmCounter()
    for counter in (whole, first):
        counter.observe(BEST, is_best=True)
        counter.observe(fell(6), is_best=False)
    resumed = AlarmCounter()
    resumed.state.restore(json.loads(json.dumps(first.state.numbers())))
    for counter in (whole, resumed):
        counter.observe(fell(8), is_best=False)
    assert resumed.reason == whole.reason != ""


def ended_at(means: list[float], chance: np.random.Generator) -> int | None:
    """The look at which a run of a rising reward ends, where the guard's true mean takes this course over 64
    prompts."""
    counter, best, easy = AlarmCounter(), -math.inf, chance.normal(size=64) * 0.5**0.5
    for number, mean in enumerate(means):
        reading = GuardReading(number, float(number), tuple(mean + easy + chance.normal(size=64) * 0.5**0.5))
        counter.observe(reading, is_best=reading.mean > best)
        best = max(best, reading.mean)
        if counter.reason:
            return number
    return None


def test_a_guard_that_does_not_fall_rarely_ends_a_run_and_one_that_falls_ends_it_soon():
    chance = np.random.default_rng(0)
    level = [ended_at([0.0] * 14, chance) for _ in range(100)]
    assert sum(end is not None for end in level) <= 12  # 4.3 % of 1,500 such runs
    falling = [ended_at([0.1 * min(t, 8 - t) for t in range(14)], chance) for _ in range(100)]
    assert None not in falling
    assert np.mean(falling) < 10  # 8.5 over 1,500 runs, of which the guard's mean falls from look 5 on
