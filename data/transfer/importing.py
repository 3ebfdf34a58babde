# SPDX-License-Identifier: Apache-2.0
"""Import: rows of files into the store, all or nothing, and no row twice.

The files are surveyed before anything is written, so an error names the bad line and the number of good rows. The
rows are then written in chunks that count only after one last small commit. Labelers wait for a chunk at most, and
memory holds one chunk. The next import removes the rest of an import that broke off (`data.tables.imports`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from os import W_OK, access
from pathlib import Path

from data.errors import BadInput
from data.formats import AUTO
from data.formats.opening import Meter
from data.formats.values import LONGEST
from data.formats.writing import write_rows
from data.sqlite.migrations import STANDARD_PROJECT
from data.store import Store
from data.tables.imports import Pace
from data.transfer.import_survey import CheckedRow, ImportFile, Survey, check_rows
from data.transfer.import_target import ImportRow, ImportTarget, Inserter
from data.transfer.inserting import IN_PROJECTS, INSERTERS
from data.transfer.progress_bar import Progress, ignore_progress


@dataclass(frozen=True, slots=True)
class Plan:
    """The files to import, with the arguments of `import_files`."""

    files: tuple[ImportFile, ...]
    what: str
    form: str
    progress: Progress
    project_id: int = STANDARD_PROJECT[0]


def import_file(
    store: Store,
    path: Path | str,
    what: str,
    *,
    form: str = AUTO,
    skip_bad: bool = False,
    name: str | None = None,
    by: str = "command line",
    project: str = "",
) -> dict:
    """Import one file: `import_files`. `name` replaces its own name (an upload)."""
    return import_files(store, [ImportFile.at(path, name)], what, form=form, skip_bad=skip_bad, by=by, project=project)


def import_files(
    store: Store,
    files: Sequence[ImportFile],
    what: str,
    *,
    form: str = AUTO,
    skip_bad: bool = False,
    by: str = "command line",
    progress: Progress = ignore_progress,
    project: str = "",
) -> dict:
    """Import prompts, instructions, preferences, pairs or completions.

    Returns {read, added, duplicate, rejected[, rejected_file]}. Several files are one import: all or nothing. `by` is
    the actor in the audit list; `progress` is called for every chunk; `project` names the labeling project of pairs
    and comparisons (empty: Standard). Raises BadInput that names the file and the line. With `skip_bad`, bad rows go
    to FILE.rejected.jsonl with their line and reason instead.
    """
    plan = Plan(tuple(files), what, form, progress, find_project_id(store, what, project))
    with store.imports.exclusive():
        survey = _survey(plan)
        if not survey.good or (survey.bad and not skip_bad):
            raise survey.refusal(what, files)
        rejected = _write_rejected(store, plan) if survey.bad else []
        names = [file.name for file in files]
        id = store.imports.begin(by, what, names)
        try:
            with store.unhurried():
                added = _written(store, plan, id, survey)
        except BaseException:
            store.imports.remove(id)
            raise
        result: dict[str, int | str] = {
            "read": survey.good + survey.bad,
            "added": added,
            "duplicate": survey.good - added,
            "rejected": survey.bad,
        }
        if rejected:
            result["rejected_file"] = ", ".join(map(str, rejected))
        with store.transaction():
            store.imports.end(id)
            store.audit.add(
                by, "import", file=", ".join(names), what=what, **({"project": project} if project else {}), **result
            )
        store.imports.reveal(id)
        return result


def find_project_id(store: Store, what: str, name: str) -> int:
    """Return the labeling project for rows of a kind, Standard without a name.

    Raises BadInput for an unknown project, and for rows that belong to no project.
    """
    if not name:
        return STANDARD_PROJECT[0]
    if what not in IN_PROJECTS:
        raise BadInput(f"{what} belong to no labeling project", "Leave out the project.", field="project")
    return store.projects.by_name(name).id


def _written(store: Store, plan: Plan, id: int, survey: Survey) -> int:
    """Read the files again and write them, without the last commit; return the number of new rows.

    Raises BadInput if a file changed since the survey.
    """
    again, added, pace = Survey(), 0, Pace()
    inserter: Inserter = INSERTERS[plan.what]()
    for file in plan.files:
        into = ImportTarget(store, id, file.name, pace, survey.apart, plan.project_id)
        for chunk in _chunks(_good(file, plan, again), pace):
            added += inserter.add(chunk, into)
            done = again.good + again.bad
            plan.progress("written", done, done / (survey.good + survey.bad))
    if (again.good, again.bad) != (survey.good, survey.bad):
        raise BadInput(
            "the file changed while it was read", "Import it again when it is finished.", file=str(plan.files[0].path)
        )
    return added


def _survey(plan: Plan) -> Survey:
    """Survey the files at the call depth of `_written`, which decides whether a row is nested too deeply."""
    survey, meter = Survey(), Meter([file.path for file in plan.files])
    for file in plan.files:
        for _ in _chunks(_good(file, plan, survey, meter), Pace()):
            plan.progress("checked", survey.good + survey.bad, meter.share)
    return survey


def _good(file: ImportFile, plan: Plan, survey: Survey, meter: Meter | None = None) -> Iterator[ImportRow]:
    for checked in check_rows(file, plan.what, plan.form, meter):
        survey.add(checked)
        if checked.good:
            yield checked.good


def _chunks(goods: Iterator[ImportRow], pace: Pace) -> Iterator[list[ImportRow]]:
    """Yield the rows in chunks of at most `pace.size` rows and, but for the last row, `LONGEST` characters."""
    while first := next(goods, None):
        chunk, size = [first], first.size
        while size < LONGEST and len(chunk) < pace.size and (good := next(goods, None)):
            chunk.append(good)
            size += good.size
        yield chunk


def _write_rejected(store: Store, plan: Plan) -> list[Path]:
    """Write the bad rows next to each file, or into the home if that folder is read-only."""
    written = []
    for file in plan.files:
        bad = (checked for checked in check_rows(file, plan.what, plan.form) if checked.reason)
        first = next(bad, None)
        if first:
            folder = file.path.parent if _writable(file.path.parent) else store.home
            out = folder / f"{file.path.name}.rejected.jsonl"
            write_rows(out, _reasons(first, bad), force=True)
            written.append(out)
    return written


def _reasons(first: CheckedRow, others: Iterator[CheckedRow]) -> Iterator[dict]:
    for checked in chain((first,), others):
        yield {"line": checked.line, "reason": checked.reason, "row": checked.row}


def _writable(folder: Path) -> bool:
    """Return whether the folder's mode allows writing, also for root."""
    return access(folder, W_OK) and bool(folder.stat().st_mode & 0o222)
