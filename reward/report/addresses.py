# SPDX-License-Identifier: Apache-2.0
"""Addresses on the researcher's pages: `#runs/run5`, `#policies/p3`, `#reward/r2`. The hash alone says what is chosen.

Every address is relative, so that it holds under any root path.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from html import escape
from urllib.parse import quote

from data.ids import POLICY, REWARD_MODEL, RUN
from labeling.texts.translate import Refusal

PAGES = {RUN: "runs", POLICY: "policies", REWARD_MODEL: "reward"}
"""The page of a thing, by the prefix of its id."""
ID = re.compile(r"(?<![A-Za-z0-9_./;#-])(run|p|r)[0-9]{1,18}(?![A-Za-z0-9_&/-]|\.[A-Za-z0-9])")
IDS = re.compile(rf"{ID.pattern}((?:, ?| → ){ID.pattern})*")


def address_of(page: str, name: str) -> str:
    """Return the address that opens a page with the thing of this id or name chosen."""
    return f"#{page}/{quote(name, safe='')}"


def id_link(id: str) -> str:
    """Return the id of a run, a policy or a reward model as a link; any other text escaped, without a link."""
    prefix = id.rstrip("0123456789")
    if prefix == id or prefix not in PAGES:
        return escape(id, quote=True)
    return f"<a class=id href='{address_of(PAGES[prefix], id)}'>{escape(id)}</a>"


def project_link(name: str) -> str:
    """Return the name of a labeling project as a link to it."""
    return f"<a class=id href='{address_of('projects', name)}'>{escape(name)}</a>"


def link_ids(shown: str, only: Collection[str] | None = None) -> str:
    """Return a text as HTML in which the ids are links; `only` these, where names of people could look like ids."""
    return ID.sub(
        lambda match: id_link(match[0]) if only is None or match[0] in only else match[0], escape(shown, quote=True)
    )


def link_value(value: object) -> str:
    """Return a value as HTML; an id, or a list of ids, becomes links."""
    shown = str(value)
    return link_ids(shown) if IDS.fullmatch(shown) else escape(shown, quote=True)


def chosen_by_address(page: str, inputs: int) -> str:
    """Return the JavaScript of an event: what the page's address chooses replaces the first of its inputs."""
    return f"(chosen, ...others) => [chosenOn('{page}'), ...others.slice(0, {inputs - 1})]"


def choose_address(page: str) -> str:
    """Return the JavaScript of an event that moves the page's address to its input, an id or a name."""
    return f"(chosen) => choose('{page}', chosen)"


def unknown(page: str, name: str) -> Refusal:
    """Return what a page says of an address whose thing does not exist."""
    return Refusal(f"train.address.{page}", name=name[:40])
