# SPDX-License-Identifier: Apache-2.0
"""Every kind of run skips and counts conversations that the chat template refuses."""

from __future__ import annotations

from collections import Counter

import pytest

from data.errors import BadInput
from data.run_context import RunContext
from data.settings import as_dict
from data.store import Store
from data.views.preferences import preference_rows
from reward.base.frozen_base import Base
from reward.settings import RewardSettings
from reward.training.run import run as train_reward
from rlhf.clinic import embed
from rlhf.clinic.settings import EmbedSettings
from rlhf.evaluation.compare import run as compare
from rlhf.methods.best_of_n import run as best_of_n
from rlhf.methods.dpo import encode_comparisons
from rlhf.methods.rejection import run as rejection
from rlhf.methods.sample import run as sample
from rlhf.methods.sft import run as sft
from rlhf.ppo.prompt_rows import as_rows, fitting_rows
from rlhf.settings import BestOfNSettings, CompareSettings, RejectionSettings, SampleSettings, SFTSettings
from tests.support.labeled_notes import fill
from tests.support.tiny_model import CHAT_TEMPLATE, make_ending_model, make_tiny_model

REASON = "no cakes here"
REFUSING = (
    "{% for m in messages %}{% if 'cake' in m.content or 'number 7' in m.content %}{{ raise_exception('"
    + REASON
    + "') }}{% endif %}{% endfor %}"
    + CHAT_TEMPLATE
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_ending_model(tmp_path_factory.mktemp("model"), REFUSING)


def report_of(store: Store, kind: str, run, settings) -> dict:
    return run(RunContext(store, store.runs.enqueue(kind, as_dict(settings), "test")), settings).report


def count_cakes(store: Store, split: str) -> int:
    return sum("cake" in prompt.text for prompt in store.prompts.all(split=split))


def skipped(report: dict) -> int:
    """Return the number of prompts that were left out for the template's reason, which is the only one."""
    ((reason, count),) = report["skipped"].items()
    assert REASON in reason
    return count


def test_sampling_leaves_them_out(judged):
    report = report_of(judged, "sample", sample, SampleSettings(prompts=40, split="train", max_new_tokens=3))
    assert skipped(report) == count_cakes(judged, "train") > 0
    assert report["prompts"] == judged.prompts.count("train") - count_cakes(judged, "train")


def test_sampling_is_refused_if_none_is_left(store, model):
    store.policies.add(name="tiny", kind="base", base=str(model))
    split = store.prompts.add("A cake, please.", source="test").split
    with pytest.raises(BadInput, match=REASON):
        report_of(store, "sample", sample, SampleSettings(prompts=1, split=split, test_share=0, max_new_tokens=3))


def test_rejection_leaves_them_out(judged):
    settings = RejectionSettings(
        from_="p1", n=2, prompts_per_round=40, rounds=1, max_steps=1, rank=2, batch_size=8, max_new_tokens=12
    )
    report = report_of(judged, "rejection", rejection, settings)
    assert skipped(report) == count_cakes(judged, "train")


def test_best_of_n_leaves_them_out(judged):
    report = report_of(judged, "best-of-n", best_of_n, BestOfNSettings(n=2, validation_prompts=40, max_new_tokens=3))
    assert report.get("prompts", 0) == judged.prompts.count("validation") - count_cakes(judged, "validation")
    if count_cakes(judged, "validation"):
        assert skipped(report) == count_cakes(judged, "validation")


def test_comparing_leaves_them_out(judged, model):
    judged.policies.add(name="other", kind="base", base=str(model), parent_id=1)
    settings = CompareSettings(
        policies="p2", against="p1", judge="reward", reward="r1", prompts=40, max_new_tokens=3, best_of=0
    )
    report = report_of(judged, "compare", compare, settings)
    assert report["evaluations"][0]["prompts"] == judged.prompts.count("test") - count_cakes(judged, "test")
    if count_cakes(judged, "test"):
        assert skipped(report) == count_cakes(judged, "test")


def test_ppo_leaves_them_out(judged, model):
    counts: Counter[str] = Counter()
    rows = as_rows(judged.prompts.all())
    assert len(fitting_rows([Base.load(model)], rows, counts)) == 35
    assert skipped({"skipped": counts}) == 5


def test_ppo_leaves_out_what_the_reward_s_own_base_refuses(judged, model, tmp_path):
    counts: Counter[str] = Counter()
    bases = [Base.load(make_tiny_model("gpt2", tmp_path / "policy")), Base.load(model)]
    assert len(fitting_rows(bases, as_rows(judged.prompts.all()), counts)) == 35


def test_sft_and_the_clinic_leave_them_out(judged):
    for number, thing in enumerate(["cake", "book", "lamp"] * 6):
        judged.instructions.add(f"Thank Mina for the {thing} {number}.", "Dear Mina, thank you.", source="test")
    train = judged.instructions.all(split="train")
    cakes = sum("cake" in row.instruction for row in train)
    assert 0 < cakes < len(train)
    report = report_of(judged, "sft", sft, SFTSettings(from_="p1", max_steps=1, rank=2, batch_size=2))
    assert (report["rows"], skipped(report)) == (len(train) - cakes, cakes)
    report = report_of(judged, "embed", embed.run, EmbedSettings(from_="p1", clusters=2))
    assert (report["rows"], skipped(report)) == (len(train) - cakes, cakes)


def test_reward_training_and_dpo_leave_them_out(store, model):
    fill(store, model)
    refused = [row for row in preference_rows(store, source="import") if "number 7" in row.prompt]
    assert refused
    report = report_of(store, "reward", train_reward, RewardSettings(labels="import", max_steps=1, rank=2))
    assert report["left_out"] == {f"refused by the chat template: {REASON}": len(refused)}
    left_out: Counter[str] = Counter()
    rows = [row for row in preference_rows(store, source="import") if row.label != 0.5]
    encode_comparisons(Base.load(model), rows, left_out)
    assert left_out == {f"refused by the chat template: {REASON}": sum(row.label != 0.5 for row in refused)}
