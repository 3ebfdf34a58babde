# SPDX-License-Identifier: Apache-2.0
"""Queries and replies of the HTTP API. OpenAPI is generated from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from data.formats import ALIASES, AUTO, KEYS
from data.formats import FORMATS as IMPORT_FORMATS
from data.transfer.exporting import DEFAULT_LABELS, LABELS
from data.transfer.exporting import FORMATS as EXPORT_FORMATS
from labeling.http.models import Body, Text
from labeling.session import Empty, Item

READABLE = (AUTO, *IMPORT_FORMATS, *ALIASES)
WRITABLE = tuple(dict.fromkeys(form for forms in EXPORT_FORMATS.values() for form in forms))


def _one_of(values: Iterable[str]) -> Callable[[str], str]:
    allowed = tuple(values)

    def check(value: str) -> str:
        if value not in allowed:
            raise PydanticCustomError("not_allowed", "use one of {allowed}", {"allowed": ", ".join(allowed)})
        return value

    return check


class ImportQuery(Body):
    """Options for reading an imported file."""

    kind: Annotated[str, AfterValidator(_one_of(KEYS))] = Field(
        alias="as", description="What the rows become.", json_schema_extra={"enum": list(KEYS)}
    )
    format: Annotated[str, AfterValidator(_one_of(READABLE))] = Field(
        AUTO, description="The format of the rows.", json_schema_extra={"enum": list(READABLE)}
    )
    map: Text = Field(
        "",
        description="Columns of the file under known names, as the command's --map, or the name of a saved mapping.",
        json_schema_extra={"examples": ["prompt=question,chosen=answers.0,model='gpt-x'"]},
    )
    skip_bad: bool = Field(False, description="Import the good rows and leave out the bad ones.")
    name: Text = Field("", description="The name of the file, which becomes the source of its rows.")
    project: Text = Field("", description="The labeling project of pairs and comparisons; empty: Standard.")
    encoding: Text = Field("", description="The encoding of text; empty: detected.")


class ExportQuery(Body):
    """Options of an export."""

    what: Annotated[str, AfterValidator(_one_of(EXPORT_FORMATS))] = Field(
        description="What to export.", json_schema_extra={"enum": list(EXPORT_FORMATS)}
    )
    format: Annotated[str, AfterValidator(_one_of(WRITABLE))] | None = Field(
        None,
        description="The format of the rows; default: as the command's.",
        json_schema_extra={"enum": list(WRITABLE)},
    )
    labels: Annotated[str, AfterValidator(_one_of(LABELS))] = Field(
        DEFAULT_LABELS, description="The source of the comparisons.", json_schema_extra={"enum": list(LABELS)}
    )
    project: Text = Field("", description="One labeling project only; empty: all.")
    names: bool = Field(False, description="Write labelers' names instead of pseudonyms.")


class NextReply(BaseModel):
    """The open item or a new one. Without an item, `why` gives the reason."""

    item: Item | None
    why: Empty | None


class UndoReply(BaseModel):
    """The item of the withdrawn answer."""

    item: Item


class ImportReply(BaseModel):
    """Counts of rows."""

    model_config = ConfigDict(extra="allow")

    read: int
    added: int
    duplicate: int
    rejected: int


class ErrorReply(BaseModel):
    """One line that says what is wrong, where, and how to correct it."""

    error: str
    file: str | None
    line: int | None
    field: str | None
    remedy: str
