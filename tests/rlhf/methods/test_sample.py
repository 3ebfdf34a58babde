# SPDX-License-Identifier: Apache-2.0
"""A sampling run on a tiny random base: what it stores, which pairs it makes, whom it asks first, what it refuses."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from data import Store
from data.errors import BadInput
from data.run_context import Cancelled, RunContext
from data.settings import as_dict, parse_settings
from labeling.session import Answer as Judgement
from labeling.session import RankingAnswer, Session
from rlhf.methods.sample import run
from rlhf.models.policy_loading import Bases
from rlhf.sampling.pairing import choose_prompts, pair_indices
from rlhf.sampling.policy_answers import AnswerSampler, SampledAnswer, SamplingLimits
from rlhf.settings import SampleSettings
from tests.support.tiny_model import make_tiny_model

SHORT = {"max_new_tokens": 6, "batch_size": 8, "test_share": 0.0}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model("llama", tmp_path_factory.mktemp("base"), context=64)


@pytest.fixture
def ring(store: Store, base: Path) -> Store:
    """Two policies on one base, and prompts enough for every split."""
    store.policies.add(name="first", kind="base", base=str(base))
    store.policies.add(name="second", kind="base", base=str(base), parent_id=1)
    store.prompts.add_many({"text": f"Name {n} cats.", "source": "test"} for n in range(40))
    return store


def sample(store: Store, **settings: object) -> dict:
    chosen = parse_settings(SampleSettings, {**SHORT, **settings})
    context = RunContext(store, store.runs.enqueue("sample", as_dict(chosen), "test"))
    return run(context, chosen).report


def test_disjoint_pairs_use_no_answer_twice_and_all_pairs_every_two() -> None:
    assert pair_indices(2, "disjoint") == [(0, 1)]
    assert pair_indices(4, "disjoint") == [(0, 1), (2, 3)]
    assert pair_indices(3, "disjoint") == [(0, 1)]
    assert pair_indices(3, "all") == [(0, 1), (0, 2), (1, 2)]


def test_four_answers_per_prompt_make_two_pairs(ring: Store) -> None:
    report = sample(ring, from_="p1", prompts=3, per_prompt=4)
    assert (report["prompts"], report["completions"], report["pairs"]) == (3, 12, 6)
    pairs = ring.pairs.all()
    assert {pair.purpose for pair in pairs} == {"train"}
    assert len({side for pair in pairs for side in (pair.first_id, pair.second_id)}) == 12


def test_answers_are_put_before_the_labelers_of_a_project_as_one_ranking(ring: Store) -> None:
    notes = ring.projects.add("Notes")
    report = sample(ring, prompts=3, per_prompt=4, pairs="ranking", project="notes", split="train")
    tasks = [ring.rankings.task(row["id"]) for row in ring.rows("SELECT id FROM ranking_tasks")]
    assert (report["rankings"], report["pairs"], ring.pairs.count()) == (len(tasks), 0, 0)
    assert len(tasks) + report["equal"] == 3
    assert {(task.project_id, task.purpose) for task in tasks} == {(notes.id, "train")}
    assert all(3 <= len(task.completion_ids) <= 4 for task in tasks)


@pytest.mark.parametrize(
    "how", [{}, {"pairs": "ranking", "per_prompt": 4}, {"against": "p1"}], ids=["pairs", "rankings", "compared"]
)
def test_what_is_sampled_with_a_higher_priority_is_judged_first_after_what_is_unfinished(
    ring: Store, how: dict
) -> None:
    for priority in (0, 7, -1):
        sample(ring, from_="p2", prompts=8, priority=priority, **how)
    table = "ranking_tasks" if "pairs" in how else "pairs"
    items = Counter(row["priority"] for row in ring.rows(f"SELECT priority FROM {table} WHERE shown"))
    assert set(items) == {0, 7, -1}
    session = Session(ring, ring.accounts.add("Mina", "labeler"), overlap=1, rankings=True)
    met = []
    while item := session.next():
        asked = ring.assignments.get(item.assignment)
        met.append(ring.value(f"SELECT priority FROM {table} WHERE id = ?", [asked.pair_id or asked.task_id]))
        about = {"id": f"answer-{len(met):03}", "assignment": item.assignment}
        places = range(1, 1 + len(asked.positions or ()))
        session.submit(
            RankingAnswer(**about, places=tuple(places)) if asked.positions else Judgement(**about, verdict="left")
        )
    assert met == sorted(items.elements(), reverse=True)


def test_an_answer_is_stored_with_all_that_made_it(ring: Store, base: Path) -> None:
    sample(ring, from_="p1", prompts=1, seed=5)
    answers = ring.completions.of_policy(1, split="train")
    assert [answer.number for answer in answers] == [0, 1]
    for answer in answers:
        assert answer.sampling == {"temperature": 1.0, "max_new_tokens": 6}
        assert (answer.seed, answer.run_id, answer.model_name) == (5, 1, "first")
        assert answer.ended == (len(answer.token_ids) < 6 or answer.token_ids[-1] == 0)
        assert "<|" not in answer.text


def test_a_share_of_test_prompts_is_answered_too_and_none_of_validation(ring: Store) -> None:
    """The labels of the one measure reward models, the other is kept for choosing checkpoints."""
    report = sample(ring, prompts=8, test_share=0.25)
    splits = Counter(ring.prompts.get(answer.prompt_id).split for answer in ring.completions.of_policy(2))
    assert splits == {"train": 12, "test": 4}
    assert report["splits"] == {"train": 6, "test": 2}


def test_a_named_split_is_the_only_one_answered(ring: Store) -> None:
    assert sample(ring, split="validation", prompts=3, test_share=0.25)["splits"] == {"validation": 3}


def test_a_chat_template_that_was_kept_with_a_policy_frames_its_prompts(ring: Store, base: Path) -> None:
    other = "{% for message in messages %}Q: {{ message['content'] }}\nA:{% endfor %}"
    kept = ring.policies.add(name="with template", kind="base", base=str(base), versions={"chat_template": other})
    bases = Bases()
    speakers = [AnswerSampler.load(ring, bases, ring.policies.get(id)) for id in (1, 2, kept.id)]
    prompt = ring.prompts.get(1)
    assert speakers[0].base is speakers[1].base
    assert speakers[2].base.tokenizer.decode(speakers[2].encode(prompt)) == f"Q: {prompt.text}\nA:"
    assert speakers[0].encode(prompt) != speakers[2].encode(prompt)


def test_sampling_again_goes_to_prompts_without_answers_first(ring: Store) -> None:
    half = ring.prompts.count("train") // 2
    for _ in range(2):
        sample(ring, from_="p1", prompts=half)
    answered = Counter(answer.prompt_id for answer in ring.completions.of_policy(1))
    assert len(answered) == 2 * half
    assert set(answered.values()) == {2}


def test_the_same_prompt_sampled_again_gets_new_answers(ring: Store) -> None:
    for _ in range(2):
        sample(ring, from_="p1", prompts=1000)
    numbers = Counter(answer.number for answer in ring.completions.of_policy(1))
    assert set(numbers) == {0, 1, 2, 3}
    assert len(set(numbers.values())) == 1


def test_an_answer_does_not_depend_on_the_batch_it_was_drawn_in(ring: Store, tmp_path: Path, base: Path) -> None:
    sample(ring, from_="p1", prompts=1000, batch_size=64)
    other = Store(tmp_path / "other")
    other.policies.add(name="first", kind="base", base=str(base))
    other.prompts.add_many({"text": prompt.text, "source": "test"} for prompt in ring.prompts.all())
    sample(other, from_="p1", prompts=1000, batch_size=2)
    kept = [[answer.id for answer in each.completions.of_policy(1)] for each in (ring, other)]
    assert kept[0] == kept[1]


def test_two_policies_meet_once_per_test_prompt_and_not_with_the_same_noise(ring: Store) -> None:
    """The two policies have equal weights: with the same noise every answer would be the same."""
    report = sample(ring, from_="p2", against="p1", prompts=4)
    assert report["pairs"] == report["prompts"] == 4
    assert {ring.prompts.get(pair.prompt_id).split for pair in ring.pairs.all("compare")} == {"test"}
    policies = [{ring.completions.get(side).policy_id for side in (p.first_id, p.second_id)} for p in ring.pairs.all()]
    assert policies == [{1, 2}] * 4
    assert report["equal"] < 4


def test_equal_texts_are_kept_and_not_shown(ring: Store) -> None:
    """At a temperature near 0 every answer of a prompt is the same."""
    report = sample(ring, from_="p1", prompts=5, temperature=1e-4)
    assert report["equal"] == report["pairs"] == 5
    assert ring.pairs.waiting_count() == 0


def test_a_prompt_longer_than_the_context_is_skipped_and_counted(ring: Store) -> None:
    long = [ring.prompts.add(f"{n} " + "very long " * 80, source="test") for n in range(8)]
    assert any(prompt.split == "train" for prompt in long)
    report = sample(ring, from_="p1", prompts=1000)
    (reason,) = report["skipped"]
    assert "tokens long, the model's context is 64" in reason
    assert report["skipped"][reason] == sum(prompt.split == "train" for prompt in long)
    assert report["prompts"] == ring.prompts.count("train") - report["skipped"][reason]


def test_only_prompts_longer_than_the_context_is_bad_input(store: Store, base: Path) -> None:
    store.policies.add(name="first", kind="base", base=str(base))
    for number in range(8):
        store.prompts.add(f"{number} " + "very long " * 80, source="test")
    with pytest.raises(BadInput, match="context is 64"):
        sample(store, from_="p1")
    assert store.completions.count() == 0


def test_a_policy_whose_folder_is_gone_is_bad_input(ring: Store, base: Path) -> None:
    ring.policies.add(name="gone", kind="ppo", base=str(base), adapter="policies/p3")
    with pytest.raises(BadInput, match="p3 .gone. has no adapter in .*policies/p3"):
        sample(ring, from_="p3")


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"per_prompt": 1}, "per_prompt"),
        ({"prompts": 0}, "prompts"),
        ({"pairs": "some"}, "pairs"),
        ({"split": "tset"}, "split"),
        ({"against": "p1", "split": "train"}, "split"),
        ({"from_": "p1", "against": "p1"}, "against"),
        ({"pairs": "ranking"}, "per_prompt"),
        ({"pairs": "ranking", "per_prompt": 10}, "per_prompt"),
        ({"project": "Nothing"}, "project"),
    ],
)
def test_settings_that_make_no_sense_name_their_field(ring: Store, settings: dict, field: str) -> None:
    with pytest.raises(BadInput) as caught:
        sample(ring, **settings)
    assert caught.value.field == field
    assert ring.completions.count() == 0


def test_a_cancelled_run_keeps_what_it_made(ring: Store) -> None:
    chosen = SampleSettings(from_="p1", prompts=20, max_new_tokens=4, batch_size=4)
    queued = ring.runs.enqueue("sample", as_dict(chosen), "test")
    context = RunContext(ring, queued)
    seen = []
    context.progress = lambda done, total, note="": seen.append(done) or done and ring.runs.request_cancel(queued.id)
    context.cancelled = lambda: ring.runs.get(queued.id).cancel_requested
    with pytest.raises(Cancelled):
        run(context, chosen)
    assert seen == [0, 2]
    assert ring.completions.count() == 4


@pytest.mark.parametrize(
    ("pace", "told"), [(0.001, [0, 2, 10, 18, 20]), (1.0, [0, 2, 6, 10, 14, 18, 20]), (9.0, list(range(0, 21, 2)))]
)
def test_a_slow_model_tells_more_often_how_far_it_is(
    ring: Store, monkeypatch: pytest.MonkeyPatch, pace: float, told: list[int]
) -> None:
    """`pace` seconds an answer, two answers a prompt: 8 s are 4 prompts at 1 s; a batch is 2 prompts, and a chunk at most 4 batches."""
    clock = [0.0]

    def draw(speaker: AnswerSampler, wanted: list, limits: SamplingLimits, seed: int) -> list[SampledAnswer]:
        clock[0] += pace * len(wanted)
        return [SampledAnswer(f"{one.prompt_id} {one.number}", [1], True) for one in wanted]

    monkeypatch.setattr(AnswerSampler, "draw", draw)
    monkeypatch.setattr("rlhf.methods.sample.monotonic", lambda: clock[0])
    chosen = SampleSettings(from_="p1", prompts=20, split="train", batch_size=4)
    context = RunContext(ring, ring.runs.enqueue("sample", as_dict(chosen), "test"))
    seen = []
    context.progress = lambda done, total, note="": seen.append(done)
    run(context, chosen)
    assert seen == told


def test_cancelling_is_heard_between_two_tokens(ring: Store) -> None:
    chosen = SampleSettings(from_="p1", prompts=20, max_new_tokens=40, batch_size=64)
    context = RunContext(ring, ring.runs.enqueue("sample", as_dict(chosen), "test"))
    asked = []
    context.cancelled = lambda: asked.append(None) or len(asked) == 4
    with pytest.raises(Cancelled):
        run(context, chosen)
    assert len(asked) == 4
    assert ring.completions.count() == 0


def test_least_answered_prompts_come_first_and_ties_are_drawn_by_seed(ring: Store) -> None:
    prompts = ring.prompts.all(split="train")
    answered = Counter({prompt.id: 1 for prompt in prompts[:-3]})
    first = choose_prompts(ring, "train", 3, answered, seed=0)
    assert {prompt.id for prompt in first} == {prompt.id for prompt in prompts[-3:]}
    orders = {tuple(prompt.id for prompt in choose_prompts(ring, "train", 9, Counter(), seed)) for seed in range(3)}
    assert len(orders) == 3
