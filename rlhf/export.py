# SPDX-License-Identifier: Apache-2.0
"""Export policies and reward models as Hugging Face folders: a PEFT adapter, or a merged model.

Every folder carries the tokenizer and the chat template, so another program prompts the model in the same way. No
folder names a path of this machine: an adapter names its base by the hub id, or has a copy of it.
"""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import torch
from transformers import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from data.formats.writing import atomic_folder
from data.records import RewardModel as RewardRecord
from data.store import Store
from labeling.texts.pages import bad_input
from reward.about import HEADS, MERGED, PACKED, About, read_about, write_about
from reward.base.adapters import HEAD, read_adapter
from reward.base.architecture import find_trunk
from reward.base.frozen_base import Base
from reward.base.loading import load_causal, load_tokenizer
from reward.base.placement import Placement
from reward.base.text.encoding import PLAIN_TEMPLATE
from reward.base.text.template_options import TemplateOptions
from reward.member import HEADS_FILE, member_folder, save_head
from reward.model import RewardModel
from reward.training.classifier import scoring_pad
from rlhf.model_card import Export, write_card
from rlhf.models.finetuning import merge_parent
from rlhf.models.policy_loading import adapter_folder
from rlhf.models.start_policy import choose_start
from rlhf.packed_base import export_base, name_base

PLAIN_CHAT_TEMPLATE = PLAIN_TEMPLATE.replace("{prompt}", "{{ messages[0]['content'] }}") + (
    "{% if messages | length > 1 %}{{ messages[1]['content'] + eos_token }}{% endif %}"
)
CARD = "README.md"
HEADS_NOTE = "transformers has no class for heads on hidden states; load the folder by reward.RewardModel.load"
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


def export_policy(store: Store, policy_id: str | int, out: Path, *, merge: bool = False, force: bool = False) -> dict:
    """Write a policy to the folder `out`: its adapter, or with `merge` (and for a bare base) a whole model.

    Raises BadInput for an unknown policy, a policy without weights, a missing folder, or an existing `out` without
    `force`.
    """
    policy = choose_start(store, str(policy_id))
    options = TemplateOptions.of(policy)
    adapter = adapter_folder(store, policy) if policy.adapter else None
    tokenizer: PreTrainedTokenizerBase
    with atomic_folder(out, force=force) as part:
        if adapter and not merge:
            base = export_base(policy.base, part)
            _copy_adapter(adapter, part, base.reference, "CAUSAL_LM")
            tokenizer = load_tokenizer(policy.base)
        else:
            base = name_base(policy.base)
            model, tokenizer = load_causal(policy.base, Placement() if adapter else None)
            parent = Base(model, tokenizer, policy.base, options=options)
            ends = parent.eos_ids
            model = merge_parent(parent, adapter)
            model.generation_config.eos_token_id = sorted(ends)
            model.save_pretrained(part)
        _save_tokenizer(tokenizer, part, options)
        whole = merge or adapter is None
        (part / CARD).write_text(write_card(store, Export(policy, base, whole)), encoding="utf-8")
    return _export_document(out, policy.public, base.note)


def export_reward_model(
    store: Store, reward_model_id: str | int, out: Path, *, merge: bool = False, force: bool = False
) -> dict:
    """Write a reward model to `out` as a sequence classifier with one label: an adapter, or merged.

    Its logit is the raw score at the answer's end token; reward.json holds offset and scale. An ensemble becomes a
    folder with an adapter for each member. If transformers has no such class for the base, `note` says so, and a merged
    model is one that `reward.RewardModel.load` reads, and so are heads on the bare base. With `merge` an ensemble and
    heads raise BadInput.
    """
    record = store.reward_models.get(reward_model_id)
    adapter = store.home / record.adapter
    model = RewardModel.load(adapter, record.base, Placement())  # raises for another base than that of its training
    base, about = model.base, model.about
    if about.method == HEADS or len(model.members) > 1:
        return _export_unmerged(store, model, adapter, out, record, merge=merge, force=force)
    role = model.members[0].role
    assert role is not None, "a reward model of the home is an adapter"
    base.drop_adapter(role)
    with atomic_folder(out, force=force) as part:
        _save_tokenizer(base.tokenizer, part, base.template_options)
        exported = name_base(record.base) if merge else export_base(record.base, part)
        if not merge:
            write_about(part, replace(about, base=exported.reference))
            _copy_adapter(adapter, part, exported.reference, "SEQ_CLS")
        elif has_classifier(base):
            write_about(part, replace(about, base=MERGED))
            merge_parent(base, adapter)
            _sequence_classifier(base, read_adapter(adapter)[1][HEAD]).save_pretrained(part)
        else:
            _save_with_head(base, adapter, about, part)
        (part / CARD).write_text(
            write_card(store, Export(record, exported, merge, has_classifier(base))), encoding="utf-8"
        )
    return _export_document(out, record.public, _note(base), exported.note)


def has_classifier(base: Base) -> bool:
    """Return whether transformers has a sequence classifier for the base's family."""
    return type(base.causal.config) in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING


def _sequence_classifier(base: Base, head: torch.Tensor) -> PreTrainedModel:
    """Return transformers' sequence classifier on the base's own layers with this head (1, D)."""
    config = copy.deepcopy(base.causal.config)
    config.num_labels = 1
    config.get_text_config().pad_token_id = scoring_pad(base)
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config)
    setattr(model, model.base_model_prefix, find_trunk(base.causal))
    model.score = torch.nn.Linear(base.hidden_size, 1, bias=False)
    model.score.weight.data = head.float()
    return model


def _save_with_head(base: Base, adapter: Path, about: About, out: Path) -> None:
    """Save the causal LM with the adapter merged into its trunk, and beside it the head and what it belongs to."""
    merged = Base(merge_parent(base, adapter), base.tokenizer, MERGED)
    merged.causal.save_pretrained(out)
    save_head(out, read_adapter(adapter)[1][HEAD])
    write_about(out, replace(about, base=MERGED, fingerprint=merged.fingerprint))


def _note(base: Base) -> str:
    if has_classifier(base):
        return ""
    family = base.causal.config.model_type
    return f"transformers has no sequence classifier for {family}; load the folder by reward.RewardModel.load"


def _export_unmerged(
    store: Store, model: RewardModel, folder: Path, out: Path, record: RewardRecord, *, merge: bool, force: bool
) -> dict:
    """Write a reward model that cannot be merged: an ensemble of adapters, or heads on the bare base."""
    heads, count = model.about.method == HEADS, len(model.members)
    if merge and heads:
        raise bad_input("refused.merge_heads", field="merge", public=record.public)
    if merge:
        raise bad_input("refused.merge_members", field="merge", public=record.public, count=count)
    with atomic_folder(out, force=force) as part:
        base = export_base(record.base, part)
        _save_tokenizer(model.base.tokenizer, part, model.base.template_options)
        write_about(part, replace(read_about(folder), base=base.reference))
        if heads:
            shutil.copyfile(folder / HEADS_FILE, part / HEADS_FILE)
        for number in range(0 if heads else count):
            source, target = member_folder(folder, number), member_folder(part, number)
            target.mkdir()
            _copy_adapter(source, target, "../base" if base.reference == PACKED else base.reference, "SEQ_CLS")
            write_about(target, replace(read_about(source), base=base.reference))
        (part / CARD).write_text(write_card(store, Export(record, base, whole=False)), encoding="utf-8")
    return _export_document(out, record.public, HEADS_NOTE if heads else _note(model.base), base.note)


def _copy_adapter(adapter: Path, out: Path, base: str, task: str) -> None:
    """Copy the adapter's files; its config names the base and the task, by which PEFT chooses a class."""
    for name in ADAPTER_FILES:
        shutil.copyfile(adapter / name, out / name)
    config = json.loads((out / ADAPTER_FILES[0]).read_text())
    config |= {"base_model_name_or_path": base, "task_type": task, "inference_mode": True}
    (out / ADAPTER_FILES[0]).write_text(json.dumps(config, indent=2) + "\n")


def _save_tokenizer(tokenizer: PreTrainedTokenizerBase, out: Path, options: TemplateOptions) -> None:
    """Save the tokenizer with the template that the policy was trained with; its arguments are set inside it."""
    start = "{{ bos_token }}" if _starts_with_bos(tokenizer) else ""
    template = options.chat_template or tokenizer.chat_template or start + PLAIN_CHAT_TEMPLATE
    given = [f"{{% set {name} = {_literal(value)} %}}" for name, value in (options.template_kwargs or {}).items()]
    tokenizer.chat_template = "".join([*given, template])
    tokenizer.save_pretrained(out)


def _literal(value: object) -> str:
    """Return a value as a literal of Jinja, which writes null as none."""
    return "none" if value is None else json.dumps(value)


def _starts_with_bos(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Return whether the tokenizer puts a start token before a text; then the plain template must do so too."""
    return tokenizer.bos_token_id is not None and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]


def _export_document(out: Path, name: str, *notes: str) -> dict:
    document = {"rows": 1, "omitted": {}, "files": [str(path) for path in sorted(out.iterdir())], "exported": name}
    return document | ({"note": "; ".join(filter(None, notes))} if any(notes) else {})
