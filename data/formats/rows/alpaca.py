# SPDX-License-Identifier: Apache-2.0
"""The Alpaca format: instruction, input, output, text; with `chosen` and `rejected` it holds preferences.

`text` is never read. Export writes it from the other three by the template of the Stanford Alpaca project.
"""

from __future__ import annotations

from data.formats.rows.conversation import as_messages
from data.formats.rows.fields import BadRow, check_text, read_optional_text, read_text
from data.formats.rows.preference_metadata import read_metadata
from data.formats.shapes import InstructionShape, PreferenceShape, PromptShape

TEMPLATE = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:\n{output}"
)
TEMPLATE_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n{output}"
)


def matches(row: dict) -> bool:
    """Return whether a row is in this format."""
    return "instruction" in row


def read_prompt(row: dict) -> PromptShape:
    """Return the prompt of an Alpaca row."""
    row = _first_instance(row)
    instruction, input = read_text(row, "instruction"), _input(row)
    return InstructionShape(instruction, input, "", family=read_optional_text(row, "family")).prompt


def read_instruction(row: dict) -> InstructionShape:
    """Return the triple of a row, with the family and the marked defects of the starter's rows."""
    row = _first_instance(row)
    return InstructionShape(
        read_text(row, "instruction"),
        _input(row),
        read_text(row, "output"),
        family=read_optional_text(row, "family"),
        defects=_defects(row),
    )


def read_preference(row: dict) -> PreferenceShape:
    """Return the preference of a row with `chosen` and `rejected`; its `output` is not read."""
    return PreferenceShape(read_prompt(row), read_text(row, "chosen"), read_text(row, "rejected"), **read_metadata(row))


def write_instruction(shape: InstructionShape) -> dict:
    """Return the row of an instruction, with `text` from the template."""
    triple = {"instruction": shape.instruction, "input": shape.input, "output": shape.output}
    template = TEMPLATE_WITH_INPUT if shape.input else TEMPLATE
    return triple | {"text": template.format(**triple)}


def write_preference(shape: PreferenceShape) -> dict:
    """Return the row of a preference: the whole prompt in `instruction`, the chosen answer also in `output`.

    Raises BadRow for a conversation of several turns.
    """
    if len(as_messages(shape.prompt)) > 1:
        raise BadRow("the Alpaca format cannot hold a conversation of several turns")
    triple = {"instruction": shape.prompt.text, "input": "", "output": shape.chosen}
    return triple | {"chosen": shape.chosen, "rejected": shape.rejected}


def _first_instance(row: dict) -> dict:
    """Return the row with input and output of its first `instances` entry, as in Self-Instruct's task files."""
    instances = row.get("instances")
    if isinstance(instances, list) and instances and isinstance(instances[0], dict):
        return row | {key: instances[0].get(key, "") for key in ("input", "output")}
    return row


def _input(row: dict) -> str:
    """Return the input; the placeholders that Alpaca files write for no input become empty."""
    value = read_text(row, "input", blank=True)
    return "" if value.strip().lower() in ("", "<noinput>") else value


def _defects(row: dict) -> tuple[str, ...]:
    defects = row.get("defects") or []
    if not isinstance(defects, list):
        raise BadRow("'defects' must be a list of names", "defects")
    return tuple(check_text(item, "defects") for item in defects)
