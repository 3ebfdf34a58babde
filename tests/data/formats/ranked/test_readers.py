# SPDX-License-Identifier: Apache-2.0
"""Public preference formats: each row, in its published shape, is the comparisons that its file says."""

from __future__ import annotations

import pytest

from data.formats import detect_format, guess_content, read_row
from data.formats.rows.fields import BadRow
from data.formats.shapes import CompletionShape, PreferenceShape
from data.formats.tracked_row import TrackedRow
from tests.support.data.ranked_rows import HELPSTEER3, OVERALL, ROWS, TREE, message, talk


def compared(row: dict, form: str = "auto") -> list[tuple]:
    """Return (first answer, second answer, winner, margin) of each comparison."""
    shapes = read_row(row, "preferences", form)
    return [
        (shape.answers[0][0], shape.answers[1][0], shape.votes[0].winner, shape.votes[0].margin)
        for shape in (shapes if isinstance(shapes, list) else [shapes])
    ]


def helpsteer(*helpfulness: int) -> dict:
    rows = [
        {"prompt": "Name a bird.", "response": f"Bird {number}.", **OVERALL, "helpfulness": rating}
        for number, rating in enumerate(helpfulness)
    ]
    return {"prompt": "Name a bird.", "rows": rows}


@pytest.mark.parametrize("form", ROWS)
def test_each_format_is_detected_and_its_file_holds_preferences(form):
    assert detect_format(ROWS[form]) == form
    assert guess_content(ROWS[form]) == "preferences"


def test_completions_of_several_models_are_compared_by_their_scores():
    assert compared(ROWS["ultrafeedback"]) == [
        ("Robin.", "Cat.", 0, 2),
        ("Robin.", "Wren.", None, 2),
        ("Cat.", "Wren.", 1, 2),
    ]
    shapes = read_row(ROWS["ultrafeedback"], "preferences")
    assert shapes[1].votes[0].aspects == (("helpfulness", None), ("honesty", 0))
    assert [text for text, _ in shapes[0].answers] == ["Robin.", "Cat."]
    assert shapes[0].answers[0][1] == "m1"


def test_completions_without_scores_are_pairs_to_label():
    bare = {
        "instruction": "Name a bird.",
        "completions": [{"model": "m1", "response": "A"}, {"model": "m2", "response": "B"}],
    }
    with pytest.raises(BadRow, match="0 of 2 answers are rated: import such rows as pairs to label"):
        read_row(bare, "preferences")
    (shape,) = read_row(bare, "pairs")
    assert (shape.answers, shape.votes) == ((("A", "m1"), ("B", "m2")), ())
    assert read_row(bare, "completions")[1] == CompletionShape(shape.prompt, "B", "m2")


def test_a_ranking_is_every_two_of_its_answers_and_its_transcript_is_turns():
    assert compared(ROWS["nectar"]) == [
        ("Robin.", "Wren.", 0, 2),
        ("Robin.", "Cat.", 0, 2),
        ("Wren.", "Cat.", 0, 2),
    ]
    assert read_row(ROWS["nectar"], "prompts").messages == talk("Hi", "Hello.", "Name a bird.")


def test_lists_of_responses_and_scores_are_compared_by_their_order():
    expected = [("Robin.", "Cat.", 0, 2), ("Robin.", "Wren.", None, 2), ("Cat.", "Wren.", 1, 2)]
    assert compared(ROWS["ranking"]) == expected
    ranks = {"prompt": "Name a bird.", "responses": ["Robin.", "Cat.", "Wren."], "ranks": [1, 2, 1]}
    assert compared(ranks) == expected
    with pytest.raises(BadRow, match="'scores' and 'ranks' both rate the responses"):
        read_row(ranks | {"scores": [1, 2, 3]}, "preferences")


def test_siblings_of_a_tree_are_compared_by_rank_without_deleted_and_failed_messages():
    row = TrackedRow(ROWS["oasst"])
    first, second = read_row(row, "preferences")
    assert (first.prompt.text, first.answers) == ("Name a bird.", (("Robin.", None), ("Cat.", None)))
    assert (first.votes[0].winner, first.votes[0].aspects) == (0, (("quality", 0),))
    assert second.prompt.messages == talk("Name a bird.", "Robin.", "Another?")
    assert (second.answers, second.votes[0].winner) == ((("Wren.", None), ("Owl.", None)), 1)
    assert "answers without a rank were left out" in row.notes
    assert any("deleted or failed the review" in note for note in row.notes)
    assert compared(TREE) == compared(ROWS["oasst"])


def test_a_tree_of_low_quality_is_refused():
    with pytest.raises(BadRow, match="'aborted_low_grade'"):
        read_row(ROWS["oasst"] | {"tree_state": "aborted_low_grade"}, "prompts")


def test_a_message_alone_is_refused_with_the_remedy():
    alone = {key: value for key, value in message("a", "Hi", "prompter").items() if key != "replies"}
    with pytest.raises(BadRow, match="one message of a tree"):
        read_row(alone, "prompts")


def test_a_strength_of_preference_is_the_margin():
    assert compared(ROWS["helpsteer-preference"]) == [("Robin.", "Cat.", 0, 3)]
    assert read_row(ROWS["helpsteer-preference"], "prompts").messages == talk("Hi", "Hello.", "Name a bird.")
    assert compared(HELPSTEER3) == [("Cat.", "Robin.", 1, 2)]
    assert compared(HELPSTEER3 | {"overall_preference": 0}) == [("Cat.", "Robin.", None, 2)]
    with pytest.raises(BadRow, match="from -3 to 3, not -100"):
        read_row(HELPSTEER3 | {"overall_preference": -100}, "preferences")


def test_responses_of_one_prompt_are_compared_by_helpfulness():
    assert compared(helpsteer(4, 2, 4)) == [
        ("Bird 0.", "Bird 1.", 0, 2),
        ("Bird 0.", "Bird 2.", None, 2),
        ("Bird 1.", "Bird 2.", 1, 2),
    ]
    assert read_row(helpsteer(4, 2), "preferences")[0].votes[0].aspects[:2] == (
        ("helpfulness", 0),
        ("correctness", None),
    )
    with pytest.raises(BadRow, match="no other row beside this one"):
        read_row(ROWS["helpsteer"], "preferences")


def test_votes_of_a_forum_give_winner_and_margin():
    assert compared(ROWS["shp"]) == [("A robin.", "A wren.", 0, 2)]  # 174 of 506 votes
    assert compared(ROWS["shp"] | {"score_B": 300}) == [("A robin.", "A wren.", 0, 1)]
    with pytest.raises(BadRow, match="'labels' says that B is better, and its score is lower"):
        read_row(ROWS["shp"] | {"labels": 0}, "preferences")


def test_scores_that_sum_to_zero_are_graded():
    assert compared(ROWS["webgpt"]) == [("An animal [1].", "A feathered animal.", 1, 2)]
    tie = ROWS["webgpt"] | {"score_0": 0.0, "score_1": 0.0}
    assert compared(tie) == [("An animal [1].", "A feathered animal.", None, 2)]
    assert read_row(tie, "prompts").text == "What is a bird?"


def test_a_choice_of_summaries_is_the_vote_of_its_worker():
    shape = read_row(ROWS["summarize-from-feedback"], "preferences")
    assert shape.prompt.text == "SUBREDDIT: r/pics\n\nTITLE: Bird\n\nPOST: I saw a bird.\n\nTL;DR:"
    assert (shape.answers[1], shape.votes[0].winner) == ((" Bird seen.", "ref"), 1)
    assert shape.votes[0].labeler.startswith("ikNmucw")
    axis = {"info": {"article": "News."}, "summary": {"text": "N.", "policy": "ref", "axes": {"overall": 5}}}
    assert read_row(axis, "completions")[0].text == "N."
    with pytest.raises(BadRow, match="rates one summary"):
        read_row(axis, "preferences")


def test_two_criteria_are_a_verdict_and_aspects():
    shape = read_row(ROWS["pku-saferlhf"], "preferences")
    assert (shape.votes[0].winner, shape.votes[0].aspects) == (0, (("helpful", 0), ("safe", 1)))
    assert shape.answers == (("With a net.", "Alpaca-7B"), ("Ask a ranger.", "Alpaca2-7B"))


def test_a_label_names_the_better_output():
    assert compared(ROWS["llmbar"]) == [("Robin.", "Cat.", 1, 2)]
    with pytest.raises(BadRow, match="'label' must be 1 or 2, not 0"):
        read_row(ROWS["llmbar"] | {"label": 0}, "preferences")


@pytest.mark.parametrize(
    ("preference", "vote"),
    [(1.0, (0, 2)), (2.0, (1, 2)), (1.5, (None, 2)), (0, (None, 2)), (1.55, (1, 1)), (1.25, (0, 2)), (1.99, (1, 3))],
)
def test_an_annotation_gives_winner_and_margin(preference, vote):
    row = ROWS["alpaca-eval"] | {"preference": preference}
    assert compared(row) == [("Robin.", "Cat.", *vote)]
    assert read_row(row, "preferences").votes[0].labeler == "alpaca_eval_gpt4"


def test_outputs_of_a_model_are_its_completions():
    row = {"instruction": "Name a bird.", "output": "Robin.", "generator": "gpt4", "dataset": "koala"}
    assert read_row(row, "completions", "alpaca-eval") == read_row(row, "completions")
    assert read_row(row, "completions").model == "gpt4"


def test_a_judgment_of_a_turn_compares_the_answers_of_that_turn():
    assert compared(ROWS["mt-bench"]) == [("Cat.", "Robin.", 1, 2)]
    second = read_row(ROWS["mt-bench"] | {"turn": 2}, "preferences")
    assert second.prompt.text == "Name a bird."
    assert second.answers[1][0] == "assistant: Robin.\n\nuser: Another?\n\nassistant: Wren."
    assert second.votes[0].labeler == "author_2"


def test_every_two_predictions_have_their_preference():
    assert compared(ROWS["qa-feedback"]) == [
        ("A bird.", "A cat.", 0, 2),
        ("A bird.", "Red.", None, 2),
        ("A cat.", "Red.", 1, 2),
    ]
    assert read_row(ROWS["qa-feedback"], "prompts").text == (
        "What is a robin?\n\nRobin\n\nA robin is a bird. It is red.\n\nWren\n\nA wren is small."
    )
    with pytest.raises(BadRow, match="3 predictions make 3 pairs, and 'preference' has 2"):
        read_row(ROWS["qa-feedback"] | {"preference": [1, 0]}, "preferences")


def test_each_right_answer_is_better_than_each_wrong_one():
    assert compared(ROWS["reward-bench"]) == [
        ("Robin.", "Cat.", 0, 2),
        ("Robin.", "Dog.", 0, 2),
        ("Wren.", "Cat.", 0, 2),
        ("Wren.", "Dog.", 0, 2),
    ]
    first = {"prompt": "Name a bird.", "chosen": "Robin.", "rejected": "Cat.", "subset": "alpacaeval-easy", "id": 1}
    first |= {"chosen_model": "m1", "rejected_model": "m2"}
    shape = read_row(first, "preferences")
    assert detect_format(first) == "reward-bench"
    assert isinstance(shape, PreferenceShape)
    assert (shape.chosen, shape.chosen_model) == ("Robin.", "m1")


@pytest.mark.parametrize(
    ("form", "column"),
    [
        ("helpsteer-preference", "response_2"),
        ("webgpt", "answer_1"),
        ("qa-feedback", "prediction 2"),
        ("llmbar", "output_2"),
    ],
)
def test_a_missing_answer_is_no_empty_answer(form, column):
    with pytest.raises(BadRow, match="is empty|must be text"):
        read_row(ROWS[form] | {column: None}, "preferences", form)
    assert read_row(ROWS[form] | {column: ""}, "preferences", form)
