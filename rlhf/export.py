# SPDX-License-Identifier: Apache-2.0
"""Export policies and reward models as Hugging Face folders: a PEFT adapter, or a merged model.

Every folder carries the tokenizer and the chat template, so another program prompts the model in the same way.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from data.errors import BadInput
from data.formats.writing import atomic_folder
from data.records import RewardModel as RewardRecord
from data.store import Store
from reward.about import ABOUT
from reward.base.encoding import PLAIN_TEMPLATE
from reward.base.loading import load_causal, load_tokenizer
from reward.base.locate import locate
from reward.member import member_folder
from reward.model import RewardModel
from reward.training.classifier import as_classifier
from rlhf.models.policy_loading import adapter_folder
from rlhf.models.start_policy import choose_start

PLAIN_CHAT_TEMPLATE = PLAIN_TEMPLATE.replace("{prompt}", "{{ messages[0]['content'] }}") + (
    "{% if messages | length > 1 %}{{ messages[1]['content'] + eos_token }}{% endif %}"
)
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


def export_policy(store: Store, policy_id: str | int, out: Path, *, merge: bool = False, force: bool = False) -> dict:
    """Write a policy to the folder `out`: its adapter, or with `merge` (and for a bare base) a whole model.

    Raises BadInput for an unknown policy, a policy without weights, a missing folder, or an existing `out` without
    `force`.
    """
    policy = choose_start(store, str(policy_id))
    adapter = adapter_folder(store, policy) if policy.adapter else None
    tokenizer: PreTrainedTokenizerBase
    with atomic_folder(out, force=force) as part:
        if adapter and not merge:
            _copy_adapter(adapter, part, policy.base)
            tokenizer = load_tokenizer(policy.base)
        else:
            model, tokenizer = load_causal(policy.base, None)
            _merged(model, adapter).save_pretrained(part)
        _save_tokenizer(tokenizer, part, policy.versions.get("chat_template"))
    return _export_document(out, policy.public)


def export_reward_model(
    store: Store, reward_model_id: str | int, out: Path, *, merge: bool = False, force: bool = False
) -> dict:
    """Write a reward model to `out` as a sequence classifier with one label: an adapter, or merged.

    Its logit is the raw score at the answer's end token; reward.json holds offset and scale. An ensemble becomes a
    folder with an adapter for each member. Raises BadInput for an ensemble with `merge`.
    """
    record = store.reward_models.get(reward_model_id)
    adapter = store.home / record.adapter
    model = RewardModel.load(adapter, record.base)  # raises for another base than that of its training
    base, about = model.base, model.about
    if len(model.members) > 1:
        return _export_ensemble(model, adapter, out, record, merge=merge, force=force)
    base.drop_adapter(model.members[0].role)
    with atomic_folder(out, force=force) as part:
        _save_tokenizer(base.tokenizer, part, about.chat_template)
        shutil.copyfile(adapter / ABOUT, part / ABOUT)
        if merge:
            _merged(as_classifier(base, seed=0), adapter).save_pretrained(part)
        else:
            _copy_adapter(adapter, part, record.base)
    return _export_document(out, record.public)


def _export_ensemble(
    model: RewardModel, adapter: Path, out: Path, record: RewardRecord, *, merge: bool, force: bool
) -> dict:
    count = len(model.members)
    if merge:
        error = f"{record.public} has {count} members, which cannot be merged into one model"
        raise BadInput(error, "Export it without --merge: each member becomes an adapter.", field="merge")
    with atomic_folder(out, force=force) as part:
        _save_tokenizer(model.base.tokenizer, part, model.about.chat_template)
        shutil.copyfile(adapter / ABOUT, part / ABOUT)
        for number in range(count):
            member_folder(part, number).mkdir()
            _copy_adapter(member_folder(adapter, number), member_folder(part, number), record.base)
            shutil.copyfile(member_folder(adapter, number) / ABOUT, member_folder(part, number) / ABOUT)
    return _export_document(out, record.public)


def _merged(model: PreTrainedModel, adapter: Path | None) -> PreTrainedModel:
    """Return the model with the adapter added to its weights, in float32: bfloat16 rounds small updates away."""
    if adapter is None:
        return model
    return PeftModel.from_pretrained(model.float(), str(adapter)).merge_and_unload()


def _copy_adapter(adapter: Path, out: Path, base: str) -> None:
    """Copy the adapter's files; its config names the base that it was trained on."""
    for name in ADAPTER_FILES:
        shutil.copyfile(adapter / name, out / name)
    config = json.loads((out / ADAPTER_FILES[0]).read_text())
    config["base_model_name_or_path"] = locate(base)
    (out / ADAPTER_FILES[0]).write_text(json.dumps(config, indent=2) + "\n")


def _save_tokenizer(tokenizer: PreTrainedTokenizerBase, out: Path, template: str | None) -> None:
    start = "{{ bos_token }}" if _starts_with_bos(tokenizer) else ""
    tokenizer.chat_template = template or tokenizer.chat_template or start + PLAIN_CHAT_TEMPLATE
    tokenizer.save_pretrained(out)


def _starts_with_bos(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Return whether the tokenizer puts a start token before a text; then the plain template must do so too."""
    return tokenizer.bos_token_id is not None and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]


def _export_document(out: Path, name: str) -> dict:
    return {"rows": 1, "omitted": {}, "files": [str(path) for path in sorted(out.iterdir())], "exported": name}
