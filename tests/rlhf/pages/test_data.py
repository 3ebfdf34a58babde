# SPDX-License-Identifier: Apache-2.0
"""The Data page: files come from one folder, are previewed before an import, and every row can be read as text."""

from __future__ import annotations

import json
import os

import gradio as gr
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data.errors import BadInput
from data.transfer.checked_rows import ImportFile
from data.transfer.importing import import_file, import_files
from data.transfer.inserting import INSERTERS
from data.transfer.previewing import preview
from labeling.accounts.current import acting_as
from labeling.accounts.gate import Gate
from labeling.accounts.sign_in import COOKIE
from rlhf.pages.data import DataPage
from rlhf.pages.data_view import draw_counts, draw_preview, draw_rows
from rlhf.pages.upload import FOLDER, chosen, clean, incoming, upload
from rlhf.pages.upload_progress import Readings
from tests.support.data.containers import zipped

EVIL = "<img src=x onerror=alert(1)>"
ROWS = [
    {"instruction": f"Say the number {n} in a whole sentence, please.", "input": "", "output": f"It is {n}."}
    for n in range(3)
]


def write(path, rows):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def client(store):
    rae = store.accounts.add("rae", "researcher")
    client = TestClient(Gate(Starlette(routes=[upload(store)]), store), base_url="http://testserver")
    client.cookies.set(COOKIE, store.tokens.issue("session", rae.id, 600))
    return client


def test_what_is_uploaded_lies_in_the_import_folder_under_a_clean_name_and_replaces_its_namesake(store, client):
    for content in (b"one", b"two"):
        sent = client.post("/train/data/upload", params={"name": "../..\\한국어 rows.jsonl"}, content=content)
        assert sent.json() == {"name": "한국어 rows.jsonl", "bytes": 3}
    assert [path.read_bytes() for path in incoming(store)] == [b"two"]
    assert {act["actor"] for act in store.audit.all()} == {"account 1"}
    assert [path.name for path in store.home.joinpath("import").iterdir()] == ["한국어 rows.jsonl"]


def test_an_upload_that_is_empty_or_too_large_leaves_nothing(store, client, monkeypatch):
    monkeypatch.setattr("labeling.http.bodies.FILE_LIMIT", 10)
    for content in (b"", b"x" * 11):
        answer = client.post("/train/data/upload", params={"name": "a.jsonl"}, content=content)
        assert answer.status_code == 400
        assert answer.json()["remedy"]
    assert list(store.home.joinpath("import").iterdir()) == []


@pytest.mark.parametrize("name", ["", "..", "/", "...", " . "])
def test_a_name_without_a_letter_is_refused(name):
    with pytest.raises(BadInput, match="no name of a file"):
        clean(name)


def test_neither_a_path_nor_a_link_leads_out_of_the_folder(store, tmp_path):
    secret = write(tmp_path / "secret.jsonl", ROWS)
    kept = write(store.home / "import" / "rows.jsonl", ROWS)
    os.symlink(secret, kept.parent / "link.jsonl")
    assert incoming(store) == [kept]
    for name in ("link.jsonl", "../feedback.db", str(secret), "..", ""):
        with pytest.raises(BadInput, match="no file"):
            chosen(store, name)


def test_a_preview_counts_what_is_there_already_and_what_nearly_is(store, tmp_path):
    import_file(store, write(tmp_path / "old.jsonl", ROWS[:1]), "instructions")
    near = {
        "instruction": "Tell us in ten words why the sea is blue and salty, please",
        "output": "Because light and rivers make it so.",
    }
    file = write(
        tmp_path / "new.jsonl",
        [*ROWS, ROWS[2], near, near | {"output": "Because light and rivers make it so!"}, {"instruction": "a"}],
    )
    found = preview([ImportFile.at(file)], store=store)
    assert (found.what, found.formats, found.good, found.bad) == ("instructions", {"alpaca": 6}, 6, 1)
    assert found.duplicate == 2  # one is in the store, one stands twice
    assert found.near >= 1
    assert found.shown[0] == {"instruction": ROWS[0]["instruction"], "output": "It is 0."}
    assert found.wrong == [{"file": "new.jsonl", "line": 7, "reason": "the row has no 'output'; it has 'instruction'"}]
    assert store.instructions.count() == 1


def test_texts_of_a_file_are_never_markup(store, tmp_path):
    file = write(tmp_path / "evil.jsonl", [{"instruction": EVIL, "output": EVIL}, {"instruction": EVIL, "output": 3}])
    drawn = draw_preview(preview([ImportFile.at(file)]))
    import_file(store, file, "instructions", skip_bad=True)
    drawn += draw_rows(store.catalogue.page("instructions"), "instructions", False) + draw_counts(store)
    assert "<img" not in drawn
    assert "&lt;img" in drawn


def test_the_shelf_finds_rows_by_source_split_and_text_newest_first(store, tmp_path):
    import_file(store, write(tmp_path / "a.jsonl", ROWS), "instructions")
    import_file(
        store, write(tmp_path / "b.jsonl", [{"instruction": "한국어로", "output": "네, 알겠습니다."}]), "instructions"
    )
    page = store.catalogue.page
    assert [entry.answer for entry in page("instructions")] == ["네, 알겠습니다.", "It is 2.", "It is 1.", "It is 0."]
    assert [entry.answer for entry in page("instructions", source="a.jsonl", find="IS 1")] == ["It is 1."]
    assert [entry.answer for entry in page("instructions", before=page("instructions", limit=2)[-1].id, limit=1)] == [
        "It is 1."
    ]
    counts = store.catalogue.counts("instructions")
    assert [(row["source"], row["n"]) for row in counts] == [("a.jsonl", 3), ("b.jsonl", 1)]
    assert sum(row["train"] + row["validation"] + row["test"] for row in counts) == 4
    assert {entry.split for entry in page("prompts", split="train")} <= {"train"}


def test_an_empty_list_says_which_step_fills_it(store):
    assert "Upload a file above" in draw_rows([], "prompts", True)
    assert "write answers" in draw_rows([], "instructions", True)
    assert "Remove a filter" in draw_rows([], "prompts", False)


def test_an_import_stands_under_the_number_of_who_brought_it(store):
    rae = store.accounts.add("rae", "researcher")
    write(store.home / "import" / "rows.jsonl", ROWS)
    with gr.Blocks():
        page = DataPage(store, gr.Button().click)
    with acting_as(rae):
        told = page.import_file("rows.jsonl", "auto", None, False)[page.status]
    assert "3 rows added" in told
    assert [row["actor"] for row in (*store.audit.all(), *store.imports.all())] == [f"account {rae.id}"] * 2


def test_rows_that_become_pairs_ask_for_the_labeling_project_where_there_are_several(store):
    rae = store.accounts.add("rae", "researcher")
    pairs = [{"prompt": f"Say {n}.", "chosen": str(n), "rejected": "no"} for n in range(3)]
    write(store.home / "import" / "pairs.jsonl", pairs)
    write(store.home / "import" / "rows.jsonl", ROWS)
    with gr.Blocks():
        page = DataPage(store, gr.Button().click)
    with acting_as(rae):
        assert not page.show_preview("pairs.jsonl", "pairs")[page.project].visible
        notes = store.projects.add("Notes").id
        asked = page.show_preview("pairs.jsonl", "pairs")[page.project]
        assert (asked.visible, [name for name, _ in asked.choices], asked.value) == (
            True,
            ["Standard", "Notes"],
            "Standard",
        )
        assert not page.show_preview("rows.jsonl", "auto")[page.project].visible
        assert "3 rows added" in page.import_file("pairs.jsonl", "pairs", "Notes", False)[page.status]
    assert store.projects.counts(notes)["pairs"] == 3


def test_whoever_reads_a_file_sees_how_far_it_is_and_nobody_else(store, tmp_path):
    rae, kim = (store.accounts.add(name, "researcher") for name in ("rae", "kim"))
    readings, seen = Readings(), []
    rows = [{"instruction": f"Say {n}.", "output": "Yes. " * 500} for n in range(1000)]
    with readings.of(rae, EVIL) as progress:
        assert "0 rows read</div>" in readings.draw(rae)

        def look(stage, done, share):
            progress(stage, done, share)
            seen.append((stage, done, share, readings.draw(rae)))

        import_files(store, [ImportFile.at(write(tmp_path / "rows.jsonl", rows))], "instructions", progress=look)
        assert readings.draw(kim) == ""
    assert readings.draw(rae) == ""
    checked, written = ([share for stage, _, share, _ in seen if stage == wanted] for wanted in ("checked", "written"))
    assert checked == sorted(checked)
    assert 0.2 < checked[0] < 0.5  # 250 of 1,000 rows
    assert (checked[-1], written[-1]) == (1.0, 1.0)
    assert "250 rows checked, " in seen[0][3]
    assert "&lt;img" in seen[0][3]
    assert "class=bar" in seen[0][3]


def test_the_page_shows_how_far_its_file_is(store):
    rae = store.accounts.add("rae", "researcher")
    with gr.Blocks():
        page = DataPage(store, gr.Button().click)
    with acting_as(rae), page.readings.of(rae, "large.jsonl") as progress:
        progress("checked", 12_500, 0.25)
        assert "large.jsonl: 12,500 rows checked, 25 %" in page.refresh("", "prompts", "", "", "")[page.progress]
    with acting_as(rae):
        assert page.refresh("", "prompts", "", "", "")[page.progress] == ""


def test_an_import_that_is_cancelled_leaves_nothing_and_the_next_one_runs(store, monkeypatch):
    rae = store.accounts.add("rae", "researcher")
    rows = [{"prompt": f"Write note {number}."} for number in range(3_000)]
    write(store.home / FOLDER / "notes.jsonl", rows)
    with gr.Blocks():
        page = DataPage(store, gr.Button().click)
    written = []
    inserter = INSERTERS["prompts"]
    add = inserter.add

    def cancel_after_the_first_rows(self, chunk, into):
        written.append(add(self, chunk, into))
        if len(written) == 1:
            assert page.refresh("", "prompts", "", "", "")[page.cancel].visible
            page.cancel_reading()
        return written[-1]

    monkeypatch.setattr(inserter, "add", cancel_after_the_first_rows)
    with acting_as(rae):
        told = page.import_file("notes.jsonl", "prompts", None, False)
        assert "notes.jsonl: cancelled. None of its rows was imported." in told[page.status]
        assert written[0] > 0
        assert store.prompts.count() == 0
        assert not page.refresh("", "prompts", "", "", "")[page.cancel].visible
        assert "3,000 rows added" in page.import_file("notes.jsonl", "prompts", None, False)[page.status]


def test_the_page_says_how_an_archive_was_read_and_takes_an_encoding(store):
    rae = store.accounts.add("rae", "researcher")
    polish = '{"prompt": "Pająk ma osiem nóg."}\n'.encode("cp1250")
    folder = store.home / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / "all.zip").write_bytes(zipped({"a.jsonl": polish, "b.jsonl": b'{"prompt": "b"}\n', "c.png": b"\x89PNG"}))
    with gr.Blocks():
        page = DataPage(store, gr.Button().click)
    with acting_as(rae):
        assert (
            "left out, this is a PNG image: c.png"
            in page.show_preview("all.zip", "auto", encoding="cp1250")[page.preview]
        )
        assert "no encoding of text" in page.show_preview("all.zip", "auto", encoding="klingon")[page.status]
        told = page.import_file("all.zip", "auto", None, False, encoding="cp1250")[page.status]
    assert "2 rows added" in told
    assert "all.zip: 2 files" in told
    assert [row.text for row in store.prompts.all()] == ["Pająk ma osiem nóg.", "b"]
