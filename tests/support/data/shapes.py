# SPDX-License-Identifier: Apache-2.0
"""Hypothesis strategies of prompts and answers: texts of every script, line ends, conversations, tools.

Some texts are messages or a whole transcript, which readers take for turns; some answers are empty or spaces.
"""

from __future__ import annotations

import json

from hypothesis import strategies as st

from data.formats.shapes import InstructionShape, PreferenceShape, PromptShape
from data.tables.prompts import conversation_text

MARKS = ("\n", "\r\n", " ", '"', ",", "null", "[]", "{}", "=1+1", "\u2028", "값", "🟥", "\n\nHuman:", "### Response:\n")
TURNS = (
    '[{"role": "user", "content": "Hi"}]',
    "{'from': 'human', 'value': 'Hi'}",
    "\n\nHuman: Hi\n\nAssistant:",
    "\n\nHuman: Hi\n\nAssistant: Hello.",
    "### Instruction:\nAdd.\n\n### Response:\n",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "<s>[INST] Hi [/INST] Hello.</s>",
    "[1, 2]",
)
texts = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), min_size=1, max_size=12),
    st.lists(st.sampled_from(MARKS), min_size=1, max_size=4).map("".join),
    st.sampled_from(TURNS),
).filter(str.strip)
answers = st.one_of(texts, st.sampled_from(["", "  ", "\n"]))
CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
TOOLS = json.dumps([{"type": "function", "function": {"name": "add", "parameters": {"a": {"default": [1, None]}}}}])


@st.composite
def conversations(draw):
    """A prompt of several turns, or one with a system message, and perhaps with tools and their answers."""
    system, tools = draw(st.booleans()), draw(st.sampled_from([False, False, False, True]))
    messages: list[dict] = [{"role": "system", "content": draw(texts) if system else ""}] if system or tools else []
    if tools:
        messages[0]["tools"] = TOOLS
        calling = [
            {"role": "user", "content": draw(texts)},
            {"role": "assistant", "content": draw(st.one_of(st.just(""), texts)), "tool_calls": [CALL]},
            {"role": "tool", "content": draw(texts), "tool_call_id": "c1", "name": "add"},
            {"role": "assistant", "content": draw(texts)},
        ]
        messages += calling
    for _ in range(draw(st.integers(0 if system else 1, 2))):
        messages += [{"role": role, "content": draw(texts)} for role in ("user", "assistant")]
    messages.append({"role": "user", "content": draw(texts)})
    return PromptShape(conversation_text(messages), messages)


prompts = st.one_of(texts.map(PromptShape), conversations())
models = st.sampled_from(["p1", "gpt-x", "llama y"])
preferences = st.builds(
    PreferenceShape, prompts, answers, answers, st.integers(1, 3), chosen_model=models, rejected_model=models
).filter(lambda shape: shape.chosen != shape.rejected)
instructions = st.one_of(
    st.builds(InstructionShape, texts, st.one_of(st.just(""), texts), texts),
    st.builds(
        lambda prompt, output: InstructionShape(prompt.text, "", output, prompt.messages), conversations(), texts
    ),
)
