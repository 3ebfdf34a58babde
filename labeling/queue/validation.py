# SPDX-License-Identifier: Apache-2.0
"""Validation of answers: well-formed, and asked for by the project's form. Each refusal names the fault in one line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from data.ids import canonical_json
from data.tables.assignments import Assignment
from data.tables.forms import Form
from data.tables.verdicts import VERDICTS, outcome
from labeling.queue.items import Answer, RankingAnswer
from labeling.texts.translate import Refusal

REASON_LENGTH, EDIT_LENGTH, DRAFT_LENGTH, SHOWN_LENGTH = 2000, 20_000, 40_000, 40
LONGEST_WORK = 24 * 3600
CHOICES = ("left", "tie", "right")
LINES = "\n\r\t"


def check_well_formed(answer: Answer | RankingAnswer) -> None:
    """Refuse a malformed answer, whatever its item is."""
    if isinstance(answer, RankingAnswer):
        check_ranking(answer)
    else:
        check_answer(answer)


def check_asked(answer: Answer | RankingAnswer, assignment: Assignment, form: Form) -> None:
    """Refuse an answer of the other kind of item, and what the project's form does not ask for."""
    if isinstance(answer, RankingAnswer):
        if assignment.positions is None:
            raise Refusal("not_a_ranking")
        check_ranking_form(form, answer, len(assignment.positions))
    else:
        if assignment.positions is not None:
            raise Refusal("not_a_pair")
        check_form(form, answer)


def check_answer(answer: Answer) -> None:
    """Refuse a malformed answer to a pair."""
    if answer.verdict not in VERDICTS:
        raise Refusal("unknown_verdict", verdict=answer.verdict[:SHOWN_LENGTH], allowed=", ".join(VERDICTS))
    check_common(answer)
    if answer.aspects is not None and not isinstance(answer.aspects, Mapping):
        raise Refusal("aspects_shape")
    if answer.edit is not None:
        check_text(answer.edit)
        if not answer.edit.strip():
            raise Refusal("edit_empty")
        if len(answer.edit) > EDIT_LENGTH:
            raise Refusal("edit_long", n=len(answer.edit), most=EDIT_LENGTH)


def check_ranking(answer: RankingAnswer) -> None:
    """Refuse a malformed ranking."""
    check_common(answer)
    if not all(type(place) is int for place in answer.places):
        raise Refusal("bad_places", n=len(answer.places))


def check_common(answer: Answer | RankingAnswer) -> None:
    """Refuse a malformed id, rationale or time."""
    if not re.fullmatch(r"[A-Za-z0-9-]{8,64}", answer.id):
        raise Refusal("bad_answer_id", id=answer.id[:SHOWN_LENGTH])
    if answer.rationale is not None:
        check_reason(answer.rationale)
    if answer.active_seconds is not None and not 0 <= answer.active_seconds <= LONGEST_WORK:
        raise Refusal("bad_seconds", n=answer.active_seconds, most=LONGEST_WORK)


def check_reason(text: str) -> None:
    """Refuse an empty reason and one that is too long."""
    if len(text) > REASON_LENGTH:
        raise Refusal("reason_long", n=len(text), most=REASON_LENGTH)
    if not text.strip():
        raise Refusal("no_reason")
    check_text(text)


def check_text(text: str) -> None:
    """Refuse control characters except tab and line ends, and lone surrogates, which no file can contain."""
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs") and character not in LINES:
            raise Refusal("bad_character", code=f"U+{ord(character):04X}")


def check_draft(content: Mapping[str, object]) -> None:
    """Refuse a draft that is too long, has wrong types, or contains lone surrogates."""
    for name, value in content.items():
        if not _is_draft_value(name, value):
            raise Refusal("draft_shape", name=name)
    text = canonical_json(dict(content))
    if len(text) > DRAFT_LENGTH:
        raise Refusal("draft_long", n=len(text), most=DRAFT_LENGTH)
    if any(unicodedata.category(character) == "Cs" for character in text):
        raise Refusal("bad_character", code="U+D800 to U+DFFF")


def _is_draft_value(name: str, value: object) -> bool:
    if name == "aspects":
        return isinstance(value, Mapping) and all(isinstance(text, str) for text in (*value, *value.values()))
    if name == "places":
        return isinstance(value, list) and all(type(place) is int for place in value)
    return isinstance(value, str)


def check_form(form: Form, answer: Answer) -> None:
    """Refuse what the form does not ask for, and missing parts that it requires."""
    if answer.verdict not in form.verdicts:
        raise Refusal("verdict_not_asked", verdict=answer.verdict, allowed=", ".join(form.verdicts))
    check_rationale(form, answer.rationale)
    check_aspects(form, answer.aspects or {}, required=answer.verdict != "both_bad")
    if answer.edit is not None and not form.edit:
        raise Refusal("edit_not_asked")
    if answer.edit is not None and edited_side(answer) not in ("left", "right"):
        raise Refusal("edit_of_which")


def check_ranking_form(form: Form, answer: RankingAnswer, size: int) -> None:
    """Refuse a ranking of `size` answers that lacks places, or has ties that the form does not allow."""
    check_rationale(form, answer.rationale)
    if answer.all_bad and not form.both_bad:
        raise Refusal("verdict_not_asked", verdict=answer.verdict, allowed="ranked")
    if len(answer.places) != (0 if answer.all_bad else size) or not all(1 <= place <= size for place in answer.places):
        raise Refusal("bad_places", n=size)
    if not form.tie and len(set(answer.places)) < len(answer.places):
        raise Refusal("no_ties")


def check_rationale(form: Form, rationale: str | None) -> None:
    """Refuse a rationale that the form does not ask for, or the lack of a required one."""
    if form.rationale == "off" and rationale is not None:
        raise Refusal("rationale_not_asked")
    if form.rationale == "required" and rationale is None:
        raise Refusal("rationale_needed")


def check_aspects(form: Form, aspects: Mapping[str, str], *, required: bool) -> None:
    """Refuse aspects that the form does not have, unknown choices, and missing aspects."""
    for aspect, choice in aspects.items():
        if aspect not in form.aspects:
            raise Refusal("aspect_not_asked", aspect=aspect[:SHOWN_LENGTH])
        if choice not in CHOICES:
            raise Refusal("aspect_choice", aspect=aspect, choice=str(choice)[:SHOWN_LENGTH], allowed=", ".join(CHOICES))
    missing = [aspect for aspect in form.aspects if aspect not in aspects]
    if missing and required:
        raise Refusal("aspect_missing", aspect=missing[0])


def edited_side(answer: Answer) -> str | None:
    """Return the side of the edited answer: the named one, else the winner."""
    return answer.edited or outcome(answer.verdict)[0]
