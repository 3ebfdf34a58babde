# SPDX-License-Identifier: Apache-2.0
"""Merge a policy's adapter into its base: a new base in the home, and a bare policy on it.

Some adapters, such as DoRA, cannot be trained on. Their merged policy can.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from data.store import Store
from reward.base.frozen_base import Base
from reward.base.machine import library_versions
from reward.base.placement import Placement
from reward.base.text.template_options import TemplateOptions
from rlhf.models.finetuning import merge_adapter
from rlhf.models.policy_loading import adapter_folder
from rlhf.models.start_policy import choose_adapted


def merge_policy(store: Store, policy_id: str, *, by: str, run_id: int | None = None) -> dict:
    """Merge a policy's adapter into its base -> {merged, produced: [id], folder, bytes}.

    The new policy has the parent's chat template with its options, and the parent in its lineage. The weights are
    merged on the CPU in float32, since bfloat16 rounds small updates away. The home changes in one step: folder and
    row appear together, or neither does. Raises BadInput for an unknown policy, and for one without an adapter.
    """
    policy = choose_adapted(store, policy_id)
    base = Base.load(policy.base, placement=Placement(), **TemplateOptions.of(policy).keywords())
    base.add_adapter(policy.public, adapter_folder(store, policy))
    options = base.template_options
    merged = Base(merge_adapter(base, policy.public), base.tokenizer, policy.public, options=options)
    with TemporaryDirectory(prefix=".merge.", dir=store.home) as place:
        folder = Path(place) / "base"
        merged.causal.save_pretrained(folder)
        merged.tokenizer.save_pretrained(folder)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        with store.transaction():
            new = store.policies.publish_base(
                folder,
                name=f"{policy.public} merged",
                kind="base",
                parent_id=policy.id,
                run_id=run_id,
                versions=library_versions() | {"fingerprint": merged.fingerprint} | options.keywords(),
            )
            store.audit.add(by, "merge policy", policy=policy.public, produced=new.public, bytes=size)
    return {"merged": policy.public, "produced": [new.public], "folder": new.base, "bytes": size}
