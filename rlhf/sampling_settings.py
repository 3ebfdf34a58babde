# SPDX-License-Identifier: Apache-2.0
"""The setting that says where a run samples: in its own processes or on vLLM servers. Importable without torch."""

from __future__ import annotations

import os
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from labeling.texts.pages import bad_input
from reward.placement_settings import PlacementSettings

KEYS = "PREFERENCE_LOOP_ROLLOUT_KEYS"
"""The environment variable with the keys of vLLM servers, URL=KEY separated by commas."""
START_SERVER = "start"
"""The value of `rollouts` that asks for a vLLM server of the run's own."""


def split_addresses(given: str) -> list[str]:
    """Return the addresses of vLLM servers, without /v1. Raises BadInput for one that is more than an address."""
    addresses = []
    for url in (part.strip() for part in given.split(",") if part.strip()):
        parts = urlsplit(url)
        path = parts.path.rstrip("/").removesuffix("/v1")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise bad_input("refused.rollouts_address", field="rollouts", given=url)
        if parts.username or parts.password or parts.query or parts.fragment:
            hidden = f"{parts.scheme}://{parts.hostname}"
            raise bad_input("refused.rollouts_secrets", field="rollouts", hidden=hidden, variable=KEYS)
        addresses.append(f"{parts.scheme}://{parts.netloc}{path}")
    return list(dict.fromkeys(addresses))


def read_keys() -> dict[str, str]:
    """Return the keys in the environment by address."""
    pairs = (part.partition("=") for part in os.environ.get(KEYS, "").split(",") if part.strip())
    return {address: key.strip() for url, _, key in pairs for address in split_addresses(url)}


def _check_rollouts(given: str) -> str:
    """Return the addresses in one form, or START_SERVER."""
    return given.strip() if given.strip() == START_SERVER else ",".join(split_addresses(given))


class SamplingPlacement(PlacementSettings):
    """The placement of a run that samples: also the vLLM servers that draw its answers, none for its own processes."""

    rollouts: Annotated[str, AfterValidator(_check_rollouts)] = ""
