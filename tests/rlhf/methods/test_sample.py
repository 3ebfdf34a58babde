# SPDX-License-Identifier: Apache-2.0
"""A sampling run on a tiny random base: stored answers, pairs, choice of prompts, refusals."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from data import Store
from data.errors import BadInput
from labeling.session import Answer as Judgement
from labeling.session import RankingAnswer, Session
from rlhf.models.policy_loading import Bases
from rlhf.sampling.policy_answers import AnswerSampler
from tests.support.sampled_home import fill_sampled_home, sample
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model("llama", tmp_path_factory.mktemp("base"), context=64)


@pytest.fixture
def two_policies(store: Store, base: Path) -> Store:
    return fill_sampled_home(store, base)


def test_four_answers_per_prompt_make_two_pairs(two_policies: Store) -> None:
    report = sample(two_policies, from_="p1", prompts=3, per_prompt=4)
    assert (report["prompts"], report["completions"], report["pairs"]) == (3, 12, 6)
    pairs = two_policies.pairs.all()
    assert {pair.purpose for pair in pairs} == {"train"}
    assert len({side for pair in pairs for side in (pair.first_id, pair.second_id)}) == 12


def test_answers_become_one_ranking_task_of_the_project(two_policies: Store) -> None:
    notes = two_policies.projects.add("Notes")
    report = sample(two_policies, prompts=3, per_prompt=4, pairs="ranking", project="notes", split="train")
    tasks = [two_policies.rankings.task(row["id"]) for row in two_policies.rows("SELECT id FROM ranking_tasks")]
    assert (report["rankings"], report["pairs"], two_policies.pairs.count()) == (len(tasks), 0, 0)
    assert len(tasks) + report["equal"] == 3
    assert {(task.project_id, task.purpose) for task in tasks} == {(notes.id, "train")}
    assert all(3 <= len(task.completion_ids) <= 4 for task in tasks)


@pytest.mark.parametrize(
    "how", [{}, {"pairs": "ranking", "per_prompt": 4}, {"against": "p1"}], ids=["pairs", "rankings", "compared"]
)
def test_labelers_get_items_of_a_higher_priority_first(two_policies: Store, how: dict) -> None:
    for priority in (0, 7, -1):
        sample(two_policies, from_="p2", prompts=8, priority=priority, **how)
    table = "ranking_tasks" if "pairs" in how else "pairs"
    items = Counter(row["priority"] for row in two_policies.rows(f"SELECT priority FROM {table} WHERE shown"))
    assert set(items) == {0, 7, -1}
    session = Session(two_policies, two_policies.accounts.add("Mina", "labeler"), overlap=1, rankings=True)
    priorities = []
    while item := session.next():
        asked = two_policies.assignments.get(item.assignment)
        priorities.append(
            two_policies.value(f"SELECT priority FROM {table} WHERE id = ?", [asked.pair_id or asked.task_id])
        )
        about = {"id": f"answer-{len(priorities):03}", "assignment": item.assignment}
        places = range(1, 1 + len(asked.positions or ()))
        session.submit(
            RankingAnswer(**about, places=tuple(places)) if asked.positions else Judgement(**about, verdict="left")
        )
    assert priorities == sorted(items.elements(), reverse=True)


def test_an_answer_is_stored_with_its_settings_seed_and_number(two_policies: Store, base: Path) -> None:
    sample(two_policies, from_="p1", prompts=1, seed=5)
    answers = two_policies.completions.of_policy(1, split="train")
    assert [answer.number for answer in answers] == [0, 1]
    for answer in answers:
        assert answer.sampling == {"temperature": 1.0, "max_new_tokens": 6}
        assert (answer.seed, answer.run_id, answer.model_name) == (5, 1, "first")
        assert answer.ended == (len(answer.token_ids) < 6 or answer.token_ids[-1] == 0)
        assert "<|" not in answer.text


def test_a_share_of_test_prompts_is_answered_too_and_none_of_validation(two_policies: Store) -> None:
    """Labels of test prompts measure reward models; validation prompts choose checkpoints."""
    report = sample(two_policies, prompts=8, test_share=0.25)
    splits = Counter(
        two_policies.prompts.get(answer.prompt_id).split for answer in two_policies.completions.of_policy(2)
    )
    assert splits == {"train": 12, "test": 4}
    assert report["splits"] == {"train": 6, "test": 2}


def test_a_named_split_is_the_only_one_answered(two_policies: Store) -> None:
    assert sample(two_policies, split="validation", prompts=3, test_share=0.25)["splits"] == {"validation": 3}


def test_the_chat_template_stored_with_a_policy_frames_its_prompts(two_policies: Store, base: Path) -> None:
    other = "{% for message in messages %}Q: {{ message['content'] }}\nA:{% endfor %}"
    framed = two_policies.policies.add(
        name="with template", kind="base", base=str(base), versions={"chat_template": other}
    )
    bases = Bases()
    samplers = [AnswerSampler.load(two_policies, bases, two_policies.policies.get(id)) for id in (1, 2, framed.id)]
    prompt = two_policies.prompts.get(1)
    assert samplers[0].base is samplers[1].base
    assert samplers[2].base.tokenizer.decode(samplers[2].encode(prompt)) == f"Q: {prompt.text}\nA:"
    assert samplers[0].encode(prompt) != samplers[2].encode(prompt)


def test_a_run_of_which_no_answer_ended_says_so(two_policies: Store) -> None:
    report = sample(two_policies, prompts=3, max_new_tokens=1)
    assert (report["completions"], report["unended"]) == (6, 6)
    (note,) = report["notes"]
    assert note.startswith("None of the 6 answers of p2 ended within 1 tokens (end token: ")
    assert "--set max_new_tokens=N" in note
    assert "eos_token_id" in note


def test_each_policy_of_a_comparison_that_never_ends_is_named(two_policies: Store) -> None:
    notes = sample(two_policies, from_="p1", against="p2", prompts=3, max_new_tokens=1)["notes"]
    assert [note.partition(" ended")[0] for note in notes] == [
        "None of the 3 answers of p1",
        "None of the 3 answers of p2",
    ]


def test_characters_that_the_tokenizer_lacks_are_counted_over_the_prompts(store: Store, tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    folder = make_tiny_model("llama", tmp_path / "tiny", context=64, chat=False)
    words = Tokenizer(models.WordLevel({"</s>": 0, "<unk>": 1, "Name": 2, "cats": 3}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", eos_token="</s>").save_pretrained(folder)
    store.policies.add(name="words", kind="base", base=str(folder))
    store.prompts.add_many({"text": f"Name {n} cats", "source": "test"} for n in range(40))
    notes = sample(store, prompts=2, test_share=0.0, max_new_tokens=2)["notes"]
    frame = len(words.encode("### Instruction:\n\n### Response:\n").ids)
    assert f"tiny: {2 * (frame + 1)} of {2 * (frame + 3)} tokens of the prompts are <unk>" in notes


def test_a_template_that_the_tokenizer_cannot_write_is_noted(store: Store, tmp_path: Path) -> None:
    folder = make_tiny_model("llama", tmp_path / "tiny", context=64)
    template = "{% for m in messages %}{{ m.content | upper }}{% endfor %}"
    store.policies.add(name="shouting", kind="base", base=str(folder), versions={"chat_template": template})
    store.prompts.add_many({"text": f"Name {n} cats.", "source": "test"} for n in range(40))
    notes = sample(store, prompts=2, max_new_tokens=30)["notes"]
    assert "tiny: the chat template changes the text of an answer" in notes


def test_sampling_again_starts_with_prompts_without_answers(two_policies: Store) -> None:
    half = two_policies.prompts.count("train") // 2
    for _ in range(2):
        sample(two_policies, from_="p1", prompts=half)
    answered = Counter(answer.prompt_id for answer in two_policies.completions.of_policy(1))
    assert len(answered) == 2 * half
    assert set(answered.values()) == {2}


def test_the_same_prompt_sampled_again_gets_new_answers(two_policies: Store) -> None:
    for _ in range(2):
        sample(two_policies, from_="p1", prompts=1000)
    numbers = Counter(answer.number for answer in two_policies.completions.of_policy(1))
    assert set(numbers) == {0, 1, 2, 3}
    assert len(set(numbers.values())) == 1


def test_an_answer_does_not_depend_on_the_batch_it_was_drawn_in(
    two_policies: Store, tmp_path: Path, base: Path
) -> None:
    sample(two_policies, from_="p1", prompts=1000, batch_size=64)
    other = Store(tmp_path / "other")
    other.policies.add(name="first", kind="base", base=str(base))
    other.prompts.add_many({"text": prompt.text, "source": "test"} for prompt in two_policies.prompts.all())
    sample(other, from_="p1", prompts=1000, batch_size=2)
    ids = [[answer.id for answer in home.completions.of_policy(1)] for home in (two_policies, other)]
    assert ids[0] == ids[1]


def test_two_policies_are_paired_once_per_test_prompt_with_different_noise(two_policies: Store) -> None:
    """The policies have equal weights, so equal noise would give equal answers."""
    report = sample(two_policies, from_="p2", against="p1", prompts=4)
    assert report["pairs"] == report["prompts"] == 4
    assert {two_policies.prompts.get(pair.prompt_id).split for pair in two_policies.pairs.all("compare")} == {"test"}
    policies = [
        {two_policies.completions.get(side).policy_id for side in (p.first_id, p.second_id)}
        for p in two_policies.pairs.all()
    ]
    assert policies == [{1, 2}] * 4
    assert report["equal"] < 4


def test_pairs_of_equal_texts_are_stored_and_not_shown(two_policies: Store) -> None:
    """At a temperature near 0 every answer of a prompt is the same."""
    report = sample(two_policies, from_="p1", prompts=5, temperature=1e-4)
    assert report["equal"] == report["pairs"] == 5
    assert two_policies.pairs.waiting_count() == 0


def test_a_prompt_longer_than_the_context_is_skipped_and_counted(two_policies: Store) -> None:
    long = [two_policies.prompts.add(f"{n} " + "very long " * 80, source="test") for n in range(8)]
    assert any(prompt.split == "train" for prompt in long)
    report = sample(two_policies, from_="p1", prompts=1000)
    (reason,) = report["skipped"]
    assert "tokens long, the model's context is 64" in reason
    assert report["skipped"][reason] == sum(prompt.split == "train" for prompt in long)
    assert report["prompts"] == two_policies.prompts.count("train") - report["skipped"][reason]


def test_only_prompts_longer_than_the_context_is_bad_input(store: Store, base: Path) -> None:
    store.policies.add(name="first", kind="base", base=str(base))
    for number in range(8):
        store.prompts.add(f"{number} " + "very long " * 80, source="test")
    with pytest.raises(BadInput, match="context is 64"):
        sample(store, from_="p1")
    assert store.completions.count() == 0


def test_a_policy_whose_folder_is_gone_is_bad_input(two_policies: Store, base: Path) -> None:
    two_policies.policies.add(name="gone", kind="ppo", base=str(base), adapter="policies/p3")
    with pytest.raises(BadInput, match="p3 .gone. has no adapter in .*policies/p3"):
        sample(two_policies, from_="p3")


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
def test_impossible_settings_name_their_field(two_policies: Store, settings: dict, field: str) -> None:
    with pytest.raises(BadInput) as caught:
        sample(two_policies, **settings)
    assert caught.value.field == field
    assert two_policies.completions.count() == 0
