# SPDX-License-Identifier: Apache-2.0
"""An argument of the chat template for one run: it reaches the prompts, the policies that the run makes, and exports."""

from __future__ import annotations

from functools import partial

import pytest
from transformers import AutoTokenizer

from data.errors import BadInput
from data.run_context import RunContext, RunResult
from data.settings import as_dict, parse_settings
from data.store import Store
from reward.base.frozen_base import Base
from rlhf.export import export_policy
from rlhf.kinds import KINDS
from rlhf.models.policy_loading import Bases
from rlhf.models.reward_choice import load_reward
from rlhf.ppo.reward_shaping import Scorer
from rlhf.runs import supervisor
from rlhf.runs.dry_run import look_ahead
from rlhf.runs.launch import launch
from rlhf.settings import SampleSettings
from tests.support.labeled_notes import label
from tests.support.tiny_model import CHAT_TEMPLATE, make_ending_model

PROMPT = "Thank Mina for the cake."
TEMPLATE = "{% if brief %}<|user|>Be brief.{% endif %}" + CHAT_TEMPLATE.replace(
    "<|assistant|>{% endif %}", "<|assistant|>{% if brief %}Yes. {% endif %}{% endif %}"
)
BRIEF = {"template_set": "brief=true"}
TRAINED = {"rank": 2, "max_steps": 1}
SMALL = {"n": 2, "max_new_tokens": 12}
RUNS = {
    "sft": {"batch_size": 2, **TRAINED},
    "dpo": {"batch_size": 2, "labels": "import", **TRAINED},
    "rejection": {"prompts_per_round": 40, "rounds": 1, "batch_size": 8, **TRAINED, **SMALL},
    "best-of-n": {"validation_prompts": 2, **SMALL},
    "ppo": {"batch_size": 4, "minibatch": 4, "epochs": 1, "max_new_tokens": 4, "validation_prompts": 2, **TRAINED},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_ending_model(tmp_path_factory.mktemp("model"), TEMPLATE)


def execute(store: Store, kind: str, settings: dict) -> RunResult:
    parsed = parse_settings(KINDS[kind].settings_class(), settings)
    queued = store.runs.enqueue(kind, as_dict(parsed), "test")
    read = parse_settings(KINDS[kind].settings_class(), store.runs.get(queued.id).settings)
    assert read == parsed, "the run's row holds the argument"
    return KINDS[kind].runner()(RunContext(store, queued), read)


def fill_training_data(store: Store) -> None:
    """Add rows to imitate, and imported comparisons."""
    for number in range(8):
        store.instructions.add(f"Thank Mina for gift {number}.", "Dear Mina, thank you.", source="test")
    start, mina = store.policies.get(1), store.accounts.add("mina", "labeler")
    base = Base.load(start.base)
    for number in range(8):
        label(store, base, start, mina, number)


@pytest.mark.parametrize("kind", RUNS)
def test_a_policy_keeps_the_argument_of_the_run_that_made_it(judged, kind):
    fill_training_data(judged)
    result = execute(judged, kind, {"from": "p1", **RUNS[kind], **BRIEF})
    policy = judged.policies.get(result.produced[0])
    assert policy.versions["template_kwargs"] == {"brief": True}
    base = Bases().of(policy)
    assert base.tokenizer.decode(base.encode_prompt(PROMPT)).startswith("<|user|>Be brief.")
    assert not judged.policies.get(1).versions.get("template_kwargs")


def test_an_export_writes_prompts_as_the_run_did(judged, tmp_path):
    fill_training_data(judged)
    result = execute(judged, "sft", {"from": "p1", **RUNS["sft"], **BRIEF})
    export_policy(judged, result.produced[0], tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    text = tokenizer.apply_chat_template([{"role": "user", "content": PROMPT}], tokenize=False)
    assert text.startswith("<|user|>Be brief.")


def test_answers_record_the_argument_and_are_drawn_with_it(judged):
    given = {"prompts": 4, "split": "train", "max_new_tokens": 6}
    execute(judged, "sample", given)
    execute(judged, "sample", given | BRIEF)
    plain, brief = judged.completions.of_run(1), judged.completions.of_run(2)
    assert [row.sampling.get("template_set") for row in (plain[0], brief[0])] == [None, ["brief=true"]]
    bases = [Bases(parse_settings(SampleSettings, given | more)) for more in ({}, BRIEF)]
    ids = [bases_.of(judged.policies.get(1)).encode_prompt(PROMPT) for bases_ in bases]
    assert ids[0] != ids[1]


def test_policies_are_compared_with_the_argument(judged, model):
    judged.policies.add(name="other", kind="base", base=str(model), parent_id=1)
    settings = {"policies": "p2", "judge": "reward", "reward": "r1", "prompts": 3, "max_new_tokens": 3, "best_of": 0}
    plain, brief = (
        execute(judged, "compare", settings | {"against": "p1"} | more).report["evaluations"][0] for more in ({}, BRIEF)
    )
    assert plain["gold_draws"] != brief["gold_draws"]


def test_an_argument_that_the_template_does_not_read_is_refused_by_name(judged):
    with pytest.raises(BadInput, match="reads no argument 'breif'") as refused:
        execute(judged, "sample", {"template_set": "breif=true"})
    assert refused.value.field == "template_set"


@pytest.mark.parametrize("own", [None, "{{ plain }}{% for m in messages %}{{ m.content }}{% endfor %}"])
def test_an_unread_argument_is_refused_before_the_run_is_queued_and_by_a_dry_run(judged, monkeypatch, own):
    """The template is that of the base's folder, or the policy's own in its place."""
    monkeypatch.setattr(supervisor, "ensure", lambda home: None)
    if own:
        judged.policies.add(name="own", kind="base", base=judged.policies.get(1).base, versions={"chat_template": own})
    before = len(judged.runs.all())
    for start in (partial(launch, by="rae"), look_ahead):
        with pytest.raises(BadInput, match="reads no argument 'breif'"):
            start(judged, "sample", {"template_set": "breif=true"})
        read = start(judged, "sample", {"template_set": "plain=x" if own else "brief=true"})
    assert (len(judged.runs.all()), read["memory"] is None) == (before + 1, False)


@pytest.mark.parametrize(("given", "problem"), [("brief", "is not NAME=VALUE"), ("messages=1", "set by the appl")])
def test_what_is_no_argument_is_refused_before_a_run_is_queued(given, problem):
    with pytest.raises(BadInput, match=problem):
        parse_settings(SampleSettings, [f"template_set={given}"])


def test_a_reward_model_reads_answers_in_the_form_of_its_own_training(judged):
    """Its template opens an answer otherwise, so it reads the text and not the ids of the policy."""
    policy = judged.policies.get(1)
    for more, shared in (({}, True), (BRIEF, False)):
        base: Base = Bases(parse_settings(SampleSettings, more)).of(policy)
        reward = load_reward(judged, "r1", base, policy)
        assert (reward.base is base) == shared
        answer = base.encode_completion("Dear Mina, thank you.")
        scorer = Scorer(base, reward, missing_eos_penalty=0.0)
        (score,) = scorer.raw_scores([PROMPT], [answer]).tolist()
        (expected,) = reward.score([PROMPT], ["Dear Mina, thank you."])
        assert score == pytest.approx(expected, abs=1e-5)
