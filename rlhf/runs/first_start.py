# SPDX-License-Identifier: Apache-2.0
"""The first start of a home: register the starter and the user's base, and sample the first pairs."""

from __future__ import annotations

from pathlib import Path

from data import starter
from data.errors import BadInput
from data.store import Store
from data.transfer.hub import is_downloaded
from rlhf.runs.launch import launch

FIRST_PROMPTS = 40
"""Prompts of the first sampling run, which ends within half a minute."""


def prepare(
    store: Store, base: str | None = None, chat_template: Path | None = None, *, by: str = "first start"
) -> None:
    """Register the starter in a home without policies, and `base`; queue the first sampling run.

    The run is queued only if the home has no run and no waiting pair. A base with another `chat_template` is another
    policy, so earlier answers keep their template. Raises BadInput, and changes nothing, if `base` has no model or
    the template cannot be read.
    """
    base = base and resolve_base(base)
    template = read_template(chat_template, base)
    store.imports.repair()
    if not store.policies.count():
        starter.register(store)
    if base and not _is_known(store, base, template):
        store.policies.add(
            name=Path(base).name, kind="base", base=base, versions={"chat_template": template} if template else {}
        )
    if store.prompts.count() and not store.runs.all() and not store.pairs.waiting_count():
        launch(store, "sample", {"prompts": FIRST_PROMPTS}, by=by)


def read_template(file: Path | None, base: str | None) -> str | None:
    """Return the text of a chat template's file.

    Raises BadInput if it is unreadable or empty, or if no base is named.
    """
    if file is None:
        return None
    if not base:
        raise BadInput("--chat-template needs a model", "Name the model too: --base MODEL", field="chat-template")
    try:
        template = file.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise BadInput(
            f"the chat template cannot be read: {problem}", "Give a file of UTF-8 text.", file=str(file)
        ) from None
    if not template.strip():
        raise BadInput(
            "the chat template is empty",
            "Give a file with a Jinja chat template, as in a tokenizer's folder.",
            file=str(file),
        )
    return template


def _is_known(store: Store, base: str, template: str | None) -> bool:
    bare = [policy for policy in store.policies.all() if policy.base == base and policy.adapter is None]
    return any(template in (None, policy.versions.get("chat_template")) for policy in bare)


def resolve_base(base: str) -> str:
    """Return a folder as an absolute path, or the id of a downloaded hub model. Raises BadInput otherwise."""
    local = Path(base).expanduser()
    if not local.exists() and is_downloaded(base):
        return base
    if not (local / "config.json").is_file():
        raise BadInput(
            f"there is no model in {str(local)!r}: config.json is missing",
            "Give the folder of a causal language model saved by transformers, or the id of a downloaded hub model.",
            field="base",
        )
    return str(local.resolve())
