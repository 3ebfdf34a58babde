# SPDX-License-Identifier: Apache-2.0
"""The model card of an exported policy or reward model: README.md as the Hugging Face hub reads it.

https://huggingface.co/docs/hub/model-cards: a YAML header, then use, lineage, data by source, and figures with their
95 % intervals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from data.ids import POLICY, REWARD_MODEL, RUN, SNAPSHOT, public_id
from data.intervals import share_interval
from data.records import Policy
from data.records import RewardModel as RewardRecord
from data.store import Store
from data.version import __version__
from data.views.head_to_head import head_to_head, mean_outcomes
from reward.about import MERGED, PACKED
from reward.base.machine import LIBRARIES
from rlhf.packed_base import ExportedBase

POLICY_ADAPTER = """from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "."  # this folder
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained({base}), folder)
tokenizer = AutoTokenizer.from_pretrained(folder)"""
POLICY_MODEL = """from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "."  # this folder
model = AutoModelForCausalLM.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)"""
CLASSIFIER = """from transformers import AutoModelForSequenceClassification, AutoTokenizer

folder = "."  # this folder
model = AutoModelForSequenceClassification.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)"""
REWARD = """from reward import RewardModel

RewardModel.load(".").score(["Name a tree."], ["An oak."])"""
LOCAL = {PACKED: "a local model, in the folder base", MERGED: "a local model"}
"""References of bases without a hub id, in words."""
FROM_HERE = '`AutoPeftModelForCausalLM.from_pretrained(".")` loads it if this folder is the working directory.'


@dataclass(frozen=True, slots=True)
class Export:
    """An exported model: its record, its base, and whether it is a whole model instead of an adapter.

    `classifier`: transformers has a sequence classifier for the base.
    """

    record: Policy | RewardRecord
    base: ExportedBase
    whole: bool
    classifier: bool = False


def write_card(store: Store, export: Export) -> str:
    """Return the card."""
    record = export.record
    home = f"a home of preference-loop {__version__}"
    parts = (
        _header(export),
        f"# {record.name}",
        f"{_kind(export)} {record.public} of {home}, of {record.created_at[:10]} (UTC).",
        _use(export),
        _section("Lineage", _lineage(store, export)),
        _section("Training data", _data(store, record)),
        _section("Figures", _figures(store, record)),
        _licence(export),
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _kind(export: Export) -> str:
    return "Policy" if isinstance(export.record, Policy) else "Reward model"


def _header(export: Export) -> str:
    policy = isinstance(export.record, Policy)
    licence = export.base.licence
    on_hub = export.base.reference not in LOCAL
    return "\n".join(
        [
            "---",
            f"license: {licence}" if licence else "# license: that of the base model, which names none here",
            *([f"base_model: {export.base.reference}"] if on_hub else []),
            f"library_name: {'transformers' if export.whole else 'peft'}",
            f"pipeline_tag: {'text-generation' if policy else 'text-classification'}",
            "tags:",
            "- rlhf",
            "---",
        ]
    )


def _use(export: Export) -> str:
    packed = export.base.reference == PACKED
    if not isinstance(export.record, Policy):
        code = CLASSIFIER if export.whole and export.classifier else REWARD
        return f"## Use\n\n```python\n{code}\n```"
    if export.whole:
        return f"## Use\n\n```python\n{POLICY_MODEL}\n```"
    base = 'f"{folder}/base"' if packed else repr(export.base.reference)
    code = f"## Use\n\n```python\n{POLICY_ADAPTER.format(base=base)}\n```"
    return f"{code}\n\n{FROM_HERE}" if packed else code


def _section(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) if lines else ""


def _lineage(store: Store, export: Export) -> list[str]:
    record = export.record
    lines = []
    if isinstance(record, Policy):
        for policy in _ancestors(store, record):
            parts = [
                f"from {public_id(POLICY, policy.parent_id)}" if policy.parent_id else "",
                f"reward model {public_id(REWARD_MODEL, policy.reward_model_id)}" if policy.reward_model_id else "",
                *_origin(policy),
            ]
            lines.append(f"{policy.public}, {policy.kind}: {', '.join(filter(None, parts)) or 'no training here'}")
    else:
        lines.append(f"{record.public}: {', '.join(filter(None, _origin(record))) or 'no training here'}")
    base = LOCAL.get(export.base.reference, export.base.reference)
    versions = ", ".join(f"{name} {record.versions[name]}" for name in LIBRARIES if name in record.versions)
    return [*lines, f"base: {base}", *([f"libraries: {versions}"] if versions else [])]


def _origin(record: Policy | RewardRecord) -> list[str]:
    return [
        f"data {public_id(SNAPSHOT, record.snapshot_id)}" if record.snapshot_id else "",
        f"{public_id(RUN, record.run_id)}" if record.run_id else "",
        f"seed {record.seed}" if record.seed is not None else "",
    ]


def _ancestors(store: Store, policy: Policy) -> Iterator[Policy]:
    """Yield the policy, its parent and so on."""
    current: Policy | None = policy
    while current:
        yield current
        current = store.policies.get(current.parent_id) if current.parent_id else None


def _data(store: Store, record: Policy | RewardRecord) -> list[str]:
    """Return one line for each snapshot that the model or what it descends from was trained on."""
    records: list[Policy | RewardRecord] = [record]
    if isinstance(record, Policy):
        records = list(_ancestors(store, record))
        rewards = dict.fromkeys(policy.reward_model_id for policy in _ancestors(store, record))
        records += [store.reward_models.get(id) for id in rewards if id]
    lines = []
    for id in dict.fromkeys(one.snapshot_id for one in records if one.snapshot_id):
        snapshot = store.snapshots.get(id)
        sources = Counter(str(row.get("source") or "no source") for row in store.snapshots.rows(id))
        counts = ", ".join(f"{source}: {count:,}" for source, count in sources.most_common())
        lines.append(
            f"{snapshot.public}, {snapshot.row_count:,} {snapshot.kind} by source: {counts} ({snapshot.hash[:12]})"
        )
    return lines


def _figures(store: Store, record: Policy | RewardRecord) -> list[str]:
    if not isinstance(record, Policy):
        report = record.report
        names = (("accuracy", "ci"), ("fit_accuracy", "fit_ci"))
        figures = [
            f"{name.replace('_', ' ')} on held-out prompts: {_share(report[name], report.get(interval))}"
            for name, interval in names
            if report.get(name) is not None
        ]
        return figures + ([f"skill: {report['skill']:.2f}"] if report.get("skill") is not None else [])
    lines = []
    newest = {(evaluation.against_id, evaluation.judge): evaluation for evaluation in store.evaluations.all(record.id)}
    for (against, judge), evaluation in newest.items():
        report = evaluation.report
        if report.get("win_rate") is not None:
            rival = f" against {public_id(POLICY, against)}" if against else ""
            prompts = f" on {report['prompts']:,} prompts" if isinstance(report.get("prompts"), int) else ""
            lines.append(
                f"win rate{rival}, judge {judge}: {_share(report['win_rate'], report.get('win_rate_ci'))}{prompts}"
            )
        if report.get("kl") is not None:
            lines.append(
                f"KL to {public_id(POLICY, against)}: {report['kl']:.2f} nats"
                if against
                else f"KL: {report['kl']:.2f} nats"
            )
    return lines + _by_people(store, record)


def _by_people(store: Store, policy: Policy) -> list[str]:
    if policy.parent_id is None:
        return []
    contests = head_to_head(store, "person", (policy.id, policy.parent_id))
    shares = list(mean_outcomes(contests, policy.id, policy.parent_id).values())
    if not shares:
        return []
    rival, share = public_id(POLICY, policy.parent_id), _share(fmean(shares), share_interval(shares))
    return [f"win rate against {rival}, judged by people: {share} on {len(shares):,} prompts"]


def _share(share: float, interval: Sequence[float | None] | None) -> str:
    if not interval or None in interval:
        return f"{share:.1%}"
    low, high = interval
    return f"{share:.1%} (95 %: {low:.1%} to {high:.1%})"


def _licence(export: Export) -> str:
    named = export.base.licence
    text = (
        f"The base model's licence is {named}." if named else "The base model's files name no licence here: look it up."
    )
    return f"## Licence\n\n{text} It also binds this model. Your data may set further terms."
