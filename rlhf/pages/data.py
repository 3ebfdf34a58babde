"""Data: bring in files after a look at them, and see what is there: prompts, instruction rows, their sources and splits, every row as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from data.errors import BadInput
from data.splits import SPLITS
from data.store import Store
from data.tables.catalogue import Entry
from data.transfer.import_survey import ImportFile
from data.transfer.importing import import_files
from data.transfer.inserting import IN_PROJECTS
from data.transfer.previewing import Preview, preview
from labeling.accounts.current import current_account
from labeling.accounts.management import audit_name
from rlhf.pages.components import QUIET, WHERE, Looks, empty, esc, heading, html, said
from rlhf.pages.upload import FOLDER, chosen, incoming
from rlhf.pages.upload_progress import Readings

GUESS = "auto"
KINDS = {"instructions": "Instruction rows", "prompts": "Prompts"}
NAMES = {
    GUESS: "what they look like",
    "prompts": "prompts",
    "instructions": "instruction rows",
    "preferences": "preferences",
    "pairs": "pairs to be judged",
    "completions": "answers of other models",
}
SHOWN, LONGEST = 20, 20_000
SEND = (
    "<p><label for=data-file>Upload a file (JSON, JSON lines, CSV or Parquet, gzipped or not, up to 1 GiB)</label><br>"
    "<input id=data-file type=file onchange='sendFile(this)'> <span id=data-sent class=said role=status data-sending='sending …' "
    "data-done='is in the import folder.' data-failed='The server did not take the file. Try again.'></span></p>"
)


class DataPage:
    """The components, and the handlers that fill them; between two calls they keep nothing but how far a file is that is being read."""

    def __init__(self, store: Store, looks: Looks) -> None:
        self.store, self.readings = store, Readings()
        heading(
            "Data",
            "Prompts, instruction rows, preferences and answers come in here. Nothing is written before you have seen what a file holds.",
        )
        html(value=SEND)
        with gr.Row(elem_classes="line"):
            self.file = gr.Dropdown(
                [], label="File in the import folder", elem_id="data-files", min_width=280, filterable=False
            )
            kinds = [(label, name) for name, label in NAMES.items()]
            self.what = gr.Dropdown(
                kinds, value=GUESS, label="Its rows are", elem_id="data-what", min_width=200, filterable=False
            )
            look = gr.Button("Look at it", elem_id="data-look", scale=0, min_width=120)
        reading, found = html("data-reading"), html("data-preview")
        with gr.Row(elem_classes="line"):
            self.project = gr.Dropdown(
                [],
                label="Into the labeling project",
                elem_id="data-project",
                visible=False,
                min_width=220,
                filterable=False,
            )
            self.skip = gr.Checkbox(
                False, label="Leave bad rows out", elem_id="data-skip", visible=False, min_width=180
            )
            bring = gr.Button("Import", variant="primary", elem_id="data-import", visible=False, scale=0, min_width=120)
        told = html("data-told")
        html(value="<h2>What is there</h2>")
        counted = html("data-counts")
        with gr.Row(elem_classes="line"):
            shown = [(label, name) for name, label in KINDS.items()]
            kind = gr.Dropdown(shown, value="instructions", label="Show", elem_id="data-kind", min_width=200)
            self.source = gr.Dropdown([("all", "")], value="", label="Source", elem_id="data-source", min_width=200)
            split = gr.Dropdown(
                [("all", ""), *((name, name) for name in SPLITS)], value="", label="Split", min_width=120
            )
            find = gr.Textbox(label="Containing", elem_id="data-find", min_width=180, max_lines=1)
        rows = html("data-rows")
        more = gr.Button("Older rows", elem_id="data-more", visible=False, scale=0, min_width=120)
        last, where, listed = (gr.Textbox(visible="hidden") for _ in range(3))
        choice, shelf = [kind, self.source, split, find], [rows, more, last]
        gr.on(
            looks,
            self.tick,
            [where, listed, *choice],
            [reading, listed, self.file, counted, self.source, *shelf],
            js=WHERE,
            **QUIET,
        )
        offered = [self.project, self.skip, bring]
        look.click(self.look, [self.file, self.what], [found, told, *offered], **QUIET)
        gr.on([self.file.change, self.what.change], self.forget, None, [found, *offered], **QUIET)
        bring.click(self.bring, [self.file, self.what, self.project, self.skip], [told, listed, *offered], **QUIET)
        gr.on([kind.change, self.source.change, split.change, find.submit], self.show, choice, shelf, **QUIET)
        more.click(self.older, [*choice, last], shelf, **QUIET)

    def tick(self, place: str, listed: str, kind: str, source: str, split: str, find: str) -> list:
        """Draw again what has changed since it was drawn, so that an opened row stays open."""
        account = current_account()
        if place != "#data":
            return [gr.skip()] * 8
        files, counts = [path.name for path in incoming(self.store)], draw_counts(self.store)
        state = f"{hash(tuple(files))} {hash(counts)}"
        reading = self.readings.draw(account)
        if listed == state:
            return [reading, *[gr.skip()] * 7]
        changed = state.split()[0] != listed.partition(" ")[0]
        sources = sorted({row["source"] for name in KINDS for row in self.store.catalogue.counts(name)})
        return [
            reading,
            state,
            self.offer(files) if changed else gr.skip(),
            counts,
            gr.Dropdown(choices=[("all", ""), *((name, name) for name in sources)]),
            *self.show(kind, source, split, find),
        ]

    def offer(self, files: list[str]) -> gr.Dropdown:
        """The files to choose from, the newest chosen; without one, how it comes there."""
        info = (
            None if files else f"None yet. Upload one above, or put it into {self.store.home / FOLDER} on the server."
        )
        return gr.Dropdown(choices=files, value=files[0] if files else None, info=info)

    def look(self, name: str, what: str) -> list:
        """Show what the file holds, and offer to bring it in."""
        account = current_account()
        try:
            file = chosen(self.store, name or "")
            with self.readings.of(account, file.name) as progress:
                found = preview(
                    [ImportFile.at(file)], None if what == GUESS else what, store=self.store, progress=progress
                )
        except BadInput as problem:
            return ["", said(bare(problem)), *hidden()]
        names = [project.name for project in self.store.projects.all()]
        asked = found.what in IN_PROJECTS and found.good > 0 and len(names) > 1
        return [
            draw_preview(found),
            "",
            gr.Dropdown(choices=names, value=names[0], visible=asked),
            gr.Checkbox(value=False, visible=bool(found.bad and found.good)),
            gr.Button(f"Import {found.good:,} rows as {NAMES[found.what]}", visible=found.good > 0),
        ]

    def forget(self) -> list:
        """What was seen was of another file."""
        return ["", *hidden()]

    def bring(self, name: str, what: str, project: str | None, skip: bool) -> list:
        """Import the file as it was seen; the rows that were there are drawn again."""
        account = current_account()
        try:
            file = chosen(self.store, name or "")
            with self.readings.of(account, file.name) as progress:
                kind = preview([ImportFile.at(file)], progress=progress).what if what == GUESS else what
                into = (project or "") if kind in IN_PROJECTS else ""
                about = {"by": audit_name(account), "project": into, "progress": progress}
                done = import_files(self.store, [ImportFile.at(file)], kind, skip_bad=skip, **about)
        except BadInput as problem:
            return [said(bare(problem)), *[gr.skip()] * 4]
        apart = (
            f" The rejected rows are in {FOLDER}/{Path(done['rejected_file']).name}." if "rejected_file" in done else ""
        )
        line = f"{done['added']:,} rows added, {done['duplicate']:,} were there already, {done['rejected']:,} rejected.{apart}"
        return [said(line), "", *hidden()]

    def show(self, kind: str, source: str, split: str, find: str) -> list:
        """The newest rows that fit."""
        return self.older(kind, source, split, find, "")

    def older(self, kind: str, source: str, split: str, find: str, last: str) -> list:
        """The rows before the last one that was shown."""
        before = int(last) if last.isdecimal() else 0
        entries = self.store.catalogue.page(
            kind, source=source or "", split=split or "", find=find or "", before=before, limit=SHOWN
        )
        nothing = not (source or split or (find or "").strip() or before)
        return [
            draw_rows(entries, kind, nothing),
            gr.Button(visible=len(entries) == SHOWN),
            str(entries[-1].id) if entries else "",
        ]


def hidden() -> list[gr.components.Component]:
    """Project, choice and button of an import, while no file was looked at."""
    return [gr.Dropdown(visible=False), gr.Checkbox(visible=False), gr.Button(visible=False)]


def bare(problem: BadInput) -> BadInput:
    """The problem without the folder of its file, which says nothing to the one who sent it."""
    remedy = problem.remedy.replace("with --skip-bad", "by leaving bad rows out")
    return BadInput(problem.error, remedy, problem.file and Path(problem.file).name, problem.line)


def draw_preview(found: Preview) -> str:
    """What the file is, how many rows are good, which are not and why, and the first ones as they would be kept."""
    formats = ", ".join(f"{esc(name)}: {count:,}" for name, count in found.formats.items())
    counts = [f"<b>{found.good:,} good</b>", f"<b class={'bad' if found.bad else 'good'}>{found.bad:,} bad</b>"]
    counts += [f"{found.duplicate:,} are there already"]
    counts += [f"{found.near:,} nearly repeat an earlier row"] if found.near else []
    counts += [f"{found.comparisons:,} comparisons by {found.labelers or 1} labelers"] if found.comparisons else []
    wrong = "".join(f"<li>line {row['line']}: {esc(row['reason'])}</li>" for row in found.wrong)
    wrong = f"<p class=soft>The first bad rows</p><ul>{wrong}</ul>" if wrong else ""
    rows = "".join(
        f"<details><summary><span>{esc(shape_line(row))}</span></summary><div class=log>{esc(shape_text(row))}</div></details>"
        for row in found.shown
    )
    kept = f"<p class=soft>The first rows as they would be kept</p>{rows}" if rows else ""
    return f"<div class=card><p>{esc(NAMES[found.what]).capitalize()} ({formats or 'no format'}) · {' · '.join(counts)}</p>{wrong}{kept}</div>"


def shape_line(row: dict) -> str:
    """A row's first words."""
    return shape_text(row)[:160].replace("\n", " ")


def shape_text(row: dict) -> str:
    """A row as text: each of its values under its name."""
    parts = []
    for name, value in row.items():
        shown = value["text"] if isinstance(value, dict) and "text" in value else value
        parts.append(f"{name}: {shown}")
    return "\n".join(parts)[:LONGEST]


def draw_counts(store: Store) -> str:
    """Rows by source and split."""
    tables = "".join(_table(label, store.catalogue.counts(name)) for name, label in KINDS.items())
    running = "<p>An import is running.</p>" if any(row["done_at"] is None for row in store.imports.all()) else ""
    return f"{running}<div class='card scroll'>{tables}</div>" if tables else running


def _table(label: str, rows: Sequence[dict]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th scope=col>{name}</th>" for name in (label, *SPLITS, "all"))
    body = "".join(
        f"<tr><td>{esc(row['source'])}</td>{''.join(f'<td>{row[name]:,}</td>' for name in (*SPLITS, 'n'))}</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def draw_rows(entries: Sequence[Entry], kind: str, nothing: bool) -> str:
    """The rows, each opened by a press; without any, the step that fills the list."""
    if not entries:
        if nothing:
            fill = "Upload a file above" + (
                ", or write answers on the labelers' page." if kind == "instructions" else "."
            )
            return empty(f"There are no {KINDS[kind].lower()} yet. {fill}")
        return empty("No row fits. Take a condition away.")
    return f"<div class=card>{''.join(map(_row, entries))}</div>"


def _row(entry: Entry) -> str:
    about = " · ".join(filter(None, [entry.source, entry.split, entry.family, f"#{entry.id}", entry.created_at[:10]]))
    answer = f"<div class=log>{esc(cut(entry.answer))}</div>" if entry.answer else ""
    return (
        f"<details><summary><span>{esc(entry.task[:160])}</span><span class=soft>{esc(entry.source)} · {entry.split}</span></summary>"
        f"<div class=asked>{esc(cut(entry.task))}</div>{answer}<p class=soft>{esc(about)}</p></details>"
    )


def cut(text: str) -> str:
    """The text, or its beginning where it is very long."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text):,} characters in all)"
