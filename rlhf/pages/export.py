# SPDX-License-Identifier: Apache-2.0
"""The Export page: files of rows or events to download, and the command that exports a model."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from shutil import make_archive
from tempfile import TemporaryDirectory

import gradio as gr
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from data.errors import BadInput
from data.formats.writing import make_write_error
from data.records import Account
from data.store import Store
from data.texts import translate_line
from data.transfer.exporting import DEFAULT_LABELS, FORMATS, LABELS, ExportRequest, export_dataset, export_rows
from labeling.accounts.current import current_account
from labeling.accounts.management import audit_name
from labeling.api.route import researcher_only
from labeling.texts.pages import text
from labeling.texts.reader import reader_language
from reward.page import QUIET, Look, Updates
from reward.report.view import message_html
from rlhf.models.start_policy import choose_start
from rlhf.pages.components import choices, heading, hidden, html, unchanged
from rlhf.pages.markup import empty, esc
from rlhf.runs.disk_use import format_bytes

ADDRESS = "exports/"
"""Below the page's own address, so that it holds under any root path."""
NO_POLICY = "none"
KINDS = ("jsonl", "jsonl.gz", "csv", "parquet", "zip")


class ExportPage:
    """The page's components and its handlers."""

    def __init__(self, store: Store, look: Look) -> None:
        self.store = store
        heading("export")
        with gr.Row():
            what = gr.Dropdown(
                choices("export", list(FORMATS)),
                value="preferences",
                label=text("export.what"),
                elem_id="export-what",
                min_width=200,
            )
            form = gr.Dropdown(
                format_choices("preferences"),
                value=FORMATS["preferences"][0],
                label=text("export.format"),
                elem_id="export-format",
                min_width=220,
            )
            labels = gr.Dropdown(
                choices("export", LABELS), value=DEFAULT_LABELS, label=text("export.labels"), min_width=220
            )
            kind = gr.Dropdown(
                choices("export", KINDS), value="jsonl", label=text("export.file"), elem_id="export-kind", min_width=220
            )
        self.formats = html("export-formats", draw_formats("preferences"))
        names = gr.Checkbox(label=text("export.names"), value=False)
        make = gr.Button(text("export.make"), variant="primary", scale=0, min_width=160, elem_id="make-export")
        self.status, self.files, self.models = html(), html("export-files"), html("export-models")
        self.seen = hidden()
        what.change(self.offer_formats, what, [form, self.formats], **QUIET)
        make.click(self.make, [what, form, labels, kind, names], [self.status, self.files], **QUIET)
        shown = [self.seen, self.files, self.models]
        gr.on(look, self.refresh, [self.seen], shown, **QUIET)

    def refresh(self, seen: str) -> Updates:
        """Draw files and command again when a file or a policy was added."""
        policy, files = newest_policy(self.store), draw_files(self.store.home / "exports")
        if (mark := f"{policy} {hash(files)}") == seen:
            return unchanged()
        return {self.seen: mark, self.files: files, self.models: draw_models(self.store.home, policy)}

    def offer_formats(self, what: str) -> tuple[gr.Dropdown, str]:
        """Offer the formats of these rows."""
        return gr.Dropdown(choices=format_choices(what), value=FORMATS[what][0]), draw_formats(what)

    def make(self, what: str, form: str, labels: str, kind: str, names: bool) -> Updates:
        """Write the file and list it."""
        line = make_file(self.store, what, form, labels, kind, names, by=audit_name(current_account()))
        return {self.status: line, self.files: draw_files(self.store.home / "exports")}


def format_choices(what: str) -> list[tuple[str, str]]:
    """Return (label, format) for rows of that kind."""
    return choices("export", FORMATS[what])


def draw_formats(what: str) -> str:
    """Return the formats of these rows, each with one line about it."""
    about = {form: "events" if what == "events" else form for form in FORMATS[what]}
    lines = "".join(
        f"<li><b>{esc(text(f'export.choice_{form}'))}</b>: {esc(text(f'export.about_{key}'))}</li>"
        for form, key in about.items()
    )
    return f"<ul class=soft>{lines}</ul>"


def make_file(
    store: Store, what: str, form: str, labels: str, kind: str = "jsonl", names: bool = False, *, by: str
) -> str:
    """Write a file into the home's exports and return the line to show. `by`: the actor for the audit list."""
    folder = store.home / "exports"
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    out = folder / f"{what}-{form}-{moment}.{kind}"
    try:
        folder.mkdir(exist_ok=True)
        request = ExportRequest(what, form, labels, names=names)
        done = _zipped(store, out, request, by) if kind == "zip" else export_rows(store, out, request, by=by)
    except BadInput as problem:
        return message_html(problem)
    except OSError as error:
        return message_html(make_write_error(out, error))
    omitted = "".join(
        text("export.omitted", n=count, reason=translate_line(reason, reader_language()))
        for reason, count in done["omitted"].items()
    )
    return message_html(text("export.written", n=done["rows"], omitted=omitted))


def exported_files(folder: Path) -> list[Path]:
    """Return the files of the folder. A name from outside is compared with theirs and never becomes a path."""
    return [file for file in folder.glob("*") if file.is_file() and not file.name.startswith(".")]


def draw_files(folder: Path) -> str:
    """Return the newest exported files, or that there is none."""
    return list_files(exported_files(folder)) or empty(text("export.no_file"))


def draw_files_of(home: Path, model: str) -> str:
    """Return the exported files of a policy or reward model, by its id, as downloads; empty for none."""
    return list_files([file for file in exported_files(home / "exports") if file.name.startswith(f"{model}-")])


def list_files(files: Sequence[Path]) -> str:
    """Return the newest of these files, each as a download with its size; empty for none."""
    sized = sorted(((file, file.stat()) for file in files), key=lambda pair: pair[1].st_mtime, reverse=True)[:20]
    items = "".join(
        f"<p><a href='{ADDRESS}{esc(file.name)}' download>{esc(file.name)}</a>"
        f" <span class=soft>{format_bytes(stat.st_size)}</span></p>"
        for file, stat in sized
    )
    return f"<div class=card>{items}</div>" if items else ""


def newest_policy(store: Store) -> str:
    """Return the newest policy with weights of its own, or NO_POLICY."""
    try:
        return choose_start(store, "").public
    except BadInput:
        return NO_POLICY


def draw_models(home: Path, policy: str) -> str:
    """Return a link to the page that exports policies, and the command that writes folders; empty without a policy."""
    if policy == NO_POLICY:
        return ""
    words = ["preference-loop", "export", policy, "--what", "policy", "--id", policy, "--home", str(home.absolute())]
    merge, reward = "<code>--merge</code>", "<code>--what reward-model --id r1</code>"
    policies = f"<a href='#policies'>{esc(text('policies.title'))}</a>"
    lead, about = text("export.model_lead", policies=policies), text("export.model_about", merge=merge, reward=reward)
    return f"<p class=soft>{lead} <code>{esc(shlex.join(words))}</code><br>{about}</p>"


def download(store: Store) -> Route:
    """Return the route GET /train/exports/NAME: a file of the home's exports folder, for researchers."""
    folder = store.home / "exports"

    async def send(request: Request, account: Account) -> FileResponse:
        name = request.path_params["name"]
        file = next((file for file in exported_files(folder) if file.name == name), None)
        if file is None:
            raise HTTPException(404, "there is no such file")
        await run_in_threadpool(store.audit.add, audit_name(account), "download export", file=name)
        return FileResponse(file, filename=name, media_type="application/octet-stream")

    return Route(f"/train/{ADDRESS}{{name}}", researcher_only(send))


def _zipped(store: Store, out: Path, request: ExportRequest, by: str) -> dict:
    """Write the data set with its card as one file to download."""
    with TemporaryDirectory(prefix=".export.", dir=out.parent) as place:
        done = export_dataset(store, Path(place) / out.stem, request, "parquet", by=by)
        archive = make_archive(str(Path(place) / out.stem), "zip", root_dir=place, base_dir=out.stem)
        os.replace(archive, out)
    return done
