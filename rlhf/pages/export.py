"""Export: make a file of preferences, instructions or events, and download it; and the command that writes a model."""

from __future__ import annotations

import os
import shlex
from datetime import UTC, datetime
from pathlib import Path
from shutil import make_archive
from tempfile import TemporaryDirectory

import gradio as gr
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from data.errors import BadInput
from data.formats.writing import make_write_error
from data.store import Store
from data.transfer.exporting import FORMATS, LABELS, ExportRequest, export_dataset, export_rows
from labeling.accounts.current import current_account
from labeling.accounts.management import audit_name
from labeling.http.requests import get_account
from rlhf.models.start_policy import choose_start
from rlhf.pages.components import QUIET, WHERE, Looks, empty, esc, heading, html, said

ADDRESS = "exports/"
"""Below the page's own address, so that it holds under any root path."""
NO_POLICY = "none"
NAMES = {
    "trl": "TRL, explicit prompt",
    "trl-implicit": "TRL, implicit prompt",
    "trl-conversational": "TRL, conversational",
    "hh": "HH transcripts",
    "alpaca": "Alpaca",
    "full": "every column, ties included",
}
KINDS = {
    "jsonl": "JSON lines",
    "jsonl.gz": "JSON lines, gzipped",
    "csv": "CSV",
    "parquet": "Parquet",
    "zip": "data set with a card, Parquet (zip)",
}
WHOSE = {"person": "people's and imported", "simulated": "simulated, marked as such", "all": "all, marked by source"}


def build(store: Store, looks: Looks) -> None:
    """The page."""
    heading(
        "Export",
        "Files for other tools. Every row says where it comes from; ties are left out of chosen and rejected, and counted.",
    )
    with gr.Row():
        what = gr.Dropdown(
            [(name.capitalize(), name) for name in FORMATS],
            value="preferences",
            label="What",
            elem_id="export-what",
            min_width=200,
        )
        form = gr.Dropdown(_formats("preferences"), value="trl", label="Format", elem_id="export-format", min_width=220)
        labels = gr.Dropdown(
            [(WHOSE[name], name) for name in LABELS], value="person", label="Whose comparisons", min_width=220
        )
        kind = gr.Dropdown(
            [(text, name) for name, text in KINDS.items()],
            value="jsonl",
            label="File",
            elem_id="export-kind",
            min_width=220,
        )
    names = gr.Checkbox(label="Labelers' names in place of pseudonyms", value=False)
    make = gr.Button("Make the file", variant="primary", scale=0, min_width=160, elem_id="make-export")
    told = html()
    files = html("export-files")
    models = html("export-models")
    where, listed = gr.Textbox(visible="hidden"), gr.Textbox(visible="hidden")

    def choose(name: str) -> gr.Dropdown:
        return gr.Dropdown(choices=_formats(name), value=FORMATS[name][0])

    def write(name: str, shape: str, whose: str, ending: str, named: bool) -> list:
        by = audit_name(current_account())
        return [make_file(store, name, shape, whose, ending, named, by=by), draw_files(store.home / "exports")]

    def tick(place: str, seen: str) -> list:
        policy = newest(store) if place == "#export" else seen
        if policy == seen:
            return [gr.skip()] * 3
        return [policy, draw_files(store.home / "exports"), draw_models(store.home, policy)]

    what.change(choose, what, form, **QUIET)
    make.click(write, [what, form, labels, kind, names], [told, files], **QUIET)
    gr.on(looks, tick, [where, listed], [listed, files, models], js=WHERE, **QUIET)


def make_file(
    store: Store, what: str, form: str, labels: str, kind: str = "jsonl", names: bool = False, *, by: str
) -> str:
    """Write the file into the home's exports; what came of it as a line. `by`: for the audit list."""
    folder = store.home / "exports"
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    out = folder / f"{what}-{form}-{moment}.{kind}"
    try:
        folder.mkdir(exist_ok=True)
        wish = ExportRequest(what, form, labels, names=names)
        done = _zipped(store, out, wish, by) if kind == "zip" else export_rows(store, out, wish, by=by)
    except BadInput as problem:
        return said(problem)
    except OSError as error:
        return said(make_write_error(out, error))
    left_out = "".join(f", {count:,} left out ({reason})" for reason, count in done["omitted"].items())
    return said(f"{done['rows']:,} rows written{left_out}.")


def _zipped(store: Store, out: Path, wish: ExportRequest, by: str) -> dict:
    """The folder with its card as one file to download."""
    with TemporaryDirectory(prefix=".export.", dir=out.parent) as place:
        done = export_dataset(store, Path(place) / out.stem, wish, "parquet", by=by)
        made = make_archive(str(Path(place) / out.stem), "zip", root_dir=place, base_dir=out.stem)
        os.replace(made, out)
    return done


def draw_files(folder: Path) -> str:
    """The files made so far, newest first, each a download."""
    made = [file for file in folder.glob("*") if file.is_file() and not file.name.startswith(".")]
    files = sorted(made, key=lambda file: file.stat().st_mtime, reverse=True)
    if not files:
        return empty("No file yet. Choose what and how, then make one.")
    items = "".join(
        f"<p><a href='{ADDRESS}{esc(file.name)}' download>{esc(file.name)}</a> <span class=soft>{file.stat().st_size / 1024:,.0f} kB</span></p>"
        for file in files[:20]
    )
    return f"<div class=card>{items}</div>"


def newest(store: Store) -> str:
    """The newest policy with weights of its own, or NO_POLICY."""
    try:
        return choose_start(store, "").public
    except BadInput:
        return NO_POLICY


def draw_models(home: Path, policy: str) -> str:
    """How a model leaves this home: written by a command, since the server itself loads none. Nothing where there is no policy."""
    if policy == NO_POLICY:
        return ""
    command = shlex.join(
        ["preference-loop", "export", policy, "--what", "policy", "--id", policy, "--home", str(home.absolute())]
    )
    return (
        f"<p class=soft>A policy as a Hugging Face folder is written by a command: <code>{esc(command)}</code><br>"
        "It is the adapter in PEFT's format; <code>--merge</code> makes it a whole model. "
        "A reward model: <code>--what reward-model --id r1</code>.</p>"
    )


def download(store: Store) -> Route:
    """GET /train/exports/NAME: a file of the home's exports folder, for researchers, never from anywhere else."""
    folder = store.home / "exports"

    async def send(request: Request) -> FileResponse:
        account, name = get_account(request), request.path_params["name"]
        if account is None or account.role != "researcher":
            raise HTTPException(403)
        file = folder / name
        if name.startswith(".") or file.parent != folder or not file.is_file():
            raise HTTPException(404)
        return FileResponse(file, filename=name, media_type="application/octet-stream")

    return Route(f"/train/{ADDRESS}{{name}}", send)


def _formats(what: str) -> list[tuple[str, str]]:
    return [(NAMES.get(form, form), form) for form in FORMATS[what]]
