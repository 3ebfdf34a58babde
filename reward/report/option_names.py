# SPDX-License-Identifier: Apache-2.0
"""Options of the command line as fields of the researcher's pages, in the reader's language."""

from __future__ import annotations

from data.errors import Names, rename_options
from data.formats import KEYS
from labeling.texts.pages import text


def _name(field: str, value: str = "") -> str:
    label = text(field)
    return f"“{label}: {value}”" if value else f"“{label}”"


FIELDS: Names = {
    "as": lambda value: _name("data.what", text(f"data.choice_{value}") if value in KEYS else value),
    "map": lambda value: _name("data.columns", value),
    "labels": lambda value: _name("export.labels", value),
    "set": lambda value: value,  # a field of a run's form has the name of its setting
    "format": lambda value: text("data.only_command", option=f"--format {value}".rstrip()),
    "encoding": lambda value: _name("data.encoding"),
    "skip-bad": lambda value: _name("data.skip_bad"),
    "dry-run": lambda value: _name("data.preview"),
}


def name_fields(message: str) -> str:
    """Return a message with the fields of the pages in place of options."""
    return rename_options(message, FIELDS)
