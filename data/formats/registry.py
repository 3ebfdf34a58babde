# SPDX-License-Identifier: Apache-2.0
"""The row formats: every module below `data.formats.rows` that has a NAME. A new file there is a new format.

The contract of such a module stands in the docstring of that package.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

from data.formats import rows
from data.formats.rows import preference_metadata

AUTO = "auto"
ALIASES = {
    "trl-conversational": "trl",
    **dict.fromkeys(("fireworks", "together"), "openai"),
    **dict.fromkeys(("fireworks-dpo", "together-dpo"), "openai-dpo"),
    **dict.fromkeys(("lmsys-chat", "ultrachat", "red-team"), "chat-log"),
    **dict.fromkeys(("orca", "openorca"), "question-answer"),
    **dict.fromkeys(("dolly", "self-instruct"), "alpaca"),
    "unsloth": "sharegpt",
}
"""Other names -> the import format that reads them: names of export formats, and of data sets and tools."""
READERS = {
    "prompts": "read_prompt",
    "instructions": "read_instruction",
    "preferences": "read_preference",
    "pairs": "read_preference",
    "completions": "read_completion",
}
"""Rows of a kind -> the function of a format's module that reads one; a format without it holds no such rows."""
SHARED = {
    "family": "family",
    "facts": "facts",
    "history": "earlier turns",
    "tools": "tools",
    "functions": "tools",
    "defects": "defects",
    **dict.fromkeys(("system", "system_prompt", "system_message"), "system message"),
    **dict.fromkeys(("response", "completion", "output", "answer"), "answer"),
    **dict.fromkeys(("model", "generator", "model_name"), "model"),
}
"""Columns that several formats read."""


@dataclass(frozen=True, slots=True)
class Format:
    """A row format: its name, the sets of keys by which it is detected, and its module."""

    name: str
    needs: tuple[frozenset[str], ...]
    module: ModuleType
    fits: Callable[[Mapping[str, Any]], bool] | None = None
    """Whether the values of a row with the right keys are those of this format; None if the keys decide."""

    def reader(self, what: str) -> Callable[..., Any] | None:
        """Return the function that reads a row of this kind; None if the format holds no such rows."""
        return getattr(self.module, READERS[what], None)

    def role(self, column: str) -> str:
        """Return what the format reads a column as."""
        own: Mapping[str, str] = self.module.COLUMNS
        return own.get(column) or preference_metadata.COLUMNS.get(column) or SHARED.get(column) or "value"


def _find_formats() -> dict[str, Format]:
    found = {}
    for info in sorted(pkgutil.walk_packages(rows.__path__, f"{rows.__name__}."), key=lambda info: info.name):
        module = importlib.import_module(info.name)
        if hasattr(module, "NAME"):
            found[module.NAME] = Format(module.NAME, tuple(module.NEEDS), module, getattr(module, "fits", None))
    return dict(sorted(found.items()))


FORMATS = _find_formats()
"""Every format by its name."""


@lru_cache(maxsize=1024)
def _candidates(keys: frozenset[str]) -> tuple[Format, ...]:
    """Return the formats of a row with these keys. Those that need more of them come first, then by name."""
    sizes = {form.name: max((len(need) for need in form.needs if need <= keys), default=0) for form in FORMATS.values()}
    return tuple(sorted((FORMATS[name] for name, size in sizes.items() if size), key=lambda form: -sizes[form.name]))


def find_format(row: Mapping[str, Any]) -> Format | None:
    """Return the format of a row by its keys, and by its values where keys do not decide; None for an unknown one."""
    for form in _candidates(frozenset(row)):
        if form.fits is None or form.fits(row):
            return form
    return None
