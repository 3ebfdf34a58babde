# SPDX-License-Identifier: Apache-2.0
"""Models of other programs, recorded as policies.

A PEFT adapter is copied into the home; a whole model stays in its folder.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from data.errors import BadInput
from data.store import Store

ADAPTER_CONFIG, ADAPTER_WEIGHTS, MODEL_CONFIG = "adapter_config.json", "adapter_model.safetensors", "config.json"
MODEL_CHECK = "rlhf.probe.process:ensure_usable"
"""The check of a model, named by text since imports go down only: (home, source, chat_template, adapter) -> None."""


def adopt_policy(store: Store, folder: Path | str) -> dict:
    """Record the model in `folder` as a policy, once -> {read, added, duplicate, rejected, produced: [id]}.

    Raises BadInput for a folder without a LoRA adapter or a causal language model in safetensors, and if the check
    refuses the model.
    """
    folder = Path(folder).expanduser().resolve()
    if not folder.is_dir():
        raise BadInput.of("error.no_folder", file=str(folder))
    if (folder / ADAPTER_CONFIG).is_file():
        return _adopt_adapter(store, folder)
    if (folder / MODEL_CONFIG).is_file():
        return _adopt_model(store, folder)
    raise BadInput.of("error.no_model_files", file=str(folder))


def _adopt_adapter(store: Store, folder: Path) -> dict:
    base = _lora_base(folder)
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise BadInput.of("error.no_adapter_weights", file=str(folder))
    digest = sha256((folder / ADAPTER_WEIGHTS).read_bytes()).hexdigest()
    known = next((policy for policy in store.policies.all() if policy.config.get("imported_hash") == digest), None)
    if known:
        return _result(known.public, new=False)
    _ensure_usable(store, base, folder)
    with TemporaryDirectory(prefix=".import.", dir=store.home) as place:
        copied = Path(place) / "adapter"
        copied.mkdir()
        for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
            shutil.copyfile(folder / name, copied / name)
        policy = store.policies.publish(
            copied,
            name=folder.name,
            kind="imported",
            base=base,
            config={"imported_hash": digest, "imported_from": str(folder)},
        )
    return _result(policy.public, new=True)


def _adopt_model(store: Store, folder: Path) -> dict:
    architectures = _json(folder / MODEL_CONFIG).get("architectures") or []
    if not any(name.endswith(("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")) for name in architectures):
        raise BadInput.of("error.not_causal", file=str(folder))
    if not any(folder.glob("*.safetensors")):
        raise BadInput.of("error.no_weights", file=str(folder))
    known = next(
        (policy for policy in store.policies.all() if policy.base == str(folder) and policy.adapter is None), None
    )
    if known:
        return _result(known.public, new=False)
    _ensure_usable(store, str(folder), None)
    return _result(store.policies.add(name=folder.name, kind="base", base=str(folder)).public, new=True)


def _ensure_usable(store: Store, source: str, adapter: Path | None) -> None:
    """Raise BadInput if the check of the layer that knows models refuses the base or the adapter on it."""
    module, _, name = MODEL_CHECK.partition(":")
    check: Callable[..., None] = getattr(import_module(module), name)
    check(store.home, source, adapter=adapter)


def _lora_base(folder: Path) -> str:
    """Return the base that a LoRA folder names: an absolute folder or a hub id. Raises BadInput.

    A path that begins with a dot starts at the LoRA folder, where exports put a copy of the base.
    """
    config = _json(folder / ADAPTER_CONFIG)
    if config.get("peft_type") != "LORA":
        raise BadInput.of("error.adapter_type", file=str(folder), type=config.get("peft_type"))
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise BadInput.of("error.adapter_base", file=str(folder / ADAPTER_CONFIG))
    place = folder / base if base.startswith(".") and (folder / base).is_dir() else Path(base)
    return str(place.resolve()) if place.is_dir() else base


def _json(path: Path) -> dict:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput.of("error.model_unreadable", file=str(path), error=str(error)) from None
    if not isinstance(document, dict):
        raise BadInput.of("error.model_not_json", file=str(path))
    return document


def _result(id: str, *, new: bool) -> dict:
    return {"read": 1, "added": int(new), "duplicate": int(not new), "rejected": 0, "produced": [id]}
