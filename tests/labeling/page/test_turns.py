# SPDX-License-Identifier: Apache-2.0
"""Conversations as HTML: the system message apart, earlier turns folded, tool calls and results by their names."""

from __future__ import annotations

import json

import pytest

from data.records import Prompt
from labeling.page.turns import Turn, draw_prompt, read_turns

SYSTEM = {"role": "system", "content": "Answer in <rhymes>."}
CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "서울"}'}}


def turns(*messages: dict) -> tuple[Turn, ...]:
    return read_turns(Prompt(1, "flat", list(messages), "train", "test", None, None))


def talk(count: int) -> list[dict]:
    return [{"role": ("user", "assistant")[n % 2], "content": f"turn {n}"} for n in range(count)]


def test_a_plain_prompt_has_no_turns():
    html = draw_prompt("en", read_turns(Prompt(1, "Hi <b>", None, "train", "test", None, None)))
    assert html.startswith('<section id=prompt class="scrolls" aria-label="Prompt"')
    assert "<div class=text dir=auto>Hi &lt;b&gt;</div>" in html
    assert "turn" not in html


def test_the_system_message_stands_before_the_box_and_keeps_its_first_words_when_closed():
    html = draw_prompt("en", turns(SYSTEM, *talk(3)))
    system, _, box = html.partition("<section id=prompt")
    assert system.startswith("<details class='turn pinned' open><summary><b>System prompt</b>")
    assert system.count("Answer in &lt;rhymes&gt;.") == 2
    assert "rhymes" not in box


@pytest.mark.parametrize(("count", "earlier"), [(1, 0), (4, 0), (5, 3), (81, 79)])
def test_a_long_conversation_shows_its_last_turns_and_counts_the_earlier_ones(count, earlier):
    html = draw_prompt("en", turns(SYSTEM, *talk(count)), key="c")
    assert ("<details" in html.partition("<section")[2]) is bool(earlier)
    assert (f"{earlier} earlier turns</summary>" in html) is bool(earlier)
    folded = html.partition("<details id=earlier>")[2].partition("</details>")[0]
    assert folded.count("class='turn ") == earlier
    assert all(f"turn {n}<" in html for n in range(count))


def test_without_a_key_no_key_is_shown():
    assert "data-key" not in draw_prompt("en", turns(*talk(9)))
    assert "data-key=c" in draw_prompt("en", turns(*talk(9)), key="c")


@pytest.mark.parametrize("arguments", ['{"city": "서울"}', {"city": "서울"}])
def test_a_tool_call_shows_its_name_and_arguments_and_its_result_the_tool(arguments):
    call = {"function": {"name": "weather", "arguments": arguments}}
    asked = {"role": "assistant", "content": None, "tool_calls": [call]}
    result = {"role": "tool", "content": "21 <deg>", "name": "weather"}
    html = draw_prompt("en", turns(*talk(1), asked, result))
    assert "<b>Tool call: weather</b>" in html
    assert "{\n  &quot;city&quot;: &quot;서울&quot;\n}" in html
    assert "<div class='turn tool'><b>Tool result · weather</b>" in html
    assert "21 &lt;deg&gt;" in html


def test_arguments_that_are_no_json_and_content_in_parts_are_shown_as_they_are():
    broken = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": "{oops"}}]}
    parts = {"role": "user", "content": [{"type": "text", "text": "Hi"}]}
    read = turns(parts, broken)
    assert read[1].calls == (("f", "{oops"),)
    assert json.loads(read[0].text) == parts["content"]


def test_an_unknown_role_appears_by_its_name():
    html = draw_prompt("ko", turns(*talk(1), {"role": "critic <x>", "content": "No."}))
    assert "<div class='turn system'><b>critic &lt;x&gt;</b>" in html
