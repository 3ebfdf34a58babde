# SPDX-License-Identifier: Apache-2.0
"""Options of a chat template in a policy's row: its text, its arguments, its date. Importable without torch.

The rows of policies and reward models hold these options in `versions`; whatever is trained on a policy inherits them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser

from data.errors import BadInput

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
        Environment(extensions=[loopcontrols, _Generation], autoescape=False).parse(template)  # noqa: S701 (no HTML)
    except TemplateSyntaxError as problem:
        raise BadInput(
            f"the chat template is no valid Jinja: {problem.message}"
            + ("" if file else f" (line {problem.lineno} of the template)"),
            "Correct the template.",
            file=file,
            line=problem.lineno if file else None,
        ) from None
