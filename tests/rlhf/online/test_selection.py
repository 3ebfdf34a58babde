# SPDX-License-Identifier: Apache-2.0
"""The pair to ask about is the one whose order is most disputed, and never one of two nearly equal answers."""

from __future__ import annotations

import pytest
import torch

from rlhf.online.selection import (
    choice_variance,
    different_answers,
    different_pairs,
    disputed_rankings,
    most_disputed,
    nearly_equal,
    random_pairs,
    random_rankings,
)


def test_the_variance_is_that_of_the_probability_not_of_the_score():
    # members see differences +-ln 3, so probabilities 3/4 and 1/4: the variance is 1/16
    ln3 = torch.tensor(3.0).log()
    assert choice_variance(
        torch.stack([torch.tensor([ln3, 0.0]), torch.tensor([-ln3, 0.0])]), [0], [1]
    ).item() == pytest.approx(1 / 16)
    # scores that vary together leave no doubt about the order, however much they vary
    together = torch.tensor([[100.0, 99.0], [-100.0, -101.0]])
    assert choice_variance(together, [0], [1]).item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("Thank you for the book.", "thank you  for the book.", True),
        (
            "one two three four five six seven eight nine ten",
            "one two three four five six seven eight nine eleven",
            True,
        ),
        ("one two three", "one two four", False),
        ("", "", True),
        ("yes", "no", False),
    ],
)
def test_answers_that_share_nine_words_of_ten_are_nearly_equal(a, b, expected):
    assert nearly_equal(a, b) is nearly_equal(b, a) is expected


def test_pairs_are_of_one_prompt_and_leave_out_nearly_equal_answers():
    assert different_pairs(["a b", "a b", "c", "d", "e", "f"], 3) == [[(0, 2), (1, 2)], [(3, 4), (3, 5), (4, 5)]]


def test_every_prompt_gives_its_most_disputed_pair_before_one_gives_two():
    # member 2 turns the order of answers 0 and 1 a little, that of 3 and 4 much; 2 and 5 are undisputed
    scores = torch.tensor([[0.5, 0.0, 9.0, 3.0, 0.0, 9.0], [0.0, 0.5, 9.0, 0.0, 3.0, 9.0]])
    candidates = different_pairs(list("abcdef"), 3)
    order = [pair[:2] for pair in most_disputed(scores, candidates)]
    assert order[:2] == [(3, 4), (0, 1)]
    assert sorted(order) == sorted(pair for pairs in candidates for pair in pairs)
    assert {pair.probability for pair in most_disputed(scores, candidates)} == {1.0}


def test_random_pairs_are_all_pairs_once_with_their_probability_and_the_seed_decides_the_order():
    candidates = different_pairs(list("abcdefgh"), 4)
    draws = [random_pairs(candidates, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    assert sorted(pair[:2] for pair in draws[0]) == sorted(pair for pairs in candidates for pair in pairs)
    assert {pair.probability for pair in draws[0]} == {1 / 6}
    assert {pair.first // 4 for pair in draws[0][:2]} == {0, 1}


def test_of_nearly_equal_answers_a_ranking_may_hold_the_first_alone():
    assert different_answers(["a b", "c", "A  b", "d", "e", "e"], 3) == [[0, 1], [3, 4]]


def test_a_ranking_holds_the_answers_whose_pairs_are_most_disputed_in_sum():
    # Two members see opposite differences, ln of the quotient q of two of these numbers: the probabilities are
    # q / (1 + q) and 1 / (1 + q), so the variance is ((q - 1) / (q + 1) / 2)^2. That of 1 and 9 is .16. To them 2 adds
    # (1/3 / 2)^2 + (7/11 / 2)^2 = .129, and 3 adds 2 (1/2 / 2)^2 = .125.
    logs = torch.tensor([1.0, 3.0, 9.0, 2.0, 1.0, 1.0, 1.0]).log()
    scores = torch.stack([logs, -logs])
    (ranking,) = disputed_rankings(scores, [[0, 1, 2, 3]], 3)
    assert (sorted(ranking.rows), ranking.probability) == ([0, 2, 3], 1.0)
    # without a dispute any three do, and the prompt that is disputed comes first
    orders = [sorted(ranking.rows) for ranking in disputed_rankings(scores, [[4, 5, 6], [0, 1, 2, 3]], 3)]
    assert orders == [[0, 2, 3], [4, 5, 6]]


def test_every_prompt_gives_a_ranking_before_one_gives_two_and_no_answer_is_in_two():
    candidates = [list(range(7)), list(range(7, 13)), [13, 14], [15, 16, 17]]
    scores = torch.randn(4, 18, generator=torch.Generator().manual_seed(0))
    draws = [random_rankings(candidates, 3, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    for rankings in (draws[0], disputed_rankings(scores, candidates, 3)):
        prompts = [next(n for n, rows in enumerate(candidates) if set(one.rows) <= set(rows)) for one in rankings]
        assert (sorted(prompts[:3]), sorted(prompts[3:])) == ([0, 1, 3], [0, 1])
        assert len({row for one in rankings for row in one.rows}) == 5 * 3
    # of C(7, 3) = 35, C(6, 3) = 20 and C(3, 3) = 1
    assert sorted(one.probability for one in draws[0]) == [1 / 35, 1 / 35, 1 / 20, 1 / 20, 1.0]


def test_a_prompt_with_fewer_different_answers_gives_a_smaller_ranking():
    rankings = random_rankings([[0, 1, 2, 3], [4, 5]], 5, torch.Generator().manual_seed(0))
    assert [(sorted(one.rows), one.probability) for one in rankings] == [([0, 1, 2, 3], 1.0)]
