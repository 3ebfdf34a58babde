# SPDX-License-Identifier: Apache-2.0
"""Options of a chat template in a policy's row: its text, its arguments, its date. Importable without torch.

The rows of policies and reward models hold these options in `versions`; whatever is trained on a policy inherits them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser

from data.json_text import parse_json
from labeling.texts.pages import bad_input

RESERVED = frozenset(
    ("conversation", "messages", "tools", "documents", "chat_template", "add_generation_prompt", "tokenize")
    + ("continue_final_message", "sanitize_control_tokens", "padding", "truncation", "max_length", "return_tensors")
    + ("return_dict", "return_assistant_tokens_mask", "tokenizer_kwargs", "bos_token", "eos_token")
)
"""Names that are no arguments of a template: those of transformers' `apply_chat_template`, and special tokens."""


class Versioned(Protocol):
    """A row with versions and its time of creation: a policy or a reward model."""

    @property
    def versions(self) -> dict:
        """The row's versions, of libraries and of its template."""

    @property
    def created_at(self) -> str:
        """The time of its creation, in ISO format."""


@dataclass(frozen=True, slots=True)
class TemplateOptions:
    """The arguments of `Base.load` that decide how conversations are written.

    `chat_template` replaces the tokenizer's own, `template_kwargs` are passed to it (such as enable_thinking), and
    `template_date` (ISO) is the date that it writes; None is the date of loading.
    """

    chat_template: str | None = None
    template_kwargs: Mapping[str, Any] | None = None
    template_date: str | None = None

    @classmethod
    def of(cls, row: Versioned) -> TemplateOptions:
        """Return the options of a policy or a reward model. A row without a date has the date of its creation."""
        versions = row.versions
        date = versions.get("template_date") or row.created_at[:10]
        return cls(versions.get("chat_template"), versions.get("template_kwargs"), date)

    def with_arguments(self, arguments: Mapping[str, Any]) -> TemplateOptions:
        """Return the options with these arguments besides, or in place of, their own."""
        return replace(self, template_kwargs={**(self.template_kwargs or {}), **arguments}) if arguments else self

    def keywords(self) -> dict[str, Any]:
        """Return the options as keyword arguments, and as entries of `versions`."""
        return asdict(self)


class _Generation(Extension):
    """Parses transformers' block `{% generation %}`."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Return the statements of the block."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def check_syntax(template: str, file: str | None = None) -> None:
    """Raise BadInput, naming the line, if a chat template is no valid Jinja."""
    try:
        _parse(template)
    except TemplateSyntaxError as problem:
        message, line = str(problem.message), problem.lineno
        if file is None:
            raise bad_input("refused.template_line", problem=message, number=line) from None
        raise bad_input("refused.template_syntax", file=file, line=line, problem=message) from None


def check_arguments(template: str | Mapping[str, str] | None, arguments: Mapping[str, Any], field: str) -> None:
    """Raise BadInput for an argument that a chat template, as a tokenizer holds it, does not read."""
    text = template.get("default") if isinstance(template, Mapping) else template
    names = {node.name for node in _parse(text or "").find_all(nodes.Name) if node.ctx == "load"}
    unread = [name for name in arguments if name not in names]
    if unread:
        raise bad_input("refused.template_argument", field=field, argument=unread[0])


def read_arguments(assignments: Sequence[str], field: str) -> dict[str, Any]:
    """Return the arguments of a chat template from NAME=VALUE; a value that is no JSON scalar is text.

    Raises BadInput, naming `field`, for another form, for a list or an object, and for a name in RESERVED.
    """
    arguments: dict[str, Any] = {}
    for assignment in assignments:
        name, found, value = assignment.partition("=")
        if not found or not name.isidentifier():
            raise bad_input("refused.template_form", field=field, assignment=assignment)
        if name in RESERVED:
            raise bad_input("refused.template_reserved", field=field, name=name)
        arguments[name] = _scalar(value, field)
    return arguments


def _scalar(value: str, field: str) -> str | bool | int | float | None:
    try:
        parsed = parse_json(value)
    except ValueError:
        return value
    if isinstance(parsed, (list, dict)):
        raise bad_input("refused.template_value", field=field, value=value, name=type(parsed).__name__)
    return parsed


def _parse(template: str) -> nodes.Template:
    return Environment(extensions=[loopcontrols, _Generation], autoescape=False).parse(template)  # noqa: S701 (no HTML)
