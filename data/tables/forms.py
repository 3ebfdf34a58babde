# SPDX-License-Identifier: Apache-2.0
"""The verdict form of a labeling project: the verdicts and fields of its labelers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any

from data.errors import BadInput
from data.ids import canonical_json
from data.tables.rankings import FEWEST, MOST
from data.tables.verdicts import VERDICTS

SCALES = ("graded", "plain")
RATIONALES = ("off", "optional", "required")
MOST_ASPECTS, ASPECT_LENGTH = 8, 40
RANKS = (0, *range(FEWEST, MOST + 1))
"""Values of `Form.rank`."""
PLAIN = ("left", "right")
GRADED = tuple(verdict for verdict in VERDICTS if verdict not in ("tie", "both_bad"))


@dataclass(frozen=True, slots=True)
class Form:
    """The verdict form of a project.

    `scale` is 'graded' (three steps for each side) or 'plain' (A or B). Each of the `aspects` gets a side or a tie.
    With `edit` the labeler may improve one answer; the improved text becomes a third answer.
    With `markdown` the page formats the answers. `rank`: what sampling into the project makes of a prompt, a ranking of
    that many answers; 0: pairs.
    """

    scale: str = "graded"
    tie: bool = True
    both_bad: bool = True
    skip: bool = True
    flag: bool = True
    rationale: str = "optional"
    aspects: tuple[str, ...] = ()
    edit: bool = False
    markdown: bool = False
    rank: int = 0

    def __post_init__(self) -> None:
        _check_choice("scale", self.scale, SCALES)
        _check_choice("rationale", self.rationale, RATIONALES)
        for field in fields(self):
            if field.type == "bool" and not isinstance(getattr(self, field.name), bool):
                raise BadInput.of("error.form_bool", field=field.name, name=field.name, given=getattr(self, field.name))
        _check_aspects(self.aspects)
        if isinstance(self.rank, bool) or self.rank not in RANKS:
            raise BadInput.of("error.form_rank", field="rank", rank=self.rank, fewest=FEWEST, most=MOST)

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Return the verdicts that the form allows, in the order of the screen."""
        allowed = {
            *(GRADED if self.scale == "graded" else PLAIN),
            *(["tie"] if self.tie else []),
            *(["both_bad"] if self.both_bad else []),
        }
        return tuple(verdict for verdict in VERDICTS if verdict in allowed)

    def written(self) -> str:
        """Return the form as JSON for the store, without default values."""
        standard = asdict(Form())
        return canonical_json({name: value for name, value in asdict(self).items() if value != standard[name]})

    @classmethod
    def read(cls, text: str) -> Form:
        """Parse a form from the store. Raises BadInput like `of`."""
        return _read(text)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Form:
        """Return a form with these fields. Raises BadInput that names the field."""
        known = {field.name for field in fields(cls)}
        for name in values:
            if name not in known:
                raise BadInput.of("error.form_name", field=name, name=name, known=", ".join(sorted(known)))
        given = dict(values)
        if "aspects" in given:
            given["aspects"] = tuple(given["aspects"])
        return cls(**given)


@lru_cache(maxsize=64)
def _read(text: str) -> Form:
    """Parse a form, from a cache: there are few forms, and every item reads one."""
    return Form.of(json.loads(text))


def parse_form(pairs: Sequence[str], start: Form | None = None) -> Form:
    """Change fields of `start` by texts such as `scale=plain`, `tie=off`, `aspects=helpful,honest`.

    Raises BadInput that names the field.
    """
    values = asdict(start or Form())
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise BadInput.of("error.form_shape", field="form", pair=pair)
        if name == "aspects":
            values[name] = tuple(part.strip() for part in text.split(",") if part.strip())
        elif name == "rank":
            values[name] = int(text) if text.isascii() and text.isdigit() else text
        else:
            values[name] = SWITCHES.get(text.lower(), text) if isinstance(values.get(name), bool) else text
    return Form.of(values)


SWITCHES = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:  # noqa: ANN401 (any JSON value)
    if value not in choices:
        raise BadInput.of("error.form_choice", field=name, value=value, name=name, known=", ".join(choices))


def _check_aspects(aspects: tuple[str, ...]) -> None:
    if len(aspects) > MOST_ASPECTS:
        raise BadInput.of("error.aspects_many", count=len(aspects), most=MOST_ASPECTS, field="aspects")
    for aspect in aspects:
        if not isinstance(aspect, str) or not (
            0 < len(aspect) <= ASPECT_LENGTH and aspect == aspect.strip() and aspect.isprintable()
        ):
            raise BadInput.of("error.aspect_name", aspect=aspect, most=ASPECT_LENGTH, field="aspects")
    if len({aspect.casefold() for aspect in aspects}) < len(aspects):
        raise BadInput.of("error.aspect_twice", field="aspects")
