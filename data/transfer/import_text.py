# SPDX-License-Identifier: Apache-2.0
"""The report of an import, or of its dry run, as text for people."""

from __future__ import annotations

from data.formats.columns import describe_columns


def render_import(document: dict) -> str:
    """Return the counts, the account of columns and rows, and the next step; of a dry run what it would import."""
    if "good" in document:
        return _render_preview(document)
    counts = ", ".join(f"{document[name]} {name}" for name in ("read", "added", "duplicate", "rejected"))
    if "produced" in document:
        return f"{counts}: {', '.join(document['produced'])}"
    rejected = f"; rejected rows: {document['rejected_file']}" if "rejected_file" in document else ""
    lines = [f"import {document['import']}: {counts}{rejected}", *_render_account(document), document["next"]]
    return "\n".join(lines)


def _render_account(document: dict) -> list[str]:
    """Return lines on the columns, the remarks on rows, and the bad rows by reason."""
    notes = [f"{count:,} rows: {note}" for note, count in document["notes"].items()]
    problems = [
        f"{problem['rows']:,} bad: {problem['reason']} (first: {problem['file']}:{problem['line']})"
        for problem in document["problems"]
    ]
    return [*document.get("file_notes", []), *describe_columns(document["columns"]), *notes, *problems]


def _render_preview(document: dict) -> str:
    formats = ", ".join(f"{count:,} {name}" for name, count in document["formats"].items()) or "none"
    parts = [f"{document['good']:,} good rows ({formats}), {document['bad']:,} bad"]
    counts = [f"{document[name]:,} {name}" for name in ("comparisons", "rankings") if document[name]]
    if counts:
        parts.append(f"{' and '.join(counts)} by {document['labelers'] or 1} labelers")
    if document["duplicate"]:
        parts.append(f"{document['duplicate']:,} are in the store already")
    if document["near"]:
        parts.append(f"{document['near']:,} nearly repeat an earlier row")
    lines = ["; ".join([*parts, "nothing was written"]), *_render_account(document), document["first_bad"]]
    return "\n".join(filter(None, lines))
