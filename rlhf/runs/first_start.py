"""What a home gets when it is first served: the starter, a base of one's own, and the first pairs to compare."""

from __future__ import annotations

from pathlib import Path

from data import starter
from data.errors import BadInput
from data.store import Store
from data.transfer.hub import is_downloaded
from rlhf.runs.launch import launch

FIRST_PROMPTS = 40
"""Prompts of the first sampling run: enough for a first sitting, few enough to be there within half a minute."""


def prepare(
    store: Store, base: str | None = None, chat_template: Path | None = None, *, by: str = "first start"
) -> None:
    """Register the starter in a home without any policy, and `base`; queue the first sampling run where none ever ran.

    A base with another `chat_template` is another policy: what was sampled with the old one stays explained.
    Raises BadInput, and changes nothing, where `base` is a folder without a model or the template cannot be read.
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
    """The text of a chat template's file. Raises BadInput where it cannot be read, is empty, or no base is named that it is for."""
    if file is None:
        return None
    if not base:
        raise BadInput(
            "a chat template is for a model of one's own", "Name the model too: --base MODEL", field="chat-template"
        )
    try:
        template = file.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise BadInput(
            f"the chat template cannot be read: {problem}", "Give a file of UTF-8 text.", file=str(file)
        ) from None
    if not template.strip():
        raise BadInput("the chat template is empty", "Give a Jinja template as tokenizers keep it.", file=str(file))
    return template


def _is_known(store: Store, base: str, template: str | None) -> bool:
    bare = [policy for policy in store.policies.all() if policy.base == base and policy.adapter is None]
    return any(template in (None, policy.versions.get("chat_template")) for policy in bare)


def resolve_base(base: str) -> str:
    """A folder as an absolute path, the id of a downloaded hub model as it is. Raises BadInput for what is neither."""
    local = Path(base).expanduser()
    if not local.exists() and is_downloaded(base):
        return base
    if not (local / "config.json").is_file():
        raise BadInput(
            f"there is no model in {str(local)!r}: config.json is missing",
            "Give the folder of a causal language model as transformers saves it, or the id of a hub model that was downloaded before.",
            field="base",
        )
    return str(local.resolve())
