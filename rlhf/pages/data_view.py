# SPDX-License-Identifier: Apache-2.0
"""Previews, counts and rows on the Data page, as HTML. Without gradio."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from data.errors import BadInput
from data.formats.columns import describe_columns
from data.splits import SPLITS
from data.store import Store
from data.tables.catalogue import Entry
from data.texts import translate_line
from data.transfer.previewing import Preview, Sample
from data.transfer.rejected_rows import FOLDER as REJECTED
from labeling.texts.pages import text
from labeling.texts.reader import reader_language
from labeling.texts.times import local_date
from labeling.texts.translate import Refusal
from labeling.texts.user_text import block, captioned, marks
from reward.report.option_names import name_fields
from rlhf.pages.markup import answer_html, empty, esc, scrolling

DETECT = "auto"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Names of the answers to a prompt."""
RowKind = Literal["instructions", "prompts"]
ROW_KINDS: tuple[RowKind, ...] = ("instructions", "prompts")
"""Kinds of rows that the page lists."""
KINDS = (DETECT, "prompts", "instructions", "preferences", "pairs", "completions")
"""Kinds of rows that a file may hold."""
SHOWN, LONGEST = 20, 20_000
"""Rows on the page, and characters of a text before it is cut."""


def draw_upload() -> str:
    """Return the field that uploads a file, with the texts of its script."""
    texts = {name: esc(text(f"data.{name}")) for name in ("upload", "sending", "sent", "not_sent")}
    return (
        f"<p><label for=data-file>{texts['upload']}</label><br>"
        "<input id=data-file type=file onchange='sendFile(this)'> "
        f"<span id=data-sent class=said role=status data-sending='{texts['sending']}' data-done='{texts['sent']}' "
        f"data-failed='{texts['not_sent']}'></span></p>"
    )


def without_folder(problem: BadInput) -> BadInput:
    """Return the problem without the folder of its file."""
    if isinstance(problem, Refusal):
        return problem
    return replace(problem, file=problem.file and Path(problem.file).name, field=None)


def draw_outcome(done: Mapping[str, Any]) -> str:
    """Return the counts of an import as a line of text."""
    counts = {name: done[name] for name in ("added", "duplicate", "rejected")}
    *notes, step = _translated([*done.get("file_notes", ()), done["next"]])
    steps = [*(f"{note}." for note in notes), f"{step[:1].upper()}{step[1:]}."]
    line = " ".join([text("data.imported", **counts), *steps])
    if "rejected_file" not in done:
        return line
    file = f"{REJECTED}/{Path(done['rejected_file']).name}"
    return f"{line} {text('data.rejected_file', file=file)}"


def draw_preview(survey: Preview) -> str:
    """Return the counts of good and bad rows, the first bad ones with the reason, and the first good ones."""
    formats = ", ".join(f"{name}: {count:,}" for name, count in survey.formats.items()) or text("data.no_format")
    head = esc(f"{text(f'data.choice_{survey.what}').capitalize()} ({formats})")
    wrong = "".join(
        f"<li>{esc(text('data.bad_row', line=row['line'], reason=_reason(row)))}</li>" for row in survey.wrong
    )
    wrong = f"<p class=soft>{esc(text('data.first_bad'))}</p><ul>{wrong}</ul>" if wrong else ""
    rows = "".join(_shown_row(row) for row in survey.shown)
    rows = f"<p class=soft>{esc(text('data.first_good'))}</p>{rows}" if rows else ""
    files = _list(_translated(survey.file_notes), "data.notes")
    account = _list([*describe_columns(survey.columns, reader_language()), *_notes(survey)], "data.account")
    return f"<div class=card><p>{' · '.join([head, *_counts(survey)])}</p>{files}{account}{wrong}{rows}</div>"


def draw_sample(sample: Sample) -> str:
    """Return the first rows under a mapping, as they would be stored or with the reason of their refusal."""
    wrong = [text("data.bad_row", line=row["line"], reason=_reason(row)) for row in sample.wrong]
    rows = "".join(_shown_row(row) for row in sample.shown)
    return f"<div class=card>{_list(wrong, 'data.first_bad')}{rows}</div>"


def _translated(lines: Iterable[str]) -> list[str]:
    """Return lines in the reader's language."""
    return [translate_line(line, reader_language()) for line in lines]


def _reason(problem: Mapping[str, Any]) -> str:
    """Return why a row was refused, in the reader's language and with the names of the page."""
    return name_fields(translate_line(problem["reason"], reader_language()))


def _notes(survey: Preview) -> list[str]:
    """Return the remarks on rows, and the reasons of bad ones with their number."""
    notes = [
        text("data.note", n=count, note=translate_line(note, reader_language())) for note, count in survey.notes.items()
    ]
    return notes + [
        text("data.problem", n=problem["rows"], line=problem["line"], reason=_reason(problem))
        for problem in survey.problems
    ]


def _list(lines: Sequence[str], title: str) -> str:
    items = "".join(f"<li>{esc(line)}</li>" for line in lines)
    return f"<p class=soft>{esc(text(title))}</p><ul>{items}</ul>" if items else ""


def draw_counts(store: Store) -> str:
    """Return the number of rows by source and split."""
    tables = "".join(
        _count_table(text(f"data.choice_{kind}").capitalize(), store.catalogue.counts(kind)) for kind in ROW_KINDS
    )
    active = any(row["done_at"] is None for row in store.imports.all())
    running = f"<p>{esc(text('data.import_running'))}</p>" if active else ""
    return running + scrolling(text("data.counts"), tables, "card") if tables else running


def draw_rows(entries: Sequence[Entry], kind: str, unfiltered: bool) -> str:
    """Return the rows, each folded up; without any, the step that fills the list."""
    if entries:
        return f"<div class=card>{''.join(map(_entry, entries))}</div>"
    return empty(text(f"data.no_{kind}" if unfiltered else "data.no_match"))


def sources(store: Store) -> list[str]:
    """Return the sources of the stored rows by name."""
    return sorted({row["source"] for kind in ROW_KINDS for row in store.catalogue.counts(kind)})


def cut(value: str) -> str:
    """Return the text, or the beginning of a very long one with its length."""
    return value if len(value) <= LONGEST else text("data.cut", beginning=value[:LONGEST], n=len(value))


def _counts(survey: Preview) -> list[str]:
    colour = "bad" if survey.bad else "good"
    counts = [
        f"<b>{esc(text('data.good_rows', n=survey.good))}</b>",
        f"<b class={colour}>{esc(text('data.bad_rows', n=survey.bad))}</b>",
        esc(text("data.duplicates", n=survey.duplicate)),
    ]
    if survey.near:
        counts.append(esc(text("data.near_duplicates", n=survey.near)))
    if survey.comparisons:
        counts.append(esc(text("data.comparisons", n=survey.comparisons, labelers=survey.labelers or 1)))
    if survey.rankings:
        counts.append(esc(text("data.rankings", n=survey.rankings)))
    return counts


def _shown_row(row: Mapping[str, Any]) -> str:
    values = _row_texts(row)
    first = " ".join(values.values())[:160].replace("\n", " ")
    whole = "".join(captioned(name, cut(value)) for name, value in values.items())
    return f"<details><summary><span {marks(first)}>{esc(first)}</span></summary><div class=log>{whole}</div></details>"


def _row_texts(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of a row as people write them, by name. Values that are missing are left out."""
    texts: dict[str, str] = {}
    for name, value in row.items():
        if name == "answers":
            named = zip(LETTERS, value, strict=False)
            texts |= {text("data.answer", letter=letter): answer for letter, (answer, _) in named}
        elif name == "votes":
            texts[text("data.votes")] = "\n".join(map(_vote_text, value))
        elif value not in (None, "", [], {}, ()):
            texts[name] = _value_text(value)
    return texts


def _vote_text(vote: Mapping[str, Any]) -> str:
    """Return the winner of a vote, its margin, and the labeler's name in the file."""
    winner = text("data.tie") if vote["winner"] is None else text("data.winner", letter=LETTERS[vote["winner"]])
    return " · ".join(filter(None, [winner, f"{text('data.margin')} {vote['margin']}", vote["labeler"]]))


def _value_text(value: object) -> str:
    """Return a text as it is, an answer's text, a conversation turn by turn, a list line by line, else JSON."""
    if isinstance(value, Mapping):
        if "text" in value:
            return str(value["text"])
        if {"role", "content"} <= value.keys():
            return f"{value['role']}: {value['content']}"
    if isinstance(value, (list, tuple)) and any(isinstance(part, (Mapping, str)) for part in value):
        return "\n".join(map(_value_text, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _count_table(label: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th scope=col>{esc(name)}</th>" for name in (label, *SPLITS, text("data.all")))
    body = "".join(
        f"<tr><td {marks(row['source'])}>{esc(row['source'])}</td>"
        f"{''.join(f'<td>{row[name]:,}</td>' for name in (*SPLITS, 'n'))}</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _entry(entry: Entry) -> str:
    parts = [entry.source, entry.split, entry.family, f"#{entry.id}", local_date(entry.created_at)]
    about = " · ".join(filter(None, parts))
    answer = answer_html(entry.answer, "log", cut) if entry.answer else ""
    place = f"<span class=soft>{esc(entry.source)} · {entry.split}</span>"
    return (
        f"<details><summary><span {marks(entry.task[:160])}>{esc(entry.task[:160])}</span>{place}</summary>"
        f"{block(cut(entry.task), 'asked')}{answer}<p class=soft>{esc(about)}</p></details>"
    )
