"""The Alpaca format: instruction, input, output, text; with chosen and rejected beside them it holds preferences.

`text` is never read: it is made again from the three by the template of the Stanford Alpaca project.
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
    """Whether a row is in this format."""
    return "instruction" in row


def read_prompt(row: dict) -> PromptShape:
    """The prompt of an Alpaca row."""
    row = _first_instance(row)
    instruction, more = read_text(row, "instruction"), _input(row)
    return InstructionShape(instruction, more, "", family=read_optional_text(row, "family")).prompt


def read_instruction(row: dict) -> InstructionShape:
    """The triple of an Alpaca row, with the family and the marked defects of the starter's rows."""
    row = _first_instance(row)
    return InstructionShape(
        read_text(row, "instruction"),
        _input(row),
        read_text(row, "output"),
        family=read_optional_text(row, "family"),
        defects=_defects(row),
    )


def read_preference(row: dict) -> PreferenceShape:
    """An Alpaca row with `chosen` and `rejected`; its `output` is not read."""
    return PreferenceShape(read_prompt(row), read_text(row, "chosen"), read_text(row, "rejected"), **read_metadata(row))


def write_instruction(shape: InstructionShape) -> dict:
    """The row of an instruction, `text` made by the template."""
    triple = {"instruction": shape.instruction, "input": shape.input, "output": shape.output}
    template = TEMPLATE_WITH_INPUT if shape.input else TEMPLATE
    return triple | {"text": template.format(**triple)}


def write_preference(shape: PreferenceShape) -> dict:
    """The row of a preference; the prompt stands whole in `instruction`, the chosen answer also in `output`."""
    if len(as_messages(shape.prompt)) > 1:
        raise BadRow("a conversation has no place in the Alpaca format")
    triple = {"instruction": shape.prompt.text, "input": "", "output": shape.chosen}
    return triple | {"chosen": shape.chosen, "rejected": shape.rejected}


def _first_instance(row: dict) -> dict:
    """Self-Instruct's task files keep input and output in `instances`, of which the first is taken."""
    instances = row.get("instances")
    if isinstance(instances, list) and instances and isinstance(instances[0], dict):
        return row | {key: instances[0].get(key, "") for key in ("input", "output")}
    return row


def _input(row: dict) -> str:
    """The input; what Alpaca files write where there is none is taken as none."""
    found = read_text(row, "input", blank=True)
    return "" if found.strip().lower() in ("", "<noinput>") else found


def _defects(row: dict) -> tuple[str, ...]:
    found = row.get("defects") or []
    if not isinstance(found, list):
        raise BadRow("'defects' must be a list of names", "defects")
    return tuple(check_text(item, "defects") for item in found)
