"""What a home gets when it is first served: the starter, a base of one's own, and the first pairs to compare."""

from __future__ import annotations

from pathlib import Path

from data import starter
from data.errors import BadInput
from data.store import Store
from rlhf.launch import launch

FIRST_PROMPTS = 40
"""Prompts of the first sampling run: enough for a first sitting, few enough to be there within half a minute."""


def prepare(store: Store, base: str | None = None, *, by: str = "first start") -> None:
    """Register the starter in a home without any policy, and `base`; queue the first sampling run where none ever ran.

    Raises BadInput, and changes nothing, where `base` is a folder without a model.
    """
    base = base and found(base)
    if not store.policies.count():
        starter.register(store)
    if base and not any(policy.base == base and policy.adapter is None for policy in store.policies.list()):
        store.policies.add(name=Path(base).name, kind="base", base=base)
    if store.prompts.count() and not store.runs.list() and not store.pairs.waiting_count():
        launch(store, "sample", {"prompts": FIRST_PROMPTS}, by=by)


def found(base: str) -> str:
    """A folder as an absolute path, a hub id as it is. Raises BadInput for a folder without a model."""
    local = Path(base).expanduser()
    if not local.exists() and not base.startswith(("/", ".", "~")):
        return base
    if not (local / "config.json").is_file():
        raise BadInput(
            f"there is no model in {str(local)!r}: config.json is missing",
            "Give the folder of a causal language model as transformers saves it, or its hub id.",
            field="base",
        )
    return str(local.resolve())
