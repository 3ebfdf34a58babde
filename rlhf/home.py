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
    """Register the starter in a home without any policy, and `base`; queue the first sampling run where none ever ran."""
    if not store.policies.count():
        starter.register(store)
    if base:
        record_base(store, base)
    if store.prompts.count() and not store.runs.list() and not store.pairs.waiting_count():
        launch(store, "sample", {"prompts": FIRST_PROMPTS}, by=by)


def record_base(store: Store, base: str) -> None:
    """Make `base` (a folder or a hub id) a policy of this home, once. Raises BadInput for a folder without a model."""
    local = Path(base).expanduser()
    if local.exists() or base.startswith(("/", ".", "~")):
        if not (local / "config.json").is_file():
            raise BadInput(
                f"there is no model in {str(local)!r}: config.json is missing",
                "Give the folder of a causal language model as transformers saves it, or its hub id.",
                field="base",
            )
        base = str(local.resolve())
    if not any(policy.base == base and policy.adapter is None for policy in store.policies.list()):
        store.policies.add(name=Path(base).name, kind="base", base=base)
