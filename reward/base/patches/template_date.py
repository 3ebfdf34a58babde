# SPDX-License-Identifier: Apache-2.0
"""Freeze the date that chat templates read by `strftime_now`.

Relies on transformers keeping one Jinja environment for each template's text, with `strftime_now` among its globals.
An argument of the template cannot replace it: transformers passes plain data only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time

from transformers.utils.chat_template_utils import _compile_jinja_template

FUNCTION = "strftime_now"


def reads_date(template: str | None) -> bool:
    """Return whether a template reads the date."""
    return FUNCTION in (template or "")


@contextmanager
def frozen_date(template: str | None, day: date) -> Iterator[None]:
    """Let this template read `day` inside the block instead of today."""
    if not reads_date(template):
        yield
        return
    functions = _compile_jinja_template(template).environment.globals
    own = functions[FUNCTION]
    functions[FUNCTION] = datetime.combine(day, time()).strftime
    try:
        yield
    finally:
        functions[FUNCTION] = own
