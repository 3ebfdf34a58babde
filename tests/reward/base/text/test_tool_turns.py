# SPDX-License-Identifier: Apache-2.0
"""Templates get tools and calls as objects; a prompt of which the template drops a part is unusable, never cut."""

from __future__ import annotations

import json

import pytest

from reward.base.text.unusable_prompts import UnusablePrompt
from tests.reward.base.text.chat_forms import FORMS, make_encoding, read

CALL = {"type": "function", "function": {"name": "weather", "arguments": json.dumps({"city": "Oslo"})}}
TOOLS = json.dumps([{"type": "function", "function": {"name": "weather", "parameters": {}}}])
TURNS = [
    {"role": "system", "content": "", "tools": TOOLS},
    {"role": "user", "content": "Weather in Oslo?"},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": "5 C"},
]
TEMPLATE = (
    "{% if tools %}<|im_start|>tools\n{{ tools[0].function.name }}<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for call in m.tool_calls %}{{ call.function.name }} in {{ call.function.arguments.city }}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FORM = FORMS["ChatML"]._replace(template=TEMPLATE)


def test_a_template_that_knows_tools_writes_definitions_calls_and_answers():
    encoding = make_encoding(FORM)
    assert read(encoding, encoding.encode_template(TURNS)) == (
        "<|im_start|>tools\nweather<|im_end|>\n<|im_start|>user\nWeather in Oslo?<|im_end|>\n"
        "<|im_start|>assistant\nweather in Oslo<|im_end|>\n<|im_start|>tool\n5 C<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    ("template", "turns", "reason"),
    [
        (FORMS["ChatML"].template, TURNS, "the chat template leaves out the definition of a tool"),
        (FORMS["ChatML"].template, TURNS[1:], "the chat template leaves out a tool call"),
        (TEMPLATE.replace("arguments.city", "arguments.town"), TURNS, "the chat template leaves out an argument"),
        (TEMPLATE.replace("{{ m.content }}", ""), TURNS[1:], "the chat template leaves out the answer of a tool"),
    ],
)
def test_a_prompt_whose_tools_the_template_drops_is_left_out_with_the_reason(template, turns, reason):
    with pytest.raises(UnusablePrompt) as caught:
        make_encoding(FORM._replace(template=template)).encode_template(turns)
    assert caught.value.reason.startswith(reason)
