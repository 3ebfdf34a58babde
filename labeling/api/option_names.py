# SPDX-License-Identifier: Apache-2.0
"""Options of the command line as parameters of the HTTP API."""

from __future__ import annotations

from functools import partial

from data.errors import Names


def _parameter(name: str, value: str) -> str:
    return f"{name}={value}" if value else name


PARAMETERS: Names = {
    **{name: partial(_parameter, name) for name in ("as", "format", "labels", "map")},
    "set": lambda value: value,
    "encoding": lambda value: "encoding",
    "skip-bad": lambda value: "skip_bad=true",
    "dry-run": lambda value: "the report of skip_bad=true",
}
