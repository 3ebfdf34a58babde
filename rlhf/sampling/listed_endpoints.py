# SPDX-License-Identifier: Apache-2.0
"""The home's list of OpenAI-compatible endpoints, by name. Only the command line adds entries; pages name them.

The key of the endpoint NAME is read from the environment variable PREFERENCE_LOOP_ENDPOINT_KEY_NAME, so that no
endpoint receives the key of another one. Importable without torch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from labeling.texts.pages import bad_input
from rlhf.common.named_specs import read_specs, update_specs
from rlhf.sampling.openai_endpoint import KEY, OpenAIEndpoint

FILE = "endpoints.json"
ENDPOINT_HELP = (
    f"an OpenAI-compatible endpoint for the playground, stored in the home; its key is read from ${KEY}_NAME; "
    "NAME= removes it; may be repeated"
)
_ENTRY = re.compile(r"(?P<name>(?!p\d+=)[A-Za-z]\w*)=(?:(?P<model>[^@]+)@(?P<url>.+))?", re.ASCII)


def add_endpoints(home: Path, given: Sequence[str]) -> None:
    """Add entries NAME=MODEL@URL to the home's list; NAME= removes one.

    Raises BadInput and adds none if one is wrong.
    """
    if given:
        added = dict(_entry(text) for text in given)
        _refuse_shared_keys({**read_specs(home / FILE), **added})
        update_specs(home / FILE, added)


def read_endpoints(home: Path) -> dict[str, OpenAIEndpoint]:
    """Return the home's endpoints by name, each with its key if there is one."""
    return {name: _endpoint(name, spec) for name, spec in read_specs(home / FILE).items()}


def _refuse_shared_keys(specs: Mapping[str, str]) -> None:
    """Raise BadInput for two names that differ in case alone: one variable would hold the keys of both."""
    names: dict[str, str] = {}
    for name in (name for name, spec in specs.items() if spec):
        if (other := names.setdefault(name.upper(), name)) != name:
            raise bad_input("endpoints.same_key", field="endpoint", name=name, other=other)


def _entry(text: str) -> tuple[str, str]:
    match = _ENTRY.fullmatch(text.strip())
    if match is None:
        raise bad_input("endpoints.not_an_entry", field="endpoint", given=text)
    name, spec = match["name"], f"{match['model']}@{match['url']}" if match["url"] else ""
    if spec:
        _endpoint(name, spec)  # refuses an address that is none
    return name, spec


def _endpoint(name: str, spec: str) -> OpenAIEndpoint:
    model, _, url = spec.partition("@")
    key = os.environ.get(f"PREFERENCE_LOOP_ENDPOINT_KEY_{name.upper()}", "")
    return replace(OpenAIEndpoint.of(url, model), key=key, variable=f"{KEY}_{name.upper()}")
