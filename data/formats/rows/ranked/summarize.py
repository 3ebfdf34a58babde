# SPDX-License-Identifier: Apache-2.0
"""OpenAI's summarize-from-feedback: a post or an article, summaries of two policies, and the worker's choice.

The prompt is the text with its title and forum as the paper's models got it, up to `TL;DR:`. The part `axis` rates one
summary in each row; such rows are completions.
"""

from __future__ import annotations

from data.formats.rows.conversation import note_marks
from data.formats.rows.fields import BadRow, Row, check_text, read_number, read_optional_text
from data.formats.rows.preference_metadata import check_learned, read_labeler, read_source
from data.formats.rows.ranked.lists import read_object, read_objects
from data.formats.shapes import Answer, CompletionShape, PairShape, PromptShape, Vote
from data.texts import join_texts

NAME = "summarize-from-feedback"
NEEDS = (frozenset({"info", "summaries"}), frozenset({"info", "summary"}))
COLUMNS = {
    "info": "prompt",
    "summaries": "answers and models",
    "summary": "answer and model",
    "choice": "vote",
    "worker": "labeler",
}
CONTENT = "preferences"
SOURCES = join_texts("or", ("'post'", "'article'"))
KEYS = join_texts("and", ("'text'", "'policy'"))
TEXTS = (("subreddit", "SUBREDDIT: r/{}"), ("title", "TITLE: {}"), ("post", "POST: {}"), ("article", "{}"))


def read_prompt(row: Row) -> PromptShape:
    """Return the text to summarize."""
    info = read_object(row, "info", SOURCES)
    texts = {key: text for key, _ in TEXTS if key in info and (text := read_optional_text(info, key))}
    if not {"post", "article"} & texts.keys():
        raise BadRow.of("row.info", "info")
    lines = [template.format(texts[key]) for key, template in TEXTS if key in texts]
    return PromptShape("\n\n".join([*lines, "TL;DR:"]))


def read_preference(row: Row) -> PairShape:
    """Return the two summaries and the worker's vote."""
    if "summaries" not in row:
        raise BadRow.of("row.one_summary", "summary")
    check_learned(row)
    answers = [_answer(row, part) for part in read_objects(row, "summaries", KEYS)]
    if len(answers) != 2:
        raise BadRow.of("row.summaries", "summaries", count=len(answers))
    choice = None if not row.judged else read_number(row, "choice")
    if choice not in (None, 0, 1):
        raise BadRow.of("row.choice", "choice", given=choice)
    votes = () if choice is None else (Vote(int(choice), labeler=read_labeler(row, "worker")),)
    return PairShape(read_prompt(row), (answers[0], answers[1]), votes, read_source(row))


def read_completion(row: Row) -> list[CompletionShape]:
    """Return every summary with its policy."""
    prompt = read_prompt(row)
    if "summaries" in row:
        return [CompletionShape(prompt, *_answer(row, part)) for part in read_objects(row, "summaries", KEYS)]
    return [CompletionShape(prompt, *_answer(row, read_object(row, "summary", KEYS)))]


def _answer(row: Row, part: Row) -> Answer:
    text = check_text(part.get("text"), "text", blank=True)
    note_marks(row, text, "text")
    return text, read_optional_text(part, "policy")
