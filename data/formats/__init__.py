"""The file formats that data comes and goes in: each a few pure functions, row -> shape and shape -> row.

`read_row` finds a row's format by its keys, or takes the one that is named. Nothing here knows the store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from data.formats import alpaca, hh, trl
from data.formats.conversation import answer_of, prompt_of
from data.formats.fields import BadRow, optional_text, wanted
from data.formats.shapes import CompletionShape, PreferenceShape

Reader = Callable[[dict], Any]

AUTO = "auto"
FORMATS = ("alpaca", "trl", "hh")
ALIASES = {"trl-implicit": "trl", "trl-conversational": "trl"}  # what export writes, import reads by name
MODULES = {"alpaca": alpaca, "hh": hh, "trl": trl}  # looked at in this order
NOUN = {"prompts": "prompt", "instructions": "instruction", "preferences": "preference"}
KEYS = {
    "prompts": "'prompt', 'messages' or 'instruction'",
    "instructions": "'instruction' and 'output', 'prompt' and 'completion', or 'messages'",
    "preferences": "'chosen' and 'rejected' (with 'prompt' or 'instruction')",
    "completions": "'prompt' (or 'instruction'), 'response' and 'model'",
}


def read_row(row: dict, what: str, form: str = AUTO) -> Any:
    """The shape of one row of `what`. Raises BadRow with the reason."""
    if what == "completions":
        return completion(row)
    name = ALIASES.get(form, form)
    if name == AUTO:
        name = next((name for name, module in MODULES.items() if module.matches(row)), "trl")
    reader = getattr(MODULES[name], NOUN[what], None)
    if reader is None:
        raise BadRow(f"the {name} format holds no {what}: rows need {KEYS[what]}")
    shape = reader(row)
    if isinstance(shape, PreferenceShape) and shape.chosen == shape.rejected:
        raise BadRow("'chosen' and 'rejected' are the same text", "rejected")
    return shape


def completion(row: dict) -> CompletionShape:
    """An answer of another model: its prompt, `response` (or `completion`, `output`) and `model`."""
    asked = alpaca.prompt(row) if "instruction" in row else prompt_of(wanted(row, "prompt"), "prompt")
    key = next((key for key in ("response", "completion", "output") if key in row), "response")
    return CompletionShape(asked, answer_of(wanted(row, key), key), optional_text(row, "model"))
