# SPDX-License-Identifier: Apache-2.0
"""Conversations on the labelers' pages: the system message apart, earlier turns folded, tool calls and their results.

Every page shows a prompt by `draw_prompt`. A text of a turn becomes HTML by the function that the page passes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from itertools import takewhile
from pathlib import Path
from typing import Any

from data.records import Prompt
from labeling.texts.answers import draw_answer
from labeling.texts.translate import say
from labeling.texts.user_text import block, marks

INSTRUCTIONS = ("system", "developer")
NAMED = ("user", "assistant", "system", "tool")
"""Roles with a name in the catalogue; another role appears by its own name."""
MOST_TURNS, LAST_TURNS = 4, 2
"""Turns up to which a conversation is shown whole, and the turns that a longer one shows."""
GIST = 120
Body = Callable[[str, bool], str]
"""Returns a text as HTML, of (text, whether it is an answer of the assistant)."""
STYLE = (Path(__file__).parent / "web" / "turns.css").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: its role, its text, its tool calls as (name, arguments), and the name of the tool that answers."""

    role: str
    text: str
    calls: tuple[tuple[str, str], ...] = ()
    tool: str = ""


def read_turns(prompt: Prompt) -> tuple[Turn, ...]:
    """Return the prompt as turns; a plain prompt is a single turn of the user."""
    return tuple(map(_turn, prompt.messages)) if prompt.messages else (Turn("user", prompt.text),)


def draw_prompt(language: str, turns: Sequence[Turn], body: Body | None = None, key: str = "") -> str:
    """Return the system message, and below it the prompt or conversation; `key` shows and hides the earlier turns.

    Without `body` texts are plain, and the assistant's thoughts are folded.
    """
    body = body or partial(_plain, language)
    pinned = list(takewhile(lambda turn: turn.role in INSTRUCTIONS, turns))
    rest = list(turns[len(pinned) :])
    system = "".join(_draw_pinned(language, turn, body) for turn in pinned)
    if len(rest) == 1 and rest[0].role == "user" and not rest[0].calls:
        return system + _box(say(language, "prompt"), body(rest[0].text, False))
    name, shown = say(language, "conversation"), rest if len(rest) <= MOST_TURNS else rest[-LAST_TURNS:]
    earlier = "".join(_draw_turn(language, turn, body) for turn in rest[: len(rest) - len(shown)])
    inner = "".join(_draw_turn(language, turn, body) for turn in shown)
    return system + _box(name, _folded(language, len(rest) - len(shown), earlier, key) + inner, " chat")


def _plain(language: str, text: str, is_answer: bool) -> str:
    return draw_answer(language, text) if is_answer else block(text)


def _box(name: str, inner: str, kind: str = "") -> str:
    return f'<section id=prompt class="scrolls{kind}" aria-label="{name}" tabindex=0><h2>{name}</h2>{inner}</section>'


def _folded(language: str, count: int, turns: str, key: str) -> str:
    if not count:
        return ""
    shortcut = f"data-key={key} aria-keyshortcuts={key}" if key else ""
    hint = f"<kbd aria-hidden=true>{key}</kbd>" if key else ""
    name = say(language, "earlier_turns", n=count)
    return f"<details id=earlier><summary {shortcut}>{hint}{name}</summary>{turns}</details>"


def _draw_pinned(language: str, turn: Turn, body: Body) -> str:
    """Return a system message that can be closed; its first words stay in sight."""
    gist = " ".join(turn.text[: 2 * GIST].split())[:GIST]
    name = _role_name(language, turn)
    return (
        f"<details class='turn pinned' open><summary><b>{name}</b>"
        f"<span class=gist {marks(gist)}>{escape(gist)}</span></summary>"
        f'<div class=scrolls tabindex=0 role=region aria-label="{name}">{body(turn.text, False)}</div></details>'
    )


def _draw_turn(language: str, turn: Turn, body: Body) -> str:
    kind = turn.role if turn.role in ("user", "assistant", "tool") else "system"
    text = body(turn.text, turn.role == "assistant") if turn.text or not turn.calls else ""
    calls = "".join(_draw_call(language, name, arguments) for name, arguments in turn.calls)
    return f"<div class='turn {kind}'><b>{_role_name(language, turn)}</b>{text}{calls}</div>"


def _draw_call(language: str, name: str, arguments: str) -> str:
    label = say(language, "tool_call", name=escape(name))
    return f"<div class=call><b>{label}</b><div class='text code' {marks(arguments)}>{escape(arguments)}</div></div>"


def _role_name(language: str, turn: Turn) -> str:
    name = say(language, f"role_{turn.role}") if turn.role in NAMED else escape(turn.role)
    return f"{name} · {escape(turn.tool)}" if turn.tool else name


def _turn(message: Mapping[str, Any]) -> Turn:
    content = message.get("content")
    text = content if isinstance(content, str) else "" if content is None else _json(content)
    if "tools" in message:
        text = "\n\n".join(filter(None, (text, f"tools: {message['tools']}")))
    calls = tuple(map(_call, message.get("tool_calls") or ()))
    return Turn(str(message["role"]), text, calls, str(message.get("name") or ""))


def _call(call: Mapping[str, Any]) -> tuple[str, str]:
    """Return a call's name and its arguments, which are an object, or JSON as text."""
    function = call.get("function", call)
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return str(function.get("name", "")), arguments
    return str(function.get("name", "")), _json(arguments)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
