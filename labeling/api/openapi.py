"""The description of the HTTP API (OpenAPI 3.1), made from the same dataclasses that the session takes and gives."""

from __future__ import annotations

from dataclasses import MISSING, fields

from data.tables.verdicts import VERDICTS
from labeling.api.files import EXPORT, IMPORT
from labeling.queue.validation import CHOICES
from labeling.session import Answer, Item, Receipt

KINDS = {"float | None": "number", "bool": "boolean", "int": "integer", "float": "number"}
FAILURES = {
    "400": "The request cannot be read; nothing was changed.",
    "401": "No token, or one that ended.",
    "403": "The account's role may not do this.",
    "409": "The rules do not admit it; nothing was changed.",
    "413": "The body is too long.",
    "503": "Another program holds the store; send the same request again after the seconds in Retry-After.",
    "507": "The store cannot be written; nothing was changed.",
}


def description() -> dict:
    """The whole document."""
    item = {"oneOf": [shape(Item), {"type": "null"}]}
    why = {
        "type": ["object", "null"],
        "description": "reason: nothing_sampled, all_done or others_hold; pairs; minutes",
    }
    verbs = {
        "next": ("The open item again, or a new one.", {}, {"item": item, "why": why}),
        "submit": (
            "Record an answer; `id` is the client's, sending it twice records it once.",
            shape(Answer),
            shape(Receipt),
        ),
        "skip": ("Let the item go, with a reason.", texts("assignment", "reason"), {}),
        "undo": ("Take back one's last answer.", {}, {"item": shape(Item)}),
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Preference Loop", "version": "1"},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": error()},
        },
        "security": [{"token": []}],
        "paths": {f"/api/v1/{name}": {"post": operation(*verb)} for name, verb in verbs.items()} | files(),
    }


def files() -> dict:
    """Import, export and this document."""
    counts = {name: {"type": "integer"} for name in ("read", "added", "duplicate", "rejected")}
    rows = {
        "description": "One row a line; X-Rows counts them, X-Omitted says what was left out and why.",
        "content": {"application/jsonl": {}},
    }
    bring = {
        "summary": "Import the body: JSONL, JSON, or either gzipped. For researchers; a bad row changes nothing and is named.",
        "parameters": parameters(IMPORT, required="as"),
        "requestBody": {"content": {"application/octet-stream": {}}},
        "responses": {"200": {"description": "Done.", "content": json_of(counts)}} | failures(),
    }
    hand_out = {
        "summary": "Export as JSON lines. For researchers.",
        "parameters": parameters(EXPORT, required="what"),
        "responses": {"200": rows} | failures(),
    }
    this = {
        "summary": "This description.",
        "responses": {"200": {"description": "OpenAPI 3.1.", "content": json_of({})}} | failures(),
    }
    return {
        "/api/v1/import": {"post": bring},
        "/api/v1/export": {"get": hand_out},
        "/api/v1/openapi.json": {"get": this},
    }


def parameters(known: dict[str, tuple[str, ...] | None], *, required: str) -> list[dict]:
    """The parameters of a query."""
    return [
        {
            "name": name,
            "in": "query",
            "required": name == required,
            "schema": {"type": "string"} | ({"enum": list(values)} if values else {}),
        }
        for name, values in known.items()
    ]


def operation(summary: str, body: dict, result: dict) -> dict:
    """One POST with JSON in and out."""
    done = {"200": {"description": "Done.", "content": json_of(result)}}
    return {"summary": summary, "requestBody": {"content": json_of(body)}, "responses": done | failures()}


def failures() -> dict:
    """What every operation may answer instead of its result."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {code: {"description": text, "content": content} for code, text in FAILURES.items()}


def error() -> dict:
    """One line that says what is wrong, where, and what to do about it."""
    text = {"type": ["string", "null"]}
    kinds = {
        "error": {"type": "string"},
        "file": text,
        "line": {"type": ["integer", "null"]},
        "field": text,
        "remedy": {"type": "string"},
    }
    return {"type": "object", "properties": kinds, "required": list(kinds)}


def json_of(schema: dict) -> dict:
    """A JSON body: a schema as it is, or the properties of an object."""
    return {"application/json": {"schema": schema if "type" in schema else {"type": "object", "properties": schema}}}


def shape(cls: type) -> dict:
    """The schema of one of the session's dataclasses."""
    required = [field.name for field in fields(cls) if field.default is MISSING]
    kinds = {field.name: {"type": KINDS.get(str(field.type), "string")} for field in fields(cls)}
    if cls is Answer:
        kinds["verdict"]["enum"] = list(VERDICTS)
        kinds["aspects"] = {"type": "object", "additionalProperties": {"enum": list(CHOICES)}}
    return {"type": "object", "properties": kinds, "required": required}


def texts(*names: str) -> dict:
    """An object of required texts."""
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(names)}
