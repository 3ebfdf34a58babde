# SPDX-License-Identifier: Apache-2.0
"""The Alpaca format: instruction, input, output, text; with `chosen` and `rejected` it holds preferences.

`text` is never read. Export writes it from the other three by the template of the Stanford Alpaca project.
"""

from __future__ import annotations

from typing import Any

from data.formats.rows.conversation import add_context, read_answer
from data.formats.rows.export_values import write_text, write_text_prompt
from data.formats.rows.fields import BadRow, Row, check_text, read_names, read_nested, read_optional_text, read_text
from data.formats.rows.preference_metadata import check_learned, make_preference
from data.formats.shapes import InstructionShape, PairShape, PreferenceShape, PromptShape
from data.formats.tracked_row import is_blank
from data.texts import join_texts

NAME = "alpaca"
NEEDS = (
    frozenset({"instruction"}),
    frozenset({"instruction", "output"}),
    frozenset({"instruction", "chosen", "rejected"}),
)
COLUMNS = {
    "instruction": "prompt",
    "input": "prompt",
    "context": "prompt",
    "instances": "prompt and answer",
    "output": "answer",
    "response": "answer",
    "chosen": "better answer",
    "rejected": "worse answer",
}
TEMPLATE = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:\n{output}"
)
TEMPLATE_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n{output}"
)


def read_prompt(row: Row) -> PromptShape | list[PromptShape]:
    """Return the prompt of an Alpaca row, after its system message and history; of several instances one each."""
    prompts = [_prompt(row, instruction, input) for instruction, input, _ in _triples(row)]
    return prompts if len(prompts) > 1 else prompts[0]


def read_only_prompt(row: Row) -> PromptShape:
    """Return the prompt of a row of one instance."""
    return _prompt(row, read_text(row, "instruction"), _input(row))


def read_instruction(row: Row) -> InstructionShape | list[InstructionShape]:
    """Return the triple of a row, with the family and the marked defects of the starter's rows."""
    check_learned(row)
    defects = read_names(row, "defects")
    shapes = [_instruction(row, *triple, defects) for triple in _triples(row)]
    return shapes if len(shapes) > 1 else shapes[0]


def read_preference(row: Row) -> PreferenceShape | PairShape:
    """Return the preference of a row with `chosen` and `rejected`; its `output` is not read."""
    prompt = read_only_prompt(row)
    return make_preference(
        row, prompt, read_answer(row, "chosen", prompt, blank=True), read_answer(row, "rejected", prompt, blank=True)
    )


def write_instruction(shape: InstructionShape) -> dict:
    """Return the row of an instruction, with `text` from the template. Raises BadRow for a conversation."""
    write_text_prompt(shape.prompt, "Alpaca")
    if shape.input and _is_none(shape.input):
        raise BadRow.of("row.alpaca_input")
    triple = {"instruction": shape.instruction, "input": shape.input, "output": write_text(shape.output, "Alpaca")}
    template = TEMPLATE_WITH_INPUT if shape.input else TEMPLATE
    return triple | {"text": template.format(**triple)}


def write_preference(shape: PreferenceShape) -> dict:
    """Return the row of a preference: the whole prompt in `instruction`, the chosen answer also in `output`.

    Raises BadRow for a conversation.
    """
    chosen, rejected = (write_text(answer, "Alpaca") for answer in (shape.chosen, shape.rejected))
    prompt = write_text_prompt(shape.prompt, "Alpaca")
    return {"instruction": prompt, "input": "", "output": chosen, "chosen": chosen, "rejected": rejected}


def _triples(row: Row) -> list[tuple[str, str, Any]]:
    """Return instruction, input and output; of Self-Instruct's task files those of each instance."""
    instruction = read_text(row, "instruction")
    if is_blank(row.peek("instances")):
        return [(instruction, _input(row), None)]
    instances = read_nested(row, "instances")
    if (
        not isinstance(instances, list)
        or not instances
        or not all(isinstance(instance, dict) for instance in instances)
    ):
        raise BadRow.of("row.list_of", "instances", keys=join_texts("and", ("'input'", "'output'")))
    parts = [row.part(instance, f"instances[{number}]") for number, instance in enumerate(instances)]
    return [(instruction, _input(part), None if row.what == "prompts" else part.get("output")) for part in parts]


def _instruction(row: Row, instruction: str, input: str, output: Any, defects: tuple[str, ...]) -> InstructionShape:  # noqa: ANN401 (any JSON value)
    prompt = _prompt(row, instruction, input)
    key = _output(row)
    text = check_text(output if not is_blank(row.peek("instances")) else read_answer(row, key), key)
    if prompt.messages:  # the turns before the instruction leave no triple
        return InstructionShape(prompt.text, "", text, prompt.messages, prompt.family, defects)
    return InstructionShape(instruction, input, text, family=prompt.family, defects=defects)


def _prompt(row: Row, instruction: str, input: str) -> PromptShape:
    prompt = InstructionShape(instruction, input, "", family=read_optional_text(row, "family")).prompt
    return add_context(row, prompt)


def _output(row: Row) -> str:
    """Return the column of the answer; Dolly's files call it `response`."""
    return "response" if "response" in row and "output" not in row else "output"


def _is_none(input: str) -> bool:
    """Return whether an input is a placeholder that Alpaca files write for no input."""
    return input.strip().lower() in ("", "<noinput>")


def _input(row: Row) -> str:
    """Return the input, or Dolly's `context`; the placeholders that Alpaca files write for no input become empty."""
    texts = {key: read_text(row, key, blank=True) for key in ("input", "context") if key in row}
    texts = {key: text for key, text in texts.items() if not _is_none(text)}
    if len(texts) > 1:
        raise BadRow.of("row.input_and_context", "context")
    return next(iter(texts.values()), "")
