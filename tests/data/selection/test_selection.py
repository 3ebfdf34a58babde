# SPDX-License-Identifier: Apache-2.0
"""Choosing rows: farthest-point traversal against doing it by hand, MinHash against exact sets, columns against counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import BadInput
from data.selection import centres
from data.selection.centres import coverage, k_centre
from data.selection.features import NAMES, compute_features, detect_language, longest_repeat
from data.selection.near_duplicates import find_near_duplicates, jaccard, minhash, shingles
from data.selection.recipe import choose_rows


def by_hand(vectors: np.ndarray, k: int, first: int) -> list[int]:
    """One centre at a time, all distances anew: the definition."""
    chosen = [first]
    while len(chosen) < k:
        distances = np.linalg.norm(vectors[:, None] - vectors[chosen][None], axis=2).min(axis=1)
        chosen.append(int(distances.argmax()))
    return chosen


@pytest.mark.parametrize("candidates", [2, 16, 1024])
def test_k_centre_is_farthest_point_traversal_however_many_candidates_are_looked_at(monkeypatch, candidates):
    monkeypatch.setattr(centres, "CANDIDATES", candidates)
    vectors = np.random.default_rng(3).normal(size=(200, 5))
    assert k_centre(vectors, 60, first=7).chosen.tolist() == by_hand(vectors, 60, 7)


def test_each_centre_says_how_far_it_was_from_those_before_it():
    line = np.array([[0.0], [1.0], [10.0], [4.0]])
    result = k_centre(line, 4, first=0)
    assert result.chosen.tolist() == [0, 2, 3, 1]
    np.testing.assert_allclose(result.reached, [np.inf, 10, 4, 1])


@settings(max_examples=40, deadline=None)
@given(st.integers(4, 9), st.integers(1, 3), st.integers(0, 10_000))
def test_no_k_centres_cover_twice_as_well(count, k, seed):
    from itertools import combinations

    vectors = np.random.default_rng(seed).normal(size=(count, 2))
    ours = coverage(vectors, k_centre(vectors, k).chosen).max()
    best = min(coverage(vectors, np.array(some)).max() for some in combinations(range(count), k))
    assert ours <= 2 * best + 1e-5


def test_equal_rows_are_chosen_once_each():
    assert sorted(k_centre(np.ones((6, 3)), 6).chosen) == [0, 1, 2, 3, 4, 5]


def test_more_centres_than_rows_are_refused():
    with pytest.raises(BadInput, match="5 of 4 rows"):
        k_centre(np.eye(4), 5)


def test_coverage_is_the_distance_to_the_nearest_chosen_row():
    np.testing.assert_allclose(coverage(np.array([[0.0], [3.0], [10.0]]), np.array([0, 2])), [0, 3, 0])


def test_the_share_of_equal_minhashes_estimates_the_jaccard_similarity():
    sets = [np.unique(np.random.default_rng(seed).integers(0, 400, 200)).astype(np.uint32) for seed in range(6)]
    signatures = minhash(sets, seed=1, hashes=2000)
    for a in range(5):
        exact = len(set(sets[a]) & set(sets[a + 1])) / len(set(sets[a]) | set(sets[a + 1]))
        assert jaccard(sets[a], sets[a + 1]) == pytest.approx(exact)
        assert (signatures[a] == signatures[a + 1]).mean() == pytest.approx(exact, abs=4 * 0.5 / 2000**0.5)


def test_shingles_are_runs_of_three_words_without_case():
    assert len(shingles("a b c d")) == 2
    assert shingles("A b  C").tolist() == shingles("a B c").tolist()
    assert len(shingles("")) == 1


def test_near_duplicates_are_grouped_under_their_first_text_and_others_stand_alone():
    words = [f"w{number}" for number in range(60)]
    changed = " ".join([*words[:59], "other"])  # 57 of 58 runs are shared: 57 / 59 = 0.97
    half = " ".join(words[:40] + [f"v{number}" for number in range(20)])  # 38 of 58: 38 / 78 = 0.49
    texts = [" ".join(words), "something else entirely here", changed, half, " ".join(words).upper()]
    assert find_near_duplicates(texts).tolist() == [0, 1, 0, 3, 0]
    assert find_near_duplicates(texts, similarity=0.99).tolist() == [0, 1, 2, 3, 0]


def test_what_hangs_together_through_a_third_text_is_one_group():
    words = [f"w{number}" for number in range(100)]
    texts = [
        " ".join(words[start : start + 90]) for start in (0, 5, 10)
    ]  # neighbours share 83 of 93 runs, the ends 78 of 98: 0.796
    assert find_near_duplicates(texts, similarity=0.85).tolist() == [0, 0, 0]


def test_few_texts_have_groups_too():
    assert find_near_duplicates([]).tolist() == []
    assert find_near_duplicates(["one", "One "]).tolist() == [0, 0]


def test_columns_count_what_stands_there():
    row = dict(
        zip(
            NAMES,
            compute_features("Thank Mina for the lamp.", "", "Dear Mina, thanks. Dear Mina, thanks."),
            strict=True,
        )
    )
    assert row["answer_words"] == pytest.approx(np.log(7))
    assert (row["repeated_sentences"], row["sentences"], row["ends_properly"]) == (0.5, 2, 1)
    assert row["prompt_words_used"] == pytest.approx(1 / 5)
    assert (row["names_used"], row["commas"], row["refuses"]) == (1, 2, 0)
    assert row["longest_repeat"] == pytest.approx(np.log(4))  # dear mina thanks
    cut = dict(zip(NAMES, compute_features("Thank Mina.", "", "I am sorry, but I can"), strict=True))
    assert (cut["ends_properly"], cut["names_used"], cut["refuses"]) == (0, 0, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the cat saw the cat run", 2),
        ("one two three", 0),
        ("no no no", 2),
        ("a b c d a b c e b c d a", 4),
        ("alone", 0),
        ("", 0),
    ],
)
def test_the_longest_repeat_is_the_longest_run_of_words_that_stands_there_twice(text, words):
    assert longest_repeat(text.split()) == words


def test_an_answer_without_words_has_columns_all_the_same():
    assert np.isfinite(compute_features("", "", "...")).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It is in the house.", "en"),
        ("그것은 집에 있습니다", "ko"),
        ("これは本です", "ja"),
        ("это дом", "ru"),
        ("Haus", "other"),
        ("", "other"),
    ],
)
def test_the_language_is_told_by_script_or_by_common_words(text, said):
    assert detect_language(text) == said


def test_a_recipe_takes_good_rows_one_of_each_group_and_the_most_different():
    vectors = np.array([[0.0], [0.1], [5.0], [9.0], [9.0]])
    quality = np.array([4.0, 3.0, 1.0, 3.0, 5.0])
    chosen = choose_rows(vectors, rows=2, quality=quality, min_quality=2.5, group=np.array([0, 1, 2, 3, 3]))
    assert sorted(chosen.places) == [0, 4] or sorted(chosen.places) == [1, 4]
    assert chosen.left_out == {"below the quality": 1, "near-duplicates": 1, "near to a chosen one": 1}
    assert choose_rows(vectors, rows=0).places.tolist() == [0, 1, 2, 3, 4]


def test_a_quality_that_no_row_has_is_refused_with_the_best_there_is():
    with pytest.raises(BadInput, match="the best row has 2.00"):
        choose_rows(np.eye(2), rows=1, quality=np.array([1.0, 2.0]), min_quality=3.0)
