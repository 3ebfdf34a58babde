# SPDX-License-Identifier: Apache-2.0
"""A retracted row stays in the store, trains nothing, and comes back whole."""

from __future__ import annotations

import pytest

from data.errors import BadInput
from data.maintenance.check import check_home
from data.transfer.exporting import ExportRequest, export_rows
from data.transfer.importing import import_file
from data.views.frozen_rows import freeze_current_instructions, load_instructions, load_preferences
from data.views.preferences import count_excluded, freeze_row, preference_rows, snapshot_filters
from data.views.retracted_rows import models_trained_on
from tests.support.data.import_rows import preference


def prompts(store):
    return sorted(row.prompt for row in preference_rows(store))


def test_a_retracted_preference_trains_nothing_and_is_exported_nowhere_until_it_is_taken_back(
    store, preferences, tmp_path
):
    events = store.value("SELECT count(*) FROM comparisons")
    ids = [row.comparison_id for row in preferences[:2]]
    assert store.retractions.retract("comparison", ids, by="rae") == 2
    assert prompts(store) == ["Note 2", "Note 3"]
    exported = export_rows(store, tmp_path / "out.jsonl", ExportRequest("preferences", "trl"))
    assert (exported["rows"], exported["omitted"]) == (2, {"retracted": 2})
    assert store.comparisons.count("import") == 2
    assert store.value("SELECT count(*) FROM comparisons") == events
    assert snapshot_filters(store, "import") == {"labels": "import", "retracted": 2}
    assert store.retractions.restore("comparison", ids, by="rae") == 2
    assert sorted(preference_rows(store), key=lambda row: row.prompt) == preferences
    assert store.comparisons.count("import") == 4
    assert count_excluded(store, "import") == {}


def test_the_events_name_the_actor_and_are_never_deleted(store, preferences):
    id = preferences[0].comparison_id
    assert [store.retractions.retract("comparison", [id], by="rae") for _ in range(2)] == [1, 0]
    store.retractions.restore("comparison", [id], by="bo")
    written = store.rows("SELECT kind, row_id, retracted, actor FROM retractions ORDER BY id")
    assert [tuple(row.values()) for row in written] == [("comparison", id, 1, "rae"), ("comparison", id, 0, "bo")]
    acts = [(act["actor"], act["action"], act["detail"]["rows"]) for act in store.audit.all()[:2]]
    assert acts == [("bo", "restore rows", 1), ("rae", "retract rows", 1)]
    for statement in ("DELETE FROM retractions", "UPDATE retractions SET retracted = 0"):
        with pytest.raises(Exception, match="written once"):
            store.execute(statement)


def test_an_interrupted_retraction_is_in_the_audit_list_and_the_same_act_completes_it(store, monkeypatch, preferences):
    monkeypatch.setattr("data.tables.retractions.CHUNK", 1)
    store.execute("""CREATE TEMP TRIGGER full BEFORE INSERT ON retractions WHEN (SELECT count(*) FROM retractions) = 2
        BEGIN SELECT RAISE(ABORT, 'the disk is full'); END""")
    ids = [row.comparison_id for row in preferences]

    def acts():
        return [(act["actor"], act["detail"]["rows"]) for act in store.audit.all() if act["action"] == "retract rows"]

    with pytest.raises(Exception, match="the disk is full"):
        store.retractions.retract("comparison", ids, by="rae")
    assert (len(store.retractions.ids("comparison")), acts()) == (2, [("rae", 4)])
    store.execute("DROP TRIGGER full")
    assert store.retractions.retract("comparison", ids, by="bo") == 2
    assert (store.retractions.ids("comparison"), acts()) == (set(ids), [("bo", 2), ("rae", 4)])


def test_a_row_of_no_import_cannot_be_retracted(store, preferences):
    own = store.instructions.add("Say hi.", "Hi.", source="test")
    for kind, id in (
        ("instruction", str(own.id)),
        ("comparison", "nothing"),
        ("ranking", preferences[0].comparison_id),
    ):
        with pytest.raises(BadInput, match=f"no imported {kind}"):
            store.retractions.retract(kind, [id], by="rae")
    assert store.retractions.last_id() == 0


def test_a_whole_import_is_retracted_by_its_rows_and_others_stay(store, bring, ranked, preferences):
    number = bring("more.jsonl", "preferences", preference(7), *ranked)
    rows = store.retractions.of_import(number)
    assert {kind: len(ids) for kind, ids in rows.items()} == {"comparison": 1, "ranking": 1, "completion": 5}
    for kind in ("comparison", "ranking"):
        store.retractions.retract(kind, rows[kind], by="rae")
    assert prompts(store) == ["Note 0", "Note 1", "Note 2", "Note 3"]
    assert store.rankings.count() == 0
    with pytest.raises(BadInput, match="no finished import 99"):
        store.retractions.of_import(99)


def test_a_retracted_instruction_row_is_not_imitated(store, bring):
    number = bring("say.jsonl", "instructions", *({"instruction": f"Say {n}.", "output": str(n)} for n in range(6)))
    ids = store.retractions.of_import(number)["instruction"]
    store.retractions.retract("instruction", ids[:2], by="rae")
    assert [row.instruction for row in store.instructions.all()] == [f"Say {n}." for n in range(2, 6)]
    assert store.instructions.count() == 4
    assert store.catalogue.counts("instructions")[0]["n"] == 4
    assert len(store.catalogue.page("instructions")) == 4
    store.retractions.restore("instruction", ids[:1], by="rae")
    assert store.instructions.count() == 5


def test_a_retracted_completion_leaves_queue_and_training_and_its_pairs_come_back(store, bring):
    number = bring("pairs.jsonl", "pairs", {"prompt": "Name a tree.", "responses": ["Oak.", "Elm."]})
    assert store.pairs.waiting_count() == 1
    first, second = store.retractions.of_import(number)["completion"]
    store.retractions.retract("completion", [first, second], by="rae")
    assert store.pairs.waiting_count() == 0
    store.retractions.restore("completion", [first], by="rae")
    assert store.pairs.waiting_count() == 0  # the other answer is still retracted
    store.retractions.restore("completion", [second], by="rae")
    assert store.pairs.waiting_count() == 1


def test_a_new_item_with_a_retracted_completion_is_not_shown_until_it_is_taken_back(store, bring):
    number = bring("pairs.jsonl", "pairs", {"prompt": "Name a tree.", "responses": ["Oak.", "Elm."]})
    ids = store.retractions.of_import(number)["completion"]
    oak, elm = sorted(ids, key=lambda id: store.completions.get(id).text != "Oak.")
    store.retractions.retract("completion", [oak], by="rae")
    bring("pairs.jsonl", "pairs", {"prompt": "Name a tree.", "responses": ["Oak.", "Ash."]})
    (prompt,) = store.prompts.all()
    new = [{"prompt_id": prompt.id, "model_name": "model", "text": text} for text in ("Fir.", "Yew.")]
    fir, yew = store.completions.add_many(new)
    store.pairs.add(prompt.id, oak, fir)
    assert not store.rankings.add_task(prompt.id, [oak, fir, yew]).shown
    assert store.rankings.add_task(prompt.id, [elm, fir, yew]).shown
    assert (store.pairs.count(), store.pairs.waiting_count()) == (3, 0)
    store.retractions.restore("completion", [oak], by="rae")
    assert store.pairs.waiting_count() == 3
    assert store.rankings.add_task(prompt.id, [oak, fir, yew]).shown
    assert check_home(store.home) == []


def test_a_comparison_of_a_retracted_completion_does_not_train_and_is_counted_once(store, preferences):
    first = preferences[0]
    store.retractions.retract("completion", [first.a_id, first.b_id], by="rae")
    assert prompts(store) == ["Note 1", "Note 2", "Note 3"]
    assert count_excluded(store, "import") == {"retracted": 1}
    assert count_excluded(store, "person") == {}
    store.retractions.retract("comparison", [first.comparison_id], by="rae")
    assert count_excluded(store, "import") == {"retracted": 1}
    store.retractions.retract("completion", [row.b_id for row in preferences], by="rae")
    with pytest.raises(BadInput, match="every comparison is retracted"):
        preference_rows(store)
    store.excluded_labelers.exclude(first.labeler, "careless", by="rae")
    assert count_excluded(store, "import") == {"labeler excluded": 3, "retracted": 1}


def test_the_derived_counters_are_those_of_a_rebuild(store, bring, ranked, preferences):
    simulated = [preference(number) | {"source": "simulated", "labeler": "sim"} for number in range(10, 14)]
    bring("simulated.jsonl", "preferences", *simulated, *ranked)
    bring("pairs.jsonl", "pairs", {"prompt": "Name a tree.", "responses": ["Oak.", "Elm."]})
    assert check_home(store.home) == []
    everything = [store.retractions.of_import(one["id"]) for one in store.imports.all()]
    for act in (store.retractions.retract, store.retractions.restore):
        for rows in everything:
            for kind, ids in rows.items():
                act(kind, ids, by="rae")
        assert check_home(store.home) == []
    assert store.comparisons.count("import") == 4


def test_statistics_that_are_cached_read_again_after_a_retraction(store, preferences):
    columns = store.comparison_columns
    assert len(columns.cached()) == 4
    store.retractions.retract("comparison", [preferences[0].comparison_id], by="rae")
    assert len(columns.cached()) == 3
    store.retractions.restore("comparison", [preferences[0].comparison_id], by="rae")
    assert len(columns.cached()) == 4


def test_if_all_comparisons_are_retracted_the_refusal_says_so(store, preferences):
    store.retractions.retract("comparison", [row.comparison_id for row in preferences], by="rae")
    with pytest.raises(BadInput, match="every comparison is retracted"):
        preference_rows(store)


def test_no_training_loads_a_snapshot_with_retracted_rows(store, bring, preferences):
    train = [row for row in preferences if row.split != "test"]
    snapshot = store.snapshots.freeze("preferences", [freeze_row(row) for row in train], {})
    number = bring("say.jsonl", "instructions", *({"instruction": f"Say {n}.", "output": str(n)} for n in range(9)))
    instructions = freeze_current_instructions(store)
    load_preferences(store, snapshot.id), load_instructions(store, instructions.id)
    store.retractions.retract("comparison", [train[0].comparison_id], by="rae")
    with pytest.raises(BadInput, match=f"1 of {len(train)} rows of snapshot s1 are retracted"):
        load_preferences(store, snapshot.id)
    store.retractions.restore("comparison", [train[0].comparison_id], by="rae")
    store.retractions.retract("completion", [train[0].a_id], by="rae")
    with pytest.raises(BadInput, match=f"1 of {len(train)} rows of snapshot s1 are retracted"):
        load_preferences(store, snapshot.id)
    store.retractions.retract("instruction", store.retractions.of_import(number)["instruction"], by="rae")
    count = instructions.row_count
    with pytest.raises(BadInput, match=f"{count} of {count} rows of snapshot s2 are retracted"):
        load_instructions(store, instructions.id)


def test_the_models_that_rows_trained_are_named_with_those_that_descend_from_them(store, bring, preferences):
    snapshots = [
        store.snapshots.freeze("preferences", [freeze_row(row) for row in rows], {})
        for rows in (preferences[:2], preferences[2:])
    ]
    number = bring("say.jsonl", "instructions", {"instruction": "Say it.", "output": "It."})
    said = store.snapshots.freeze("instructions", [{"instruction": "Say it.", "input": "", "output": "It."}], {})
    for snapshot in snapshots:
        store.reward_models.add(name="judge", base="b", adapter="a", snapshot_id=snapshot.id)
    trained = {"name": "n", "kind": "ppo", "base": "b", "adapter": "a"}
    store.policies.add(**trained, reward_model_id=1)  # p1: by way of r1
    store.policies.add(**trained, parent_id=1)  # p2: its child
    store.policies.add(**trained, snapshot_id=said.id)  # p3
    store.policies.add(**trained, reward_model_id=2)  # p4
    store.reward_models.add(name="judge", base="b", adapter="a", config={"from": "p2"})  # r3: its adapter has p2's
    store.policies.add(**trained, reward_model_id=3)  # p5
    store.reward_models.add(name="judge", base="b", adapter="a", config={"from": ""})  # r4
    used = models_trained_on(store, "comparison", [preferences[1].comparison_id])
    assert (used.direct, used.derived) == (["r1"], ["r3", "p1", "p2", "p5"])
    assert models_trained_on(store, "completion", [preferences[2].b_id]).direct == ["r2"]
    ids = store.retractions.of_import(number)["instruction"]
    assert models_trained_on(store, "instruction", ids).direct == ["p3"]
    assert models_trained_on(store, "comparison", []).direct == []


def test_a_second_import_of_a_retracted_row_does_not_bring_it_back(store, tmp_path, preferences):
    store.retractions.retract("comparison", [preferences[0].comparison_id], by="rae")
    again = import_file(store, tmp_path / "notes.jsonl", "preferences")
    assert (again["added"], again["duplicate"]) == (0, 4)
    assert prompts(store) == ["Note 1", "Note 2", "Note 3"]
