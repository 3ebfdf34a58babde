# SPDX-License-Identifier: Apache-2.0
"""The result of a check: one line per question, with a state, a detail and a remedy. Importable without torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from data.errors import BadInput

State = Literal["ok", "note", "refused"]
MARKS: dict[State, str] = {"ok": "ok", "note": "note", "refused": "REFUSED"}


@dataclass(frozen=True, slots=True)
class Line:
    """The answer to one question about a model. A refused line has a remedy."""

    name: str
    state: State
    detail: str
    remedy: str = ""

    @classmethod
    def refusal(cls, name: str, problem: BadInput) -> Line:
        """Return the line for a BadInput."""
        bare = BadInput(problem.error, file=problem.file, line=problem.line)
        return cls(name, "refused", str(bare), problem.remedy)


class Unusable(BadInput):
    """A model that the check refuses: the first refusal in one line; `document` holds every line."""

    def __init__(self, document: dict[str, Any]) -> None:
        first = next(line for line in document["lines"] if line["state"] == "refused")
        super().__init__(f"{document['model']!r} cannot be a base: {first['detail']}", first["remedy"], field="base")
        self.document = document

    def as_json(self) -> dict:
        """Return the error's shape with the lines of the check."""
        return super().as_json() | self.document


def make_document(model: str, lines: Iterable[Line]) -> dict[str, Any]:
    """Return {model, status: ok or refused, lines: [{name, state, detail, remedy}]}."""
    rows = [asdict(line) for line in lines]
    refused = any(row["state"] == "refused" for row in rows)
    return {"model": model, "status": "refused" if refused else "ok", "lines": rows}


def render_check(document: dict[str, Any]) -> str:
    """Format the lines as a table: state, question, detail and remedy."""
    lines = document["lines"]
    width = max(len(line["name"]) for line in lines)
    return "\n".join(
        f"{MARKS[line['state']]:8}{line['name']:{width}}  {line['detail']}"
        + (f". {line['remedy']}" if line["remedy"] else "")
        for line in lines
    )
