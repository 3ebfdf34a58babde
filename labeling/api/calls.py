"""What a labeler's program may ask for, as JSON in and JSON out: the verbs of `Session` with the same fields."""

from __future__ import annotations

from dataclasses import MISSING, asdict, fields

from labeling.http.bodies import Body, check_fields
from labeling.session import Answer, Session

REQUIRED = tuple(field.name for field in fields(Answer) if field.default is MISSING)
OPTIONAL = tuple(field.name for field in fields(Answer) if field.default is not MISSING)


def next_item(session: Session, body: Body) -> dict:
    """{item: Item or null, why: null or why there is none}."""
    check_fields(body)
    return offered(session)


def submit(session: Session, body: Body) -> dict:
    """Answer in, Receipt out."""
    return asdict(session.submit(Answer(**check_fields(body, required=REQUIRED, optional=OPTIONAL))))


def skip(session: Session, body: Body) -> dict:
    """{assignment, reason} in, {} out."""
    session.skip(**check_fields(body, required=("assignment", "reason")))
    return {}


def undo(session: Session, body: Body) -> dict:
    """{item: the item whose answer was taken back}."""
    check_fields(body)
    return {"item": asdict(session.undo())}


def offered(session: Session) -> dict:
    """The open item again or a new one, or why there is none."""
    item = session.next()
    return {"item": asdict(item) if item else None, "why": None if item else asdict(session.why_empty())}


API = {"next": next_item, "submit": submit, "skip": skip, "undo": undo}
