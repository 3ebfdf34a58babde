# SPDX-License-Identifier: Apache-2.0
"""Hostile requests: values of every wrong type and size in JSON bodies, forms and queries of every route."""

from __future__ import annotations

import json
import random
from typing import Any, NamedTuple
from urllib.parse import quote, quote_from_bytes

from labeling.page.actions import VERBS

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
ATOMS: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**30,
    -(10**400),
    1e308,
    float("nan"),
    float("inf"),
    "",
    " ",
    "\x00",
    "\ud800",
    "\u202e",
    "a" * 5000,
    "9" * 5000,
    "é" * 60_000,
    "../../../etc/passwd",
    "' OR 1=1 --",
    "<script>alert(1)</script>",
    "%s%n{0}",
    "1",
    "left",
    "preferences",
    [],
    {},
    [[]] * 500,
    list(range(5000)),
    {"a": {"b": [None, "\udfff"]}},
    {"\ud800": 1},
)
RAW = (
    b"",
    b"null",
    b"[",
    b"[" * 100_000,
    b'{"a":' * 20_000,
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf{}",
    '{"a":1}'.encode("utf-16"),
    b'{"id":1,"id":2}',
    b"{}{}",
    b"1" * 5000,
    b"-" * 200,
    b'"' + b"a" * 200_000,
    b"{" + b" " * 200_000 + b"}",
    b'{"\\ud800":"\\udc00\\ud800"}',
    b"a" * 300_000,
    bytes(range(256)) * 20,
)
ANSWER = {"id": "0" * 32, "assignment": "x", "verdict": "left", "rationale": "r", "aspects": {"a": "left"}, "edit": "e"}
VALUES = {
    "answer": ANSWER,
    "rank": {"id": "0" * 32, "assignment": "x", "places": [1, 2, 3], "all_bad": False},
    "assignment": "x",
    "reason": "unclear",
    "before": "x",
    "over": "x",
    "view": "formatted",
    "content": {"rationale": "r", "verdict": "left"},
}
"""A good value of every field that an action of the labeler's page reads."""
FORM_FIELDS = ("id", "row", "score", "text", "prompt", "reason", "verdict", "demonstration", "name", "password", "code")
QUERY_FIELDS = ("as", "format", "what", "kind", "labels", "name", "next", "token", "again", "skip_bad", "project", "id")
JSON_ROUTES = (*(f"/label/do/{verb}" for verb in VERBS), *(f"/api/v1/{name}" for name in ("next", "submit", "skip")))
FORM_ROUTES = ("/label/rate", "/label/write", "/label/review", "/label/erase", "/login", "/first", "/invite", "/logout")
FILE_ROUTES = ("/api/v1/import", "/train/data/upload")
QUERY_ROUTES = ("/api/v1/export", "/label/rate", "/label/write", "/label/review", "/login", "/invite", "/first")
PAGE_ROUTES = ("/train/gradio_api/run/predict", "/train/gradio_api/queue/join", "/label/gradio_api/run/predict")
"""Routes of the page framework, which only the whole app has."""


class Hostile(NamedTuple):
    """One request: method, path with query, content type, body."""

    method: str
    path: str
    type: str
    body: bytes


def hostile_request(generator: random.Random, *, pages: bool) -> Hostile:
    """Return a random request; `pages`: the routes of the page framework too."""
    kinds = [json_request, json_request, form_request, file_request, query_request, *([page_request] if pages else [])]
    return generator.choice(kinds)(generator)


def json_request(generator: random.Random) -> Hostile:
    """Return a body of fields with hostile values, or none that JSON knows, for an action or a call."""
    path = generator.choice((*JSON_ROUTES, "/api/v1/undo"))
    kind = generator.choice((JSON, JSON, JSON, "", "text/plain", FORM, "application/json; charset=utf-16"))
    if generator.random() < 0.25:
        return Hostile("POST", path, kind, generator.choice(RAW))
    body = spoil(ANSWER if path == "/api/v1/submit" else VALUES, generator)
    return Hostile("POST", path, kind, dump(body))


def spoil(values: dict[str, Any], generator: random.Random) -> dict[str, Any]:
    """Return the values with some left out, replaced at any depth, or added under hostile names."""
    spoiled: dict[str, Any] = {}
    for name, value in values.items():
        chance = generator.random()
        if chance < 0.15:
            continue
        if isinstance(value, dict) and chance < 0.6:
            spoiled[name] = spoil(value, generator)
        else:
            spoiled[name] = generator.choice(ATOMS) if chance < 0.5 else value
    if generator.random() < 0.2:
        spoiled[generator.choice(("", "\ud800", "id\x00", "a" * 3000))] = generator.choice(ATOMS)
    return spoiled


def form_request(generator: random.Random) -> Hostile:
    """Return a form with hostile fields."""
    path = generator.choice(FORM_ROUTES)
    kind = generator.choice((FORM, FORM, FORM, JSON, "multipart/form-data; boundary=x", ""))
    if generator.random() < 0.2:
        return Hostile("POST", path, kind, generator.choice((*RAW, b"&" * 9000, b"%" * 900, b"a=%ff%00&" * 900)))
    fields = generator.choices(FORM_FIELDS, k=generator.randrange(1, 9))
    body = "&".join(f"{name}={quoted(generator.choice(ATOMS))}" for name in fields)
    return Hostile("POST", path, kind, body.encode())


def file_request(generator: random.Random) -> Hostile:
    """Return a file that is none, with a hostile query."""
    path = generator.choice(FILE_ROUTES)
    lines = [dump({"prompt": generator.choice(ATOMS), "chosen": generator.choice(ATOMS), "rejected": "no"})]
    return Hostile("POST", f"{path}?{query(generator)}", "", generator.choice((*RAW, b"\n".join(lines))))


def query_request(generator: random.Random) -> Hostile:
    """Return a request with hostile parameters or a hostile name in its path."""
    path = generator.choice((*QUERY_ROUTES, "/train/exports/" + quoted(generator.choice(ATOMS))[:6000]))
    return Hostile("GET", f"{path}?{query(generator)}", "", b"")


def page_request(generator: random.Random) -> Hostile:
    """Return a call of the page framework with hostile data."""
    path = generator.choice(PAGE_ROUTES)
    values = {"fn_index": 1, "data": [], "event_data": None, "session_hash": "x", "trigger_id": 1}
    body = spoil(values, generator) | {"fn_index": generator.randrange(-2, 400)}
    return Hostile("POST", path, JSON, generator.choice((dump(body), *RAW[:4])))


def query(generator: random.Random) -> str:
    """Return some parameters with hostile values, short enough for a request line."""
    names = generator.choices(QUERY_FIELDS, k=generator.randrange(5))
    return "&".join(f"{name}={quoted(generator.choice(ATOMS))[:3000]}" for name in names)


def quoted(value: object) -> str:
    """Return a value in a query or a form; lone surrogates become bytes that are no UTF-8."""
    if isinstance(value, str):
        return quote_from_bytes(value.encode("utf-8", "surrogatepass"))
    return quote(dump(value)[:5000])


def dump(value: object) -> bytes:
    """Return JSON with numbers of any length, NaN and lone surrogates."""
    return json.dumps(value, default=str).encode()
