# SPDX-License-Identifier: Apache-2.0
"""From events to training rows, and from events to win rates: what counts, on which prompts, from whom."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from data.errors import BadInput
from data.splits import split_of
from data.views.frozen_rows import TrainingRows, load_instructions, load_preferences, split_preferences
from data.views.head_to_head import head_to_head, mean_outcomes
from data.views.preferences import PreferenceRow, freeze_row, preference_rows, thaw_row

TEXTS = {
    split: [text for text in (f"Prompt {n}" for n in range(200)) if split_of(text) == split]
    for split in ("train", "validation", "test")
}


@pytest.fixture
def ring(store):
    """ring(verdict, ...) -> the comparison's id; two policies p1 and p2, one pair per prompt, p1's answer on the left."""
    policies = [store.policies.add(name=name, kind="base", base="starter") for name in ("one", "two")]
    people = {}

    def say(
        verdict,
        *,
        split="train",
        nth=0,
        source="import",
        who="Mina",
        texts=("left text", "right text"),
        purpose=None,
        **other,
    ):
        prompt = store.prompts.add(TEXTS[split][nth], source="test")
        rows = [
            {"prompt_id": prompt.id, "policy_id": policy.id, "text": text, "token_ids": [number, nth], "seed": 0}
            for number, (policy, text) in enumerate(zip(policies, texts, strict=True))
        ]
        left, right = store.completions.add_many(rows)
        pair = store.pairs.add(prompt.id, left, right, purpose=purpose or ("compare" if split == "test" else "train"))
        if verdict is None:
            return None
        if who not in people:
            people[who] = store.accounts.add(who, "labeler", simulated=source == "simulated")
        id = f"c{len(store.comparisons.events())}"
        labeler = people[who].id
        if source != "import":
            other["assignment_id"] = f"a{id}"
            row = {"id": f"a{id}", "pair_id": pair.id, "labeler_id": labeler, "left_id": left, "right_id": right}
            store.insert("assignments", row | {"expires_at": "", "created_at": ""})
        about = {"pair_id": pair.id, "labeler_id": labeler, "left_id": left, "right_id": right}
        store.comparisons.record(id=id, verdict=verdict, source=source, **about, **other)
        return id

    return say


def test_a_row_carries_all_that_training_reads(store, ring):
    id = ring("right_much", source="person")
    (row,) = preference_rows(store)
    assert (row.comparison_id, row.prompt, row.split, row.source) == (id, TEXTS["train"][0], "train", "person")
    assert (row.a_text, row.b_text, row.a_token_ids, row.b_token_ids) == ("left text", "right text", [0, 0], [1, 0])
    assert (row.label, row.margin, row.weight) == (0.0, 3, 1.0)
    assert (row.labeler, row.project, row.guideline_version) == ("Mina", "Standard", 1)
    assert (row.chosen, row.rejected) == ("right text", "left text")
    assert PreferenceRow(**asdict(row)) == row


def test_a_frozen_row_keeps_who_judged_by_number_and_pseudonym(store, ring):
    ring("right_much", source="person")
    (row,) = preference_rows(store)
    remaining = freeze_row(row)
    assert (row.labeler, remaining["labeler"], remaining["labeler_id"]) == (
        "Mina",
        f"labeler-{row.labeler_id}",
        row.labeler_id,
    )
    assert freeze_row(thaw_row(remaining)) == remaining
    assert freeze_row(thaw_row(asdict(row))) == remaining  # as an earlier version froze it, with the name


@pytest.mark.parametrize(
    ("verdict", "label", "margin"),
    [
        ("left_much", 1.0, 3),
        ("left", 1.0, 2),
        ("left_slightly", 1.0, 1),
        ("tie", 0.5, 0),
        ("right_slightly", 0.0, 1),
        ("right", 0.0, 2),
    ],
)
def test_labels_and_margins(store, ring, verdict, label, margin):
    ring(verdict)
    (row,) = preference_rows(store)
    assert (row.label, row.margin) == (label, margin)
    assert (row.chosen is None) == (verdict == "tie")


def test_there_is_one_row_for_each_current_comparison_not_for_each_pair(store, ring):
    ring("left", who="Mina")
    ring("right", who="Jun")
    assert [(row.labeler, row.label) for row in preference_rows(store)] == [("Mina", 1.0), ("Jun", 0.0)]


def test_both_bad_withdrawn_superseded_and_skipped_never_become_rows(store, ring):
    ring("left", nth=0)
    ring("both_bad", nth=1)
    old = ring("left", nth=2)
    ring("right", nth=2, supersedes=old)
    gone = ring("left", nth=3)
    ring("withdrawn", nth=3, supersedes=gone)
    ring(None, nth=4)
    assert [(row.prompt, row.label) for row in preference_rows(store)] == [
        (TEXTS["train"][0], 1.0),
        (TEXTS["train"][2], 0.0),
    ]


def test_simulated_labels_come_only_when_named(store, ring):
    ring("left", source="person", nth=0)
    ring("left", source="simulated", who="sim", nth=1)
    ring("left", source="import", who="file", nth=2)

    def sources(wanted):
        return [row.source for row in preference_rows(store, source=wanted)]

    assert [row.source for row in preference_rows(store)] == ["person", "import"]
    assert sources("simulated") == sources(("simulated",)) == ["simulated"]
    assert sources("all") == ["person", "simulated", "import"]
    assert sources("person+simulated") == ["person", "simulated"]
    with pytest.raises(BadInput, match="'people' is no source of labels"):
        sources("people")


def test_no_labels_of_people_names_the_setting_that_admits_simulated_ones(store, ring):
    with pytest.raises(BadInput, match="no comparisons.*labels=simulated"):
        preference_rows(store)
    ring("left", source="simulated", who="sim")
    with pytest.raises(BadInput, match="only 1 simulated ones.*labels=simulated"):
        preference_rows(store)


def test_weights_are_those_of_the_labelers(store, ring):
    ring("left", who="Mina")
    ring("left", who="Jun")
    mina = store.accounts.by_name("Mina")
    assert [row.weight for row in preference_rows(store, weights={mina.id: 0.25})] == [0.25, 1.0]


def test_training_rows_hold_nothing_of_the_test_split(store, ring):
    for split in TEXTS:
        for nth in range(3):
            ring("left", split=split, nth=nth)
    rows = preference_rows(store)
    training, held_out = split_preferences(rows)
    assert [row.split for row in training] == ["train"] * 3
    assert [row.split for row in held_out.validation] == ["validation"] * 3
    assert [row.split for row in held_out.test] == ["test"] * 3
    assert [row.split for row in preference_rows(store, split="test")] == ["test"] * 3
    with pytest.raises(BadInput, match="'dev' is not a split"):
        preference_rows(store, split="dev")
    for split in ("train", "validation"):
        with pytest.raises(BadInput, match=rf"1 of \d rows are of test prompts in {split}"):
            split_preferences([*rows, replace(held_out.test[0], split=split)], split)


def test_training_rows_refuse_test_prompts_and_keep_their_type(store, ring):
    ring("left")
    ring("left", nth=1)
    training = TrainingRows(preference_rows(store))
    assert list(training.take([1])) == [training[1]]
    assert list(training.matching(lambda row: row.prompt == training[0].prompt)) == [training[0]]
    lengths = training.map(lambda rows: [len(row.prompt) for row in rows])
    assert isinstance(lengths, TrainingRows)
    assert list(lengths) == [len(row.prompt) for row in training]
    ring("left", split="test")
    with pytest.raises(BadInput, match="1 of 3 rows are of test prompts in these rows: no run trains on those"):
        TrainingRows(preference_rows(store))
    with pytest.raises(BadInput, match="1 of 1 rows"):
        TrainingRows([{"instruction": TEXTS["test"][0], "input": "", "output": "No."}])
    with pytest.raises(TypeError, match="int is no row of a snapshot"):
        TrainingRows([1])


def test_a_snapshot_of_another_kind_is_refused(store, ring):
    ring("left")
    snapshot = store.snapshots.freeze("preferences", [freeze_row(row) for row in preference_rows(store)], {})
    assert len(load_preferences(store, snapshot.public)[0]) == 1
    with pytest.raises(BadInput, match="snapshot s1 holds preferences"):
        load_instructions(store, snapshot.public)


def test_a_conversation_s_messages_come_with_the_row(store):
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    prompt = store.prompts.add("system: Be kind.\n\nuser: Hi", messages=turns, source="test")
    ids = store.completions.add_many([{"prompt_id": prompt.id, "model_name": name, "text": name} for name in "ab"])
    pair = store.pairs.add(prompt.id, *ids, purpose="import")
    author = store.accounts.add("file", "labeler")
    sides = {"left_id": ids[0], "right_id": ids[1]}
    store.comparisons.record(id="c", pair_id=pair.id, labeler_id=author.id, verdict="left", source="import", **sides)
    (row,) = preference_rows(store)
    assert row.messages == turns
    assert row.a_token_ids is None


def test_outcomes_are_over_test_prompts_with_equal_texts_as_ties(store, ring):
    ring("left", split="test", nth=0)  # won
    ring("right_much", split="test", nth=1)  # lost
    ring("tie", split="test", nth=2)
    ring(None, split="test", nth=3, texts=("same", "same"))  # tie, though nobody was shown it
    ring("both_bad", split="test", nth=4)  # says nothing
    ring(None, split="test", nth=5)  # waits
    ring("left", split="train", nth=0, purpose="compare")  # not a test prompt
    ring("left", split="test", nth=6, purpose="train")  # made to train on, not to compare policies
    met = head_to_head(store, "import")
    assert sorted(mean_outcomes(met, 1, 2).values()) == [0.0, 0.5, 0.5, 1.0]
    assert mean_outcomes(met, 2, 1) == {prompt: 1 - share for prompt, share in mean_outcomes(met, 1, 2).items()}
    assert mean_outcomes(met, 1, 3) == {}
    assert sorted(head_to_head(store, "import", between=(2, 1))) == sorted(met)
    assert head_to_head(store, "import", between=(1, 3)) == []


def test_policies_that_only_equal_texts_link_have_not_met(store, ring):
    ring(None, split="test", nth=0, texts=("same", "same"))
    assert head_to_head(store, "import") == []
    ring("both_bad", split="test", nth=1)
    assert head_to_head(store, "import") == []
    ring("left", split="test", nth=2)
    assert sorted(mean_outcomes(head_to_head(store, "import"), 1, 2).values()) == [0.5, 1.0]


def test_a_prompt_counts_once_however_many_people_judged_it(store, ring):
    for who, verdict in (("Mina", "left"), ("Jun", "left"), ("Ada", "right")):
        ring(verdict, split="test", who=who)
    assert list(mean_outcomes(head_to_head(store, "import"), 1, 2).values()) == [pytest.approx(2 / 3)]


def test_meetings_by_people_leave_simulated_labels_out(store, ring):
    ring("left", split="test", nth=0, source="person")
    ring("right", split="test", nth=1, source="simulated", who="sim")
    assert list(mean_outcomes(head_to_head(store, "person"), 1, 2).values()) == [1.0]
    assert list(mean_outcomes(head_to_head(store, "simulated"), 1, 2).values()) == [0.0]
