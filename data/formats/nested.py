# SPDX-License-Identifier: Apache-2.0
"""Lists and objects that a file holds as text: JSON, or what Python prints. Tables have no other way to hold them."""

from __future__ import annotations

import ast
import json
import re
import warnings
from typing import Any

from data.json_text import NotStrict, parse_json

LONGEST_LITERAL = 1 << 20
"""Characters of a Python literal; `ast` takes many times as much memory."""
NESTED = re.compile(r"\s*[\[{]")
MESSAGE = (("role", "content"), ("role", "tool_calls"), ("role", "function_call"), ("from", "value"), ("type", "text"))
"""Pairs of keys that make an object a message, or a part of one."""
KEYS = {pair: [re.compile(rf"""['"]{key}['"]\s*:""") for key in pair] for pair in MESSAGE[:-1]}


def looks_like_messages(text: str) -> bool:
    """Return whether a text is a message or a list with one, written as JSON or by Python.

    Other text that begins with [ or { may well be a prompt or an answer. A text that cannot be parsed, because it is
    cut off or printed by another program, is taken for messages if it names their keys: it is to be refused.
    """
    if text[:1] not in ("[", "{", " ", "\n", "\t") or not NESTED.match(text):
        return False
    try:
        value = parse_nested(text)
    except ValueError:
        value = None
    if value is None:
        return any(all(key.search(text) for key in keys) for keys in KEYS.values())
    items = value if isinstance(value, list) else [value]
    return any(isinstance(item, dict) and any({*pair} <= item.keys() for pair in MESSAGE) for item in items)


def parse_nested(text: str) -> Any:  # noqa: ANN401 (any JSON value)
    """Return the list or object that a text holds as JSON or as a Python literal; None for any other text.

    Raises ValueError if a key stands twice in an object.
    """
    if not NESTED.match(text):
        return None
    try:
        return parse_json(text)
    except NotStrict:
        raise
    except json.JSONDecodeError:
        return _parse_literal(text)
    except (ValueError, RecursionError):
        return None


def _parse_literal(text: str) -> Any:  # noqa: ANN401 (any JSON value)
    if len(text) > LONGEST_LITERAL:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unknown escape in a text is no concern of the user
            tree = ast.parse(text.strip(), mode="eval")
        value = json.loads(json.dumps(ast.literal_eval(tree)))  # tuples become lists; sets and bytes are refused
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            keys = [ast.dump(key) for key in node.keys if key]
            if len(set(keys)) < len(keys):
                raise NotStrict("some_key_twice")
    return value
