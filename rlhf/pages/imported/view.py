# SPDX-License-Identifier: Apache-2.0
"""Imported rows on the Data page, as HTML and lines of text. Without gradio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from data.store import Store
from data.tables.imported_rows import MOST_COUNTED, ImportedRow
from data.views.retracted_rows import TrainedModels
from labeling.texts.answers import captioned_answer
from labeling.texts.pages import text
from labeling.texts.reader import reader_language
from labeling.texts.times import local_date
from labeling.texts.user_text import block, marks
from rlhf.pages.data_view import cut
from rlhf.pages.markup import empty, esc

SHOWN, TITLE = 20, 160
"""Rows on a page, and characters of a prompt in its line."""
MARKS = ("better", "worse", "tie", "bad", "answer")


def draw_rows(rows: Sequence[ImportedRow], total: int, page: int, filtered: bool) -> str:
    """Return a page of rows, each folded up behind a box to choose it, below their numbers."""
    if not rows:
        return empty(text("imported.no_match" if filtered else "imported.none"))
    first = (page - 1) * SHOWN + 1
    counted = text("imported.more_than", n=MOST_COUNTED) if total > MOST_COUNTED else f"{total:,}"
    numbers = text("imported.numbers", first=first, last=first + len(rows) - 1, total=counted)
    every = f"<label><input type=checkbox data-check-all> {esc(text('imported.choose_all'))}</label>"
    head = f"<p class=soft>{every} · {esc(numbers)}</p>"
    return f"<div class='card imported'>{head}{''.join(map(_row, rows))}</div>"


def last_page(total: int) -> int:
    """Return the number of the last page of so many rows; 1 without any."""
    return max(1, math.ceil(total / SHOWN))


def import_choices(store: Store) -> list[tuple[str, str]]:
    """Return (label, number) of all imports that are done, newest first, after the choice of all."""
    done = [row for row in reversed(store.imports.all()) if row["revealed_at"] and row["what"] != "broken off"]
    return [(text("data.all"), ""), *((_import_label(row), str(row["id"])) for row in done)]


def describe_use(trained: TrainedModels) -> str:
    """Return which models rows trained, as a sentence."""
    if not trained.direct:
        return text("imported.no_model")
    line = text("imported.trained", models=", ".join(trained.direct))
    return f"{line} {text('imported.derived', models=', '.join(trained.derived))}" if trained.derived else line


def _import_label(row: dict[str, Any]) -> str:
    files = ", ".join(row["files"])
    return f"{row['id']} · {files[:60]} · {local_date(row['created_at'])}"


def _row(row: ImportedRow) -> str:
    title = " ".join(row.prompt.split())[:TITLE]
    language = reader_language()
    answers = "".join(captioned_answer(language, _caption(mark), cut(answer)) for mark, answer in row.answers)
    state = f"<b class=bad>{esc(text('imported.is_retracted'))}</b>" if row.retracted else ""
    place = f"<span class=soft>{state} {esc(row.about)} · {row.split}</span>"
    about = text("imported.about", number=row.import_id, day=local_date(row.created_at), id=row.id)
    name = esc(text("imported.choose", title=title))
    asked = block(cut(row.prompt), "asked")
    return (
        f"<div class=row><input type=checkbox name=row value='{esc(row.id)}' aria-label='{name}'>"
        f"<details><summary><span {marks(title)}>{esc(title)}</span>{place}</summary>"
        f"{asked}<div class=beside>{answers}</div><p class=soft>{esc(about)}</p></details></div>"
    )


def _caption(mark: str) -> str:
    """Return an answer's mark in words: better, worse and so on, or its place in a ranking."""
    return text(f"imported.mark_{mark}") if mark in MARKS else text("imported.place", place=mark)
