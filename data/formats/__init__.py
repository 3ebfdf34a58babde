# SPDX-License-Identifier: Apache-2.0
"""Row and file formats of imports and exports: pure functions, row -> shape and shape -> row.

`read_row` detects the format of a row by its keys, or takes the named format. No module here knows the store.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from data.formats import registry
from data.formats.completion_rows import ANSWERS, ASKED, MODELS, holds_two_answers, read_completions
from data.formats.registry import ALIASES, AUTO, Format
from data.formats.rows import trl
from data.formats.rows.fields import BadRow, check_text
from data.formats.shapes import CompletionShape, InstructionShape, PairShape, PreferenceShape, PromptShape
from data.formats.tracked_row import TrackedRow
from data.texts import Translatable, join_texts

__all__ = ["ALIASES", "AUTO", "FORMATS", "KEYS", "Shape", "detect_format", "guess_content", "read_row"]

Shape = PromptShape | InstructionShape | PreferenceShape | PairShape | CompletionShape

FORMATS = tuple(registry.FORMATS)
KINDS = {
    kind: Translatable.of(f"row.kind_{kind}")
    for kind in ("prompts", "instructions", "preferences", "pairs", "completions")
}
"""Kinds of rows -> their names."""
KEYS = {kind: Translatable.of(f"row.keys_{kind}") for kind in KINDS}
"""Kinds of rows -> the columns that make one."""
NAME = Translatable.of("row.name")
"""The field of a model's or a labeler's name."""
CONTEXT = re.compile(
    r"system(_(prompt|message))?|developer|history|context|tools|functions|tool_calls|function_call|tool_call_id"
    r"|reasoning(_content)?|thinking|chat_template_kwargs|images?|videos?|audios?",
    re.IGNORECASE,
)
"""Columns that belong to what was asked or answered."""
VERDICT = re.compile(
    r"weight|train(ing)?(_detail)?|loss|labels?|kto_tag|scores?(_.*)?|.*_scores?|status|rank(s|ing)?|ratings?(_.*)?|.*_ratings?|margin"
    r"|(overall_)?preference(_.*)?|strength|winner.*|is_tie",
    re.IGNORECASE,
)
"""Columns that say how good an answer is, or whether it counts."""
MEANING = {
    "prompts": (CONTEXT,),
    "instructions": (CONTEXT, VERDICT),
    "preferences": (CONTEXT, VERDICT),
    "pairs": (CONTEXT,),
    "completions": (CONTEXT,),
}
"""Rows of a kind -> the columns that change what they mean: a row with such a column that its reader does not read is
refused. A verdict of the file changes neither a prompt, nor an answer or a pair that waits for a verdict."""


def detect_format(row: Mapping[str, Any]) -> str:
    """Return the name of the row's format, by its keys."""
    found = registry.find_format(row)
    return found.name if found else trl.NAME


def read_row(row: Mapping[str, Any], what: str, form: str = AUTO) -> Shape | list[Shape]:
    """Return the shape of one row of `what`, or the shapes of a row that holds several.

    A `TrackedRow` knows afterwards which columns were read. Raises BadRow with the reason.
    """
    tracked = row if isinstance(row, TrackedRow) else TrackedRow(row)
    found = registry.find_format(tracked.values_by_name) if form == AUTO else registry.FORMATS[ALIASES.get(form, form)]
    tracked.what, tracked.form = what, found.name if found else trl.NAME
    shapes = _read(tracked, what, registry.FORMATS[tracked.form])
    if shapes == []:
        raise BadRow.of("row.none_of_kind", kind=KINDS[what])
    for shape in shapes if isinstance(shapes, list) else [shapes]:
        _check(shape, what)
    for path, _ in tracked.unread():
        column = path.rpartition(".")[2]
        if path not in tracked.left and any(pattern.fullmatch(column) for pattern in MEANING[what]):
            unread = BadRow.of("row.unread", path, form=tracked.form)
            raise BadRow.of("row.unread_column", path, reason=unread.reason) if path == column else unread
    return shapes


def _read(row: TrackedRow, what: str, form: Format) -> Shape | list[Shape]:
    reader = form.reader(what)
    if reader is not None:
        return reader(row)
    if what == "completions" and not row.names.isdisjoint({*ASKED, *form.module.COLUMNS}):
        shapes = read_completions(row, form)
        return shapes[0] if len(shapes) == 1 else list(shapes)
    unreadable = BadRow.of("row.no_reader", form=form.name, kind=KINDS[what], keys=KEYS[what])
    kinds = [kind for kind in registry.READERS if kind != what and _reads(row, kind, form)]
    if not kinds:
        raise unreadable
    options = join_texts("or", (f"--as {kind}" for kind in kinds))
    raise BadRow.of("row.other_kinds", reason=unreadable.reason, options=options)


def _reads(row: TrackedRow, what: str, form: Format) -> bool:
    """Return whether a row can be read as rows of another kind."""
    try:
        return (what == "completions" or form.reader(what) is not None) and bool(
            read_row(TrackedRow(row.values_by_name), what, form.name)
        )
    except BadRow:
        return False


def _names(shape: Shape) -> Iterator[str]:
    """Yield the names of models, labelers and aspects."""
    if isinstance(shape, CompletionShape) and shape.model:
        yield shape.model
    if isinstance(shape, PreferenceShape):
        yield from filter(None, (shape.chosen_model, shape.rejected_model, shape.labeler))
    if isinstance(shape, PairShape):
        yield from (model for _, model in shape.answers if model)
        for vote in shape.votes:
            yield from filter(None, (vote.labeler, *(aspect for aspect, _ in vote.aspects)))


def guess_content(row: Mapping[str, Any]) -> str:
    """Guess the content of a file by one of its rows: preferences, completions, instructions or prompts."""
    found = registry.find_format(row)
    if found and hasattr(found.module, "CONTENT"):
        return found.module.CONTENT
    if holds_two_answers(row, found or registry.FORMATS[trl.NAME]):
        return "preferences"
    both = found and found.reader("instructions") and found.reader("completions")
    if ({*MODELS} if both else {"response", *MODELS}) & row.keys():
        return "completions"
    turns = row.get("messages") or row.get("conversations") or row.get("conversation")
    last = turns[-1] if isinstance(turns, list) and turns and isinstance(turns[-1], dict) else {}
    answered = (last.get("role") or last.get("from")) in ("assistant", "gpt", "chatgpt", "bot", "model")
    return "instructions" if {*ANSWERS, "instances", "segments"} & row.keys() or answered else "prompts"


def _check(shape: Shape, what: str) -> None:
    """Raise BadRow for what the store cannot hold, for two equal answers, and for a preference without a vote."""
    if isinstance(shape, InstructionShape) and not shape.output.strip():
        raise BadRow.of("row.answer_empty", "output")
    for name in _names(shape):
        check_text(name, NAME)
    if isinstance(shape, PreferenceShape) and shape.chosen == shape.rejected:
        raise BadRow.of("row.same_chosen", "rejected")
    if isinstance(shape, PairShape):
        if shape.answers[0][0] == shape.answers[1][0]:
            raise BadRow.of("row.same_answers")
        if what == "preferences" and not shape.votes:
            raise BadRow.of("row.no_vote")
