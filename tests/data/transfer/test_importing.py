# SPDX-License-Identifier: Apache-2.0
"""Imports: all rows or none, and a second import of the same rows adds nothing."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from data.errors import BadInput
from data.maintenance.check import check_home
from data.transfer.importing import import_file
from data.views.preferences import preference_rows
from tests.support.data.import_rows import ALL_FOUR, ALPACA, CHAT, TRL, counted, counts, write
from tests.support.data.stores import new_store


def test_preferences_become_comparisons_by_the_file(store, file):
    result = import_file(store, write(file, ALL_FOUR), "preferences")
    assert counted(result) == {"read": 4, "added": 4, "duplicate": 0, "rejected": 0}
    rows = preference_rows(store)
    assert [(row.prompt, row.chosen, row.rejected, row.margin) for row in sorted(rows, key=lambda row: row.chosen)] == [
        ("Name a tree.", "An oak.", "No.", 3),
        ("Name a colour.", "Blue.", "Go away.", 2),
        ("user: Hi\n\nassistant: Hello.\n\nuser: Bye", "Goodbye.", "So?", 2),
        ("Name a day.", "Monday.", "Never.", 2),
    ]
    assert {(row.source, row.labeler) for row in rows} == {("import", "file:given.jsonl")}
    assert next(row for row in rows if row.messages).messages == CHAT["prompt"]


def test_the_author_cannot_log_in_and_the_pairs_are_not_shown(store, file):
    import_file(store, write(file, ALL_FOUR), "preferences")
    account = store.accounts.by_name("file:given.jsonl")
    assert (account.role, account.password_hash, account.simulated) == ("labeler", None, False)
    assert store.pairs.waiting_count() == 0
    assert {pair.purpose for pair in store.pairs.all()} == {"import"}
    assert store.completions.get(store.pairs.all()[0].first_id).model_name == "given"


def test_importing_twice_adds_nothing_whatever_the_name_and_packing(store, file, tmp_path):
    import_file(store, write(file, ALL_FOUR), "preferences")
    before = counts(store)
    again = tmp_path / "other.json.gz"
    again.write_bytes(gzip.compress(json.dumps(ALL_FOUR, indent=2).encode()))
    for path in (file, again):
        assert counted(import_file(store, path, "preferences")) == {
            "read": 4,
            "added": 0,
            "duplicate": 4,
            "rejected": 0,
        }
    assert counts(store) | {"audit": 1} == before


def test_the_side_says_nothing_about_which_is_better_and_is_the_same_every_time(store, file, tmp_path):
    many = [{"prompt": f"Say {n}.", "chosen": f"{n}", "rejected": "no"} for n in range(200)]
    import_file(store, write(file, many), "preferences")
    sides = {row.prompt: row.label for row in preference_rows(store)}
    assert 70 < sum(sides.values()) < 130  # 200 fair coins: 100, standard deviation 7

    other = new_store(tmp_path / "other home")
    import_file(other, file, "preferences")
    assert {row.prompt: row.label for row in preference_rows(other)} == sides
    other.close()


def test_simulated_labels_of_a_file_stay_simulated(store, file):
    import_file(store, write(file, [TRL | {"source": "simulated"}]), "preferences")
    [row] = preference_rows(store, source="simulated")
    assert store.accounts.get(row.labeler_id).simulated
    with pytest.raises(BadInput, match="no comparisons by people"):
        preference_rows(store)


def test_simulated_labelers_of_a_file_stay_apart_and_come_in_once(store, file):
    rows = [TRL | {"source": "simulated", "labeler": number} for number in (7, 8)]
    assert import_file(store, write(file, rows), "preferences")["added"] == 2
    assert import_file(store, file, "preferences")["duplicate"] == 2
    assert {row.labeler for row in preference_rows(store, source="all")} == {
        "file:given.jsonl (simulated 7)",
        "file:given.jsonl (simulated 8)",
    }


def test_labels_of_a_model_stay_its_own_and_are_no_persons(store, file):
    rows = [TRL | {"source": "ai", "labeler": judge} for judge in ("gpt-x", "llama y")]
    assert import_file(store, write(file, rows), "preferences")["added"] == 2
    assert import_file(store, file, "preferences")["duplicate"] == 2
    assert {row.labeler for row in preference_rows(store, source="ai")} == {
        "file:given.jsonl (ai gpt-x)",
        "file:given.jsonl (ai llama y)",
    }
    assert {(event.source, event.assignment_id) for event in store.comparisons.events()} == {("ai", None)}
    assert (store.comparisons.count("ai"), store.comparisons.count("person")) == (2, 0)
    with pytest.raises(BadInput, match="no comparisons by people yet, only 2 AI ones.*--labels ai"):
        preference_rows(store, source="person")
    assert check_home(store.home) == []


def test_two_rows_about_one_pair_are_two_comparisons(store, file):
    turned = ALPACA | {"chosen": ALPACA["rejected"], "rejected": ALPACA["chosen"]}
    assert import_file(store, write(file, [ALPACA, turned]), "preferences")["added"] == 2
    assert store.pairs.count() == 1


def test_prompts_from_json_and_from_plain_lines(store, file, tmp_path):
    rows = [
        {"prompt": "One", "family": "numbers", "facts": {"n": 1}},
        {"prompt": CHAT["prompt"]},
        {"instruction": "Two"},
    ]
    assert import_file(store, write(file, rows), "prompts")["added"] == 3
    plain = write(tmp_path / "more.txt", ["Three", "", "two", "{Four}"])
    assert counted(import_file(store, plain, "prompts")) == {
        "read": 3,
        "added": 3,
        "duplicate": 0,
        "rejected": 0,
    }  # "two" is another prompt than "Two"
    result = {prompt.text: prompt for prompt in store.prompts.all()}
    assert (result["One"].family, result["One"].facts, result["One"].source) == ("numbers", {"n": 1}, "given.jsonl")
    assert result["Three"].source == "more.txt"
    assert "{Four}" in result


def test_json_in_a_file_named_txt_is_read_as_json(store, tmp_path):
    import_file(store, write(tmp_path / "prompts.txt", [{"prompt": "One"}]), "prompts")
    assert [prompt.text for prompt in store.prompts.all()] == ["One"]


def test_instructions_bring_their_prompts(store, file):
    rows = [
        {
            "instruction": "Add.",
            "input": "1 2",
            "output": "3",
            "text": "ignored",
            "defects": ["curt"],
            "family": "sums",
        },
        {"prompt": "Name a tree.", "completion": "Oak."},
        {"messages": CHAT["prompt"] + CHAT["chosen"]},
    ]
    assert import_file(store, write(file, rows), "instructions")["added"] == 3
    first, *_ = store.instructions.all()
    assert (first.instruction, first.input, first.output, first.defects) == ("Add.", "1 2", "3", ["curt"])
    prompts = {prompt.text: prompt for prompt in store.prompts.all()}
    assert prompts["Add.\n\n1 2"].family == "sums"
    assert prompts["user: Hi\n\nassistant: Hello.\n\nuser: Bye"].messages == CHAT["prompt"]
    assert import_file(store, file, "instructions")["duplicate"] == 3


def test_completions_of_other_models_wait_in_pairs(store, file):
    rows = [
        {"prompt": "Say hi.", "response": text, "model": model}
        for text, model in (("Hi.", "a"), ("Hi.", "b"), ("Yo.", "c"))
    ]
    assert import_file(store, write(file, rows), "completions")["added"] == 3
    assert store.pairs.count() == 2
    assert store.pairs.waiting_count() == 1  # equal texts are not shown
    assert import_file(store, file, "completions")["duplicate"] == 3
    assert store.pairs.count() == 2


def test_the_import_is_in_the_audit_list(store, file):
    import_file(store, write(file, ALL_FOUR), "preferences", by="anna", name="upload.jsonl")
    [act] = store.audit.all()
    assert (act["actor"], act["action"], act["detail"]["file"], act["detail"]["added"]) == (
        "anna",
        "import",
        "upload.jsonl",
        4,
    )


def test_a_file_name_that_is_no_text_is_spelled_as_well_as_can_be(store, tmp_path):
    path = Path(os.fsdecode(bytes(tmp_path) + b"/na\xffme.jsonl"))
    import_file(store, write(path, ALL_FOUR), "preferences")
    assert store.accounts.by_name("file:na?me.jsonl")
