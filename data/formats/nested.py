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
MESSAGES = re.compile(r"\s*(\[\s*)?\{\s*['\"](role|from|content|value|type|speaker)['\"]\s*:")
"""Text that begins as messages do. Other text that begins with [ or { may well be a prompt."""


def looks_like_messages(text: str) -> bool:
    """Return whether a text begins as a list of messages, or as one message, written as JSON or by Python."""
    return text[:1] in ("[", "{", " ", "\n") and MESSAGES.match(text) is not None


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
                raise NotStrict("a key is there twice")
    return value
