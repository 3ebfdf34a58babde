# SPDX-License-Identifier: Apache-2.0
"""The log on the Runs page: its last lines, or the lines that a search finds in all of it, and its download."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from data.ids import RUN, parse_id
from data.records import Account, Run
from data.store import Store
from labeling.api.route import researcher_only
from labeling.texts.pages import bad_input, text
from reward.page import Updates
from rlhf.pages.components import hidden, html
from rlhf.pages.markup import empty, esc
from rlhf.pages.runs.log_search import FILE, Hits, read_tail, search_log
from rlhf.runs.disk_use import run_folder


class RunLog:
    """The search field, the lines below it and the link. The page draws them with the chosen run."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.words = gr.Textbox(
            label=text("runs.log_search"), max_lines=1, max_length=200, elem_id="log-words", visible=False
        )
        self.lines, self.seen = html("run-log"), hidden()
        self.shown = [self.words, self.lines, self.seen]

    def draw(self, run: Run, words: str, seen: str) -> Updates:
        """Return what changed: the last lines, or those that contain every word, and their number."""
        folder = run_folder(self.store, run)
        file = folder / FILE
        words, size = " ".join((words or "").split()), file.stat().st_size if file.is_file() else -1
        mark = f"{run.public} {size} {words}"
        if mark == seen:
            return {}
        lines = draw_hits(search_log(folder, words), words) if words else draw_log(folder)
        return {
            self.seen: mark,
            self.words: gr.Textbox(visible=size >= 0),
            self.lines: lines + (_link(run) if size >= 0 else ""),
        }

    def clear(self) -> Updates:
        """Return the page without a run."""
        return {self.seen: "", self.words: gr.Textbox(visible=False), self.lines: ""}


def draw_log(folder: Path) -> str:
    """Return the last lines of a run's log, newest first."""
    if not (folder / FILE).exists():
        return empty(text("runs.no_log"))
    return _box(text("runs.log"), "\n".join(read_tail(folder)) or text("runs.log_empty"))


def draw_hits(hits: Hits, words: str) -> str:
    """Return the number of lines that a search found, and the newest of them with their numbers."""
    found = text("runs.log_hits", n=hits.total, words=words, shown=len(hits.newest))
    lines = "\n".join(f"{number:>6}  {line}" for number, line in hits.newest)
    return f"<p role=status>{esc(found)}</p>{_box(found, lines) if lines else ''}"


def _box(label: str, lines: str) -> str:
    return f"<div class=log tabindex=0 role=log aria-label='{esc(label)}'>{esc(lines)}</div>"


def _link(run: Run) -> str:
    return f"<p><a href='runs/{run.public}/log' download>{esc(text('runs.log_download', run=run.public))}</a></p>"


def log_download(store: Store) -> Route:
    """Return the route GET /train/runs/run5/log: the whole log as a file."""

    async def send(request: Request, _account: Account) -> FileResponse:
        run = store.runs.get(parse_id(request.path_params["run"], RUN))
        file = run_folder(store, run) / FILE
        if not file.is_file():
            raise bad_input("refused.no_log", public=run.public)
        return FileResponse(file, filename=f"{run.public}-log.txt", media_type="text/plain; charset=utf-8")

    return Route("/train/runs/{run}/log", researcher_only(send))
