# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference/http.md from the OpenAPI description of the HTTP API: `python -m docs.http_api`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.store import Store
from docs.settings import cell
from labeling.api.routes import api_router, describe_api
from tests.support import ROOT

PAGE = ROOT / "docs" / "reference" / "http.md"
REFERENCE = "#/components/schemas/"
INTRODUCTION = """# HTTP API

`make reference` writes this page from the OpenAPI description. The server gives the same at `/api/v1/openapi.json`.
Every call needs a token:

    TOKEN=$(preference-loop account token mina)
    curl -X POST -H "Authorization: Bearer $TOKEN" http://127.0.0.1:7860/api/v1/next
"""
FILES = """
Encode a mapping as every query:

    curl -X POST -H "Authorization: Bearer $TOKEN" --data-binary @rows.jsonl \\
      "http://127.0.0.1:7860/api/v1/import?as=preferences&map=prompt%3Dquestion,chosen%3Danswers.0,rejected%3Danswers.1"
"""
RULES = """
421 is the answer to an unknown Host header. 429 follows too many failed sign-ins; wait the seconds in `Retry-After`.
A 409 names the reason: not assigned to you, already answered, an id reused, or another import is running.

A JSON body gets 400 if it is nested more than 32 deep or repeats a key. NaN, infinite numbers and integers of more than
64 bits get 400 too. So do lone surrogates and NUL characters.

An answer is acknowledged only after it is on the disk. Answers that arrive together share one commit, so one server
carries a hundred labelers. The labelers' page uses `POST /label/do/VERB` with the session cookie. Each request acts and
returns the next item.
"""


def document() -> dict[str, Any]:
    """Return the OpenAPI document of an empty home."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        try:
            return describe_api(api_router(store))
        finally:
            store.close()


def name_of(schema: dict[str, Any]) -> str:
    """Return a schema's type in words; an object of its own is a link."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REFERENCE)
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(name_of(one) for one in schema["anyOf"])
    return str(schema.get("type", "any"))


def values_of(schema: dict[str, Any]) -> str:
    """Return a value's type, its choices and its default."""
    choices = schema.get("enum") or schema.get("additionalProperties", {}).get("enum")
    parts = [", ".join(f"`{choice}`" for choice in choices) if choices else name_of(schema)]
    if schema.get("default") not in (None, ""):
        parts.append(f"default `{str(schema['default']).lower() if schema['default'] is False else schema['default']}`")
    return "; ".join(parts)


def row(name: str, schema: dict[str, Any], required: bool, meaning: str = "") -> list[str]:
    """Return the cells of a field or a parameter."""
    shown = f"**`{name}`**" if required else f"`{name}`"
    return [shown, cell(values_of(schema)), cell(meaning or schema.get("description", ""))]


def table(rows: list[list[str]], first: str) -> list[str]:
    """Return a table of fields or parameters, without an empty column; nothing without a row."""
    if not rows:
        return []
    columns = 3 if any(meaning for _, _, meaning in rows) else 2
    lines = [[first, "value", "meaning"], ["---"] * 3, *rows]
    return [*(f"| {' | '.join(line[:columns])} |" for line in lines), ""]


def content_of(content: dict[str, Any]) -> str:
    """Return a body's object, or its kind of file."""
    ((kind, body),) = content.items()
    return name_of(body["schema"]) if "$ref" in body.get("schema", {}) else f"`{kind}`"


def call(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a call: what it does, what it takes, what it answers."""
    yield from (f"## {method.upper()} {path}", "", operation["description"], "")
    given = operation.get("parameters", ())
    yield from table(
        [row(one["name"], one["schema"], one["required"], one.get("description", "")) for one in given], "parameter"
    )
    if "requestBody" in operation:
        yield from (f"Body: {content_of(operation['requestBody']['content'])}.", "")
    answered = operation["responses"]["200"]
    about = answered["description"].removeprefix("Successful Response")
    yield from (f"Answer: {content_of(answered['content'])}. {about}".rstrip(), "")


def schema_section(name: str, schema: dict[str, Any]) -> Iterator[str]:
    """Yield the heading and the table of an object."""
    yield from (f"### {name}", "", schema["description"], "")
    required = schema.get("required", ())
    yield from table([row(key, value, key in required) for key, value in schema["properties"].items()], "field")


def failures(paths: dict[str, Any]) -> Iterator[str]:
    """Yield the table of error statuses, which are the same for every call."""
    operation = paths["/api/v1/submit"]["post"]
    yield from ("## Errors", "", f"Every error is one JSON line, an {name_of({'$ref': REFERENCE + 'ErrorReply'})}.", "")
    yield from ("| status | meaning |", "| --- | --- |")
    yield from (f"| {code} | {one['description']} |" for code, one in operation["responses"].items() if code != "200")


def page() -> str:
    """Return the page."""
    described = document()
    lines = [INTRODUCTION, "Names in bold are required.", ""]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            lines += call(path, method, operation)
    lines += [*failures(described["paths"]), RULES, "## Objects", ""]
    for name, schema in described["components"]["schemas"].items():
        lines += schema_section(name, schema)
    text = "\n".join(lines).replace("\n## GET /api/v1/export", f"{FILES.rstrip()}\n\n## GET /api/v1/export")
    return text.rstrip() + "\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
