"""The HTTP API of the labelers' side: the verbs of `Session` with the same fields, for programs with a Bearer token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, asdict, fields
from json import JSONDecodeError

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from data.errors import BadInput, Refused
from data.store import Store
from data.verdicts import VERDICTS
from labeling.gate import user
from labeling.session import Answer, Item, Receipt, Session

Body = dict[str, str | None]


def routes(store: Store) -> list[Route]:
    """The routes under /api/v1; the gate has found out who is asking."""
    verbs = {"next": next_item, "submit": submit, "skip": skip, "undo": undo}
    return [
        Route("/api/v1/openapi.json", lambda request: JSONResponse(openapi()), methods=["GET"]),
        *(Route(f"/api/v1/{name}", endpoint(store, verb), methods=["POST"]) for name, verb in verbs.items()),
    ]


def endpoint(store: Store, verb: Callable[[Session, Body], dict]) -> Callable:
    """Read the body, let `verb` act as the asking account, and write its result or its error as JSON."""

    async def answer(request: Request) -> Response:
        account = user(request)
        if account is None:
            return JSONResponse(Refused("sign in first").as_json(), 401)
        try:
            body = await read(request)
            return JSONResponse(await run_in_threadpool(lambda: verb(Session(store, account), body)))
        except BadInput as error:
            return JSONResponse(error.as_json(), 409 if isinstance(error, Refused) else 400)

    return answer


async def read(request: Request) -> Body:
    """The body as an object whose values are texts; an empty body is an empty object. Raises BadInput."""
    if not await request.body():
        return {}
    try:
        body = await request.json()
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise BadInput("the body is not JSON", "Send one JSON object.") from error
    if not isinstance(body, dict):
        raise BadInput(f"the body is {type(body).__name__}, not an object", "Send one JSON object.")
    for name, value in body.items():
        if not isinstance(value, str | None):
            raise BadInput(f"{value!r} is not a text", "Send a JSON string.", field=name)
    return body


def next_item(session: Session, body: Body) -> dict:
    """{item: Item or null, why: null or why there is none}."""
    taken(body, required=(), optional=())
    item = session.next()
    return {"item": asdict(item) if item else None, "why": None if item else asdict(session.why_empty())}


def submit(session: Session, body: Body) -> dict:
    """Answer in, Receipt out."""
    required = tuple(field.name for field in fields(Answer) if field.default is MISSING)
    optional = tuple(field.name for field in fields(Answer) if field.default is not MISSING)
    return asdict(session.submit(Answer(**taken(body, required=required, optional=optional))))


def skip(session: Session, body: Body) -> dict:
    """{assignment, reason} in, {} out."""
    session.skip(**taken(body, required=("assignment", "reason"), optional=()))
    return {}


def undo(session: Session, body: Body) -> dict:
    """{item: the item whose answer was taken back}."""
    taken(body, required=(), optional=())
    return {"item": asdict(session.undo())}


def taken(body: Body, *, required: tuple[str, ...], optional: tuple[str, ...]) -> Body:
    """The body, with every required field a text and no field unknown. Raises BadInput that names the field."""
    for name in required:
        if body.get(name) is None:
            raise BadInput(f"the field {name!r} is missing", f"Send: {', '.join(required)}.", field=name)
    for name in body:
        if name not in required + optional:
            raise BadInput(f"there is no field {name!r}", f"Send: {', '.join(required + optional) or 'nothing'}.", field=name)
    return body


def openapi() -> dict:
    """The description of this API (OpenAPI 3.1)."""
    item = {"oneOf": [shape(Item), {"type": "null"}]}
    why = {"type": ["object", "null"], "description": "reason: nothing_sampled, all_done or others_hold; pairs; minutes"}
    verbs = {
        "next": ("The open item again, or a new one.", {}, {"item": item, "why": why}),
        "submit": ("Record an answer; `id` is the client's, sending it twice records it once.", shape(Answer), shape(Receipt)),
        "skip": ("Let the item go, with a reason.", texts("assignment", "reason"), {}),
        "undo": ("Take back one's last answer.", {}, {"item": shape(Item)}),
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Preference Loop", "version": "1"},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
        "paths": {f"/api/v1/{name}": {"post": operation(*verb)} for name, verb in verbs.items()},
    }


def operation(summary: str, body: dict, result: dict) -> dict:
    """One POST of the description."""
    error = {"error": {"type": "string"}} | {name: {} for name in ("file", "line", "field", "remedy")}
    answers = {
        "200": ("Done.", result),
        "400": ("The request cannot be read; nothing was changed.", error),
        "401": ("No token, or one that ended.", error),
        "409": ("The rules do not admit it; nothing was changed.", error),
    }
    return {
        "summary": summary,
        "requestBody": {"content": json_of(body)},
        "responses": {code: {"description": text, "content": json_of(schema)} for code, (text, schema) in answers.items()},
    }


def json_of(schema: dict) -> dict:
    """A JSON body: a schema as it is, or the properties of an object."""
    return {"application/json": {"schema": schema if "type" in schema else {"type": "object", "properties": schema}}}


def shape(cls: type) -> dict:
    """The schema of one of the session's dataclasses."""
    required = [field.name for field in fields(cls) if field.default is MISSING]
    kinds = {field.name: {"type": "boolean" if field.type == "bool" else "string"} for field in fields(cls)}
    if cls is Answer:
        kinds["verdict"]["enum"] = list(VERDICTS)
    return {"type": "object", "properties": kinds, "required": required}


def texts(*names: str) -> dict:
    """An object of required texts."""
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(names)}
