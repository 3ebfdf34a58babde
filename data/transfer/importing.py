# SPDX-License-Identifier: Apache-2.0
"""Import: rows of files into the store, all or nothing, and no row twice.

The files are surveyed before anything is written, so an error names the bad line and the number of good rows. The
rows are then written in chunks that count only after one last small commit. Labelers wait for a chunk at most, and
memory holds one chunk. The next import removes the rest of an import that broke off (`data.tables.imports`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import BadInput
from data.formats import AUTO
from data.formats.files.opening import Meter
from data.formats.mapping import format_mapping
from data.formats.values import LONGEST
from data.sqlite.schema.projects import STANDARD_PROJECT
from data.store import Store
from data.tables.imports import Pace, folder_of
from data.texts import Translatable, join_texts
from data.transfer.checked_rows import CheckedRow, ImportFile, Reading, check_rows
from data.transfer.import_sources import expand, notes_of
from data.transfer.import_survey import Survey
from data.transfer.import_target import ImportRow, ImportTarget, Inserter
from data.transfer.inserting import IN_PROJECTS, INSERTERS
from data.transfer.progress_bar import Progress, ignore_progress
from data.transfer.rejected_rows import write_rejected


@dataclass(frozen=True, slots=True)
class Plan:
    """The files to import with the names of their sources, and the arguments of `import_files`."""

    files: tuple[ImportFile, ...]
    sources: tuple[str, ...]
    reading: Reading
    progress: Progress
    project_id: int = STANDARD_PROJECT[0]


def import_file(
    store: Store,
    path: Path | str,
    what: str,
    *,
    form: str = AUTO,
    skip_bad: bool | Path = False,
    name: str | None = None,
    by: str = "command line",
    project: str = "",
) -> dict:
    """Import one file: `import_files`. `name` replaces its own name (an upload)."""
    return import_files(
        store, [ImportFile.at(path, name)], Reading(what, form), skip_bad=skip_bad, by=by, project=project
    )


def import_files(
    store: Store,
    files: Sequence[ImportFile],
    reading: Reading | str,
    *,
    skip_bad: bool | Path = False,
    by: str = "command line",
    progress: Progress = ignore_progress,
    project: str = "",
) -> dict:
    """Import prompts, instructions, preferences, pairs or completions, the kind that `reading` is or names.

    Returns {read, added, duplicate, rejected, import, next, columns, notes, problems} and, where there are any,
    `file_notes` and `rejected_file`. A row that holds several, such as four rated answers, counts as several; the rows
    of a ranking count as one. Several files are one import: all or nothing. `by` is the actor in the audit list;
    `progress` is called for every chunk; `project` names the labeling project of pairs and comparisons (empty:
    Standard). Raises BadInput that names the file and the line. With `skip_bad`, bad rows go with their line and reason
    to a file in the home's `rejected` folder, or to this path.
    """
    reading = Reading(reading) if isinstance(reading, str) else reading
    project_id = find_project_id(store, reading.what, project)
    files, notes = expand(files)
    with store.imports.exclusive():
        plan = Plan(tuple(files), store.imports.name_sources(files), reading, progress, project_id)
        survey = _survey(plan)
        if not survey.good or (survey.bad and not skip_bad):
            raise survey.refusal(files)
        written = write_rejected(store, files, reading, skip_bad) if survey.bad else None
        places = dict.fromkeys(zip(plan.sources, (folder_of(file.path) for file in files), strict=True))
        id = store.imports.begin(by, reading.what, *zip(*places, strict=True))
        try:
            with store.unhurried():
                added = _written(store, plan, id, survey)
        except BaseException:
            store.imports.remove(id)
            raise
        counts: dict[str, int | str] = {
            "read": survey.shapes + survey.bad,
            "added": added,
            "duplicate": survey.shapes - added,
            "rejected": survey.bad,
        }
        if written:
            counts["rejected_file"] = str(written)
        with store.transaction():
            store.imports.end(id)
            about = {"file": ", ".join(file.name for file in files), "what": reading.what, "project": project}
            about["map"] = format_mapping(reading.mapping)
            store.audit.add(by, "import", **{name: value for name, value in about.items() if value}, **counts)
        store.imports.reveal(id)
        told = [*notes, *notes_of(files)]
        about_files = {"file_notes": told} if told else {}
        return {
            **counts,
            **about_files,
            "import": id,
            "next": next_step(store, reading.what, id, added),
            **survey.report(),
        }


def next_step(store: Store, what: str, id: int, added: int) -> str:
    """Return what an import added, and the step that it makes possible."""
    if not added:
        return Translatable.of("next.none")
    if what in ("pairs", "completions"):
        waiting = store.value("SELECT count(*) FROM pairs WHERE import_id = ? AND shown", [id])
        key = "next.waiting" if waiting else "next.no_pair"
        return Translatable.of(key, count=Translatable.of(f"count.{what}", n=added), n=waiting)
    ranked = store.value("SELECT count(*) FROM rankings WHERE import_id = ?", [id])
    name = "comparisons" if what == "preferences" else what
    counts = [Translatable.of(f"count.{of}", n=n) for n, of in ((added - ranked, name), (ranked, "rankings")) if n]
    return Translatable.of(f"next.{what}", count=join_texts("and", counts))


def find_project_id(store: Store, what: str, name: str) -> int:
    """Return the labeling project for rows of a kind, Standard without a name.

    Raises BadInput for an unknown project, and for rows that belong to no project.
    """
    if not name:
        return STANDARD_PROJECT[0]
    if what not in IN_PROJECTS:
        raise BadInput.of("error.import_project", field="project", what=what)
    return store.projects.by_name(name).id


def _written(store: Store, plan: Plan, id: int, survey: Survey) -> int:
    """Read the files again and write them, without the last commit; return the number of new shapes.

    Raises BadInput if a file changed since the survey.
    """
    good, bad, added, pace = 0, 0, 0, Pace()

    def count(checked: CheckedRow) -> None:
        nonlocal good, bad
        good, bad = good + (not checked.reason), bad + bool(checked.reason)

    inserter: Inserter = INSERTERS[plan.reading.what]()
    for file, source in zip(plan.files, plan.sources, strict=True):
        into = ImportTarget(store, id, source, pace, survey.apart, plan.project_id)
        for chunk in _chunks(_good(file, plan, count), pace):
            added += inserter.add(chunk, into)
            plan.progress("written", good + bad, (good + bad) / (survey.good + survey.bad))
    if (good, bad) != (survey.good, survey.bad):
        raise BadInput.of("error.file_changed", file=str(plan.files[0].source))
    return added


def _survey(plan: Plan) -> Survey:
    """Survey the files at the call depth of `_written`, which decides whether a row is nested too deeply."""
    survey, meter = Survey(plan.reading), Meter([file.source for file in plan.files])
    for file in plan.files:
        for _ in _chunks(_good(file, plan, survey.add, meter), Pace()):
            plan.progress("checked", survey.good + survey.bad, meter.share)
    return survey


def _good(
    file: ImportFile, plan: Plan, count: Callable[[CheckedRow], None], meter: Meter | None = None
) -> Iterator[ImportRow]:
    for checked in check_rows(file, plan.reading, meter):
        count(checked)
        yield from checked.good


def _chunks(goods: Iterator[ImportRow], pace: Pace) -> Iterator[list[ImportRow]]:
    """Yield the rows in chunks of at most `pace.size` rows and, but for the last row, `LONGEST` characters."""
    while first := next(goods, None):
        chunk, size = [first], first.size
        while size < LONGEST and len(chunk) < pace.size and (good := next(goods, None)):
            chunk.append(good)
            size += good.size
        yield chunk
