# SPDX-License-Identifier: Apache-2.0
"""Two different prompts or models never become one, and a home of the normalised identity keeps every row."""

from __future__ import annotations

import json

from sqlite_utils import Database

from data import Store
from data.ids import content_hash
from data.splits import normalise
from data.sqlite.migrations import migrations
from data.tables.prompts import prompt_hash
from data.transfer.checked_rows import ImportFile
from data.transfer.importing import import_file, import_files
from data.transfer.previewing import preview
from tests.support.data.import_rows import CHAT, counted, write

NOW = "2026-01-01T00:00:00+00:00"


def test_prompts_that_differ_in_indentation_case_or_form_keep_their_own_answers(store, file):
    rows = [
        {"prompt": f"Does this run?\nif x:\n{space}y()", "response": answer, "model": answer}
        for space, answer in (("    ", "Yes."), ("", "No."))
    ]
    rows += [{"prompt": f"What is {text}?", "response": text, "model": "m"} for text in ("x²", "x2", "X2")]
    result = import_file(store, write(file, rows), "completions")
    assert (result["added"], store.prompts.count(), store.pairs.count()) == (5, 5, 0)
    assert len({prompt.split for prompt in store.prompts.all() if "What" in prompt.text}) == 1


def test_a_text_and_the_conversation_that_reads_like_it_are_two_prompts(store, file):
    flat = {"prompt": "user: Hi\n\nassistant: Hello.\n\nuser: Bye", "chosen": "x", "rejected": "y"}
    import_file(store, write(file, [flat, CHAT]), "preferences")
    assert [prompt.messages for prompt in store.prompts.all()] == [None, CHAT["prompt"]]
    assert import_file(store, write(file, [flat, CHAT]), "preferences")["duplicate"] == 2


def test_prompts_that_are_equal_once_normalised_are_near_and_not_duplicate(file):
    looked = preview([ImportFile.at(write(file, [{"prompt": "Polish it."}, {"prompt": "polish  it."}]))], "prompts")
    assert (looked.duplicate, looked.near) == (0, 1)


def test_a_generator_names_the_model(store, file):
    rows = [{"instruction": "Name a bird.", "output": text, "generator": text} for text in ("Robin.", "Wren.")]
    assert (
        import_file(store, write(file, rows), "completions")["next"] == "2 completions added, 1 pair waits: open /label"
    )
    assert {answer.model_name for answer in store.completions.of_prompt(1)} == {"Robin.", "Wren."}


def test_files_of_one_name_in_two_folders_are_two_models_together_and_one_after_the_other(store, tmp_path):
    files = []
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        rows = [{"instruction": "Name a bird.", "output": f"{folder}."}]
        files.append(ImportFile.at(write(tmp_path / folder / "outputs.jsonl", rows)))
    import_files(store, files[:2], "completions")
    import_files(store, files[2:], "completions")
    names = {answer.text: answer.model_name for answer in store.completions.of_prompt(1)}
    assert names == {"a.": "outputs", "b.": "b/outputs", "c.": "c/outputs"}
    for again in ([files[1]], [files[2], files[0]]):
        assert import_files(store, again, "completions")["added"] == 0


def old_home(home) -> Database:
    """A home before the exact identity: two prompts, a conversation with an instruction row, and a comparison."""
    home.mkdir()
    database = Database(home / "feedback.db")
    migrations.apply(database, stop_before="m120_exact_identity")
    turns = CHAT["prompt"]
    prompts = [
        ("Name a TREE.", None, "test"),
        ("user: Hi\n\nassistant: Hello.\n\nuser: Bye", json.dumps(turns), "train"),
    ]
    for text, messages, split in prompts:
        row = {"hash": content_hash("prompt", normalise(text)), "text": text, "messages": messages, "split": split}
        database["prompts"].insert(row | {"source": "old", "created_at": NOW})
    row = {
        "hash": content_hash("instruction", prompts[1][0], "", "Goodbye."),
        "prompt_id": 2,
        "instruction": prompts[1][0],
    }
    database["instructions"].insert(row | {"output": "Goodbye.", "source": "old", "created_at": NOW})
    return database


def test_an_old_home_keeps_its_rows_and_splits_and_knows_them_again(tmp_path, file):
    old_home(tmp_path / "old").close()
    store = Store(tmp_path / "old")
    assert [(prompt.id, prompt.split) for prompt in store.prompts.all()] == [(1, "test"), (2, "train")]
    assert store.prompts.find("Name a TREE.").id == 1
    assert store.prompts.find("name a tree.") is None
    rows = [{"messages": CHAT["prompt"] + [{"role": "assistant", "content": "Goodbye."}]}]
    assert counted(import_file(store, write(file, rows), "instructions")) == {
        "read": 1,
        "added": 0,
        "duplicate": 1,
        "rejected": 0,
    }
    hashes = store.rows("SELECT hash, text, messages FROM prompts")
    assert [row["hash"] for row in hashes] == [
        prompt_hash(row["text"], row["messages"] and json.loads(row["messages"])) for row in hashes
    ]
    store.close()


def test_comparisons_of_an_old_home_survive_and_come_in_once(tmp_path, file):
    store = Store(tmp_path / "home")
    rows = [CHAT, {"prompt": "Name a tree.", "chosen": "An oak.", "rejected": "No."}]
    import_file(store, write(file, rows), "preferences")
    before = [event.id for event in store.comparisons.events()]
    with store.transaction() as database:  # back to the hashes of the version before
        database.execute("DROP TRIGGER prompts_refuse_update")
        for prompt in store.prompts.all():
            old = content_hash("prompt", normalise(prompt.text))
            database.execute("UPDATE prompts SET hash = ? WHERE id = ?", [old, prompt.id])
        database.execute(
            "CREATE TRIGGER prompts_refuse_update BEFORE UPDATE OF hash, text, messages, split ON prompts BEGIN SELECT RAISE(ABORT, 'prompts are written once'); END"
        )
        database.execute("DELETE FROM _sqlite_migrations WHERE name = 'm120_exact_identity'")
        database.execute("ALTER TABLE imports DROP COLUMN folders")
    store.close()
    store = Store(tmp_path / "home")
    assert [event.id for event in store.comparisons.events()] == before
    assert import_file(store, file, "preferences")["duplicate"] == 2
    assert (store.prompts.count(), store.comparisons.count()) == (2, 2)
    store.close()
