# SPDX-License-Identifier: Apache-2.0
"""The policy that a run starts from, and the folder of its base on this machine. Importable without torch."""

from __future__ import annotations

from pathlib import Path

from data.errors import BadInput
from data.records import Policy
from data.settings import Settings
from data.store import Store
from data.transfer.hub import downloaded_folder
from reward.base.locate import locate


def starting_policy(store: Store, settings: Settings) -> Policy | None:
    """Return the policy that the settings name first, the newest one if they name none; None if there is none."""
    wanted = getattr(settings, "from_", "") or next(iter(getattr(settings, "policies", ())), "")
    return next((policy for policy in reversed(store.policies.all()) if wanted in ("", policy.public)), None)


def base_source(store: Store, settings: Settings) -> str:
    """Return the base that the settings name, or that of the starting policy; empty if there is none."""
    named = getattr(settings, "base", "")
    policy = None if named else starting_policy(store, settings)
    return named or (policy.base if policy else "")


def base_folder(source: str) -> Path | None:
    """Return the folder of a base on this machine, None if it is not there."""
    try:
        located = locate(source)
    except BadInput:
        return None
    return Path(located) if Path(located).is_dir() else downloaded_folder(located)
