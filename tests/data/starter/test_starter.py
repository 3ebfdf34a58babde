# SPDX-License-Identifier: Apache-2.0
"""The starter: its corpus keeps its promises, its rubric knows good from bad, and its build runs at a tiny size."""

from __future__ import annotations

import itertools
import json
import random
import re

import pytest
from datasets import load_dataset

from data import Store, starter
from data.splits import split_of
from data.starter import corpus, manners, rubric, words
from data.starter.families import FAMILIES, Task, draw_task
from data.starter.manners import Profile, draw_profile, write
from data.starter.words import Words

DOCUMENTS = list(itertools.islice(corpus.documents(3), 3000))
PROMPTS = corpus.prompts({"train": 60, "validation": 20, "test": 300}, seed=5)


def test_the_same_seed_makes_the_same_corpus_and_another_seed_another():
    assert DOCUMENTS[:50] == list(itertools.islice(corpus.documents(3), 50))
    assert DOCUMENTS[:50] != list(itertools.islice(corpus.documents(4), 50))


def test_there_are_names_and_things_by_the_thousand():
    assert len(words.NAMES) > 3000
    assert len(words.NOUNS) > 3000


def test_no_training_document_holds_a_test_prompt():
    prompts = (re.match(r"<\|user\|>(.*?)<\|assistant\|>", document).group(1) for document in DOCUMENTS)
    assert all(split_of(prompt) != "test" for prompt in prompts)


def test_no_training_document_holds_a_held_out_name_or_thing():
    held_out = set(words.HELD_OUT_NAMES) | set(words.HELD_OUT_NOUNS)
    assert not any(held_out & set(re.findall(r"\w+", document)) for document in DOCUMENTS)


def test_every_name_and_thing_of_a_test_prompt_is_held_out():
    test = [row["facts"] for row in PROMPTS if row["split"] == "test"]
    assert all(facts["name"] in words.HELD_OUT_NAMES for facts in test if "name" in facts)
    assert all(facts["thing"].split()[-1] in words.HELD_OUT_NOUNS for facts in test if "thing" in facts)


def test_prompts_are_distinct_and_stand_in_the_split_that_their_text_hashes_to():
    assert len({row["prompt"] for row in PROMPTS}) == 380
    assert all(split_of(row["prompt"]) == row["split"] for row in PROMPTS)


def test_at_least_eight_families_are_asked():
    assert len({row["family"] for row in PROMPTS}) >= 8


def test_between_a_third_and_two_thirds_of_the_rows_have_a_marked_defect():
    rows = corpus.instruction_rows(600, seed=1)
    assert 1 / 3 < sum(bool(row["defects"]) for row in rows) / len(rows) < 2 / 3
    assert all(split_of(row["instruction"]) == "train" for row in rows)


def test_sums_are_right_more_often_than_not():
    rng = random.Random(0)
    tasks = [draw_task(Words(rng), "sum") for _ in range(300)]
    answers = [write(task, draw_profile(rng), Words(rng))[0] for task in tasks]
    assert sum(rubric.task_fit(task.facts, answer) for task, answer in zip(tasks, answers, strict=True)) > 0.7 * 300


@pytest.mark.parametrize("family", FAMILIES)
def test_a_warm_right_answer_fits_and_beats_every_defect(family: str):
    rng = random.Random(7)
    for _ in range(20):
        task = draw_task(Words(rng), family)
        good = rubric.gold(task.facts, write(task, Profile("warm"), Words(rng))[0])
        for bad in (
            Profile("rude"),
            Profile("warm", "off_topic"),
            Profile("plain", unfinished=True),
            Profile("plain", rambles=True),
        ):
            assert rubric.gold(task.facts, write(task, bad, Words(rng))[0]) < good


def test_the_parts_of_the_rubric_are_those_of_its_table():
    facts = {"family": "thanks", "name": "Mina", "thing": "red book"}
    # fit 2 x 1, courtesy "Dear" and "I hope" 2 x 0.25, full stop 0.3, 12 words lie in the band 8..40
    assert rubric.gold(facts, "Dear Mina, I hope you are well. Thank you for the red book.") == pytest.approx(
        2 + 0.5 + 0.3
    )
    # the noun alone is half a thing: fit 2 x (1 + .5) / 2; 5 words are below the band: -0.5; no end: 0.3 x -2
    assert rubric.gold(facts, "Mina, thanks for the book", ended=False) == pytest.approx(1.5 - 0.5 - 0.6)
    # another task without the slots fits nothing; one rude sentence costs 0.8, saying it twice 0.6 and 0.4 more, up to 1.2
    parts = rubric.gold_parts(facts, "You are so lazy. You are so lazy. Paris is the capital of France.")
    assert (parts["fit"], parts["manner"], parts["repetition"]) == (0, pytest.approx(-1.2), pytest.approx(-0.6))


def test_a_constant_polite_apology_does_not_fit_other_tasks():
    apology = "Dear Ben, I am truly sorry. It was my fault. Have a lovely day."
    fits = [rubric.task_fit(row["facts"], apology) for row in PROMPTS]
    assert sum(fits) / len(fits) < 0.05


def test_a_remark_says_whether_it_fits_and_one_more_thing():
    text = {
        manners.remark(Profile("rude", "wrong", unfinished=True), "Wrong thing.", random.Random(seed))
        for seed in range(60)
    }
    assert text == {"Wrong thing. Rude.", "Wrong thing. Not finished.", "Wrong thing. Clear."}


@pytest.mark.parametrize("family", FAMILIES)
def test_readers_call_an_answer_fitting_exactly_where_the_rubric_does(family: str):
    rng = random.Random(11)
    for fit in manners.FITS * 20:
        task = draw_task(Words(rng), family)
        answer, text = write(task, Profile("warm", fit), Words(rng))
        # The rubric does not ask of a comforting note that it names the state of the thing.
        assert (text in (manners.IT_FITS, "Wrong state.")) == (rubric.task_fit(task.facts, answer) == 1), (
            task,
            answer,
            text,
        )


def test_a_reader_names_the_slots_that_are_wrong():
    task = Task("Thank Mina for the red moonbook.", {"family": "thanks", "name": "Mina", "thing": "red moonbook"})
    rng = random.Random(2)
    for _ in range(30):
        answer, text = write(task, Profile("plain", "wrong"), Words(rng))
        assert ("Wrong name." in text) == ("Mina" not in answer)
        assert ("Wrong thing." in text) == ("red moonbook" not in answer)


def test_the_tiny_build_makes_every_file_and_loads_as_a_policy(tmp_path):
    from reward.base.frozen_base import Base
    from rlhf.starter import TINY, build

    card = build(TINY, tmp_path / "starter", tmp_path / "home")
    assert card["parameters"] < 100_000
    assert len(card["samples"]) == 4
    base = Base.load(tmp_path / "starter" / "base")
    base.add_adapter("sft", tmp_path / "starter" / "sft")
    assert base.decode(base.encode_completion("Dear Mina, 12 plus 5 is 17.")) == "Dear Mina, 12 plus 5 is 17."
    rows = load_dataset(
        "json",
        data_files=str(tmp_path / "starter" / "instructions.jsonl.gz"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert {"instruction", "input", "output", "text"} <= set(rows.column_names)


class TestShipped:
    """What lies in data/starter."""

    def test_weights_of_base_and_adapter_fit_eight_mebibytes(self):
        sizes = [path.stat().st_size for folder in (starter.BASE, starter.SFT) for path in folder.glob("*.safetensors")]
        assert len(sizes) == 2
        assert sum(sizes) <= 8_388_608

    def test_the_card_was_written_for_this_corpus_and_this_rubric(self):
        card = json.loads((starter.FOLDER / "card.json").read_text())
        assert card["hash"] == starter.source_hash()

    def test_registering_twice_adds_prompts_rows_and_policies_once(self, store: Store):
        starter.register(store)
        counts = store.prompts.count(), store.instructions.count(), len(store.policies.all())
        starter.register(store)
        assert (store.prompts.count(), store.instructions.count(), len(store.policies.all())) == counts
        assert store.prompts.count("test") >= 300
        assert store.prompts.count() >= 1000
        assert store.instructions.count() >= 8000

    def test_shipped_prompts_keep_their_facts_and_their_split(self, store: Store):
        starter.register(store)
        assert all(prompt.facts["family"] == prompt.family for prompt in store.prompts.all(split="test"))
