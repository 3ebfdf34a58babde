# SPDX-License-Identifier: Apache-2.0
"""Exports as tables and as folders for the hub: read back byte for byte, in little memory, and naming nobody."""

from __future__ import annotations

import csv
import json
import re
import tracemalloc
import zipfile
from errno import EDQUOT, ENOSPC
from pathlib import Path

import datasets
import httpx
import pyarrow.parquet as pq
import pytest
import yaml

import app
from data import Store
from data.errors import BadInput
from data.formats import tables
from data.formats.writing import write_rows
from data.transfer import hub
from data.transfer.exporting import FILES, FORMATS, ExportRequest, export_dataset, export_rows
from data.transfer.importing import import_file
from data.views.preferences import preference_rows
from rlhf.pages.export import KINDS, draw_files, make_file

TRICKY = (
    '=HYPERLINK("x")',
    "+1",
    "@here",
    "-",
    "a\r\nb\rc\nd",
    'say "hi", ok',
    " 두 칸  ",
    "값\t🟥",
    "\\N",
    "null",
    "1e5",
    "«\u2028»",
)
TALK = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "Bye"},
]


@pytest.fixture
def home_of(tmp_path):
    """home_of(rows) -> a store into which these preference rows were imported."""
    stores = []

    def make(rows):
        given = tmp_path / f"given-{len(stores)}.jsonl"
        given.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        stores.append(Store(tmp_path / f"store-{len(stores)}"))
        import_file(stores[-1], given, "preferences")
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def tricky(home_of):
    return home_of(
        [
            {"prompt": f"Say {n}: {text}", "chosen": text, "rejected": f"{text}!", "margin": 1}
            for n, text in enumerate(TRICKY)
        ]
    )


def read(path, kind, cache):
    return list(datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=str(cache)))


@pytest.mark.parametrize(
    ("name", "kind"), [("out.jsonl", "json"), ("out.jsonl.gz", "json"), ("out.parquet", "parquet")]
)
def test_datasets_reads_every_text_back_byte_for_byte(tricky, tmp_path, name, kind):
    export_rows(tricky, tmp_path / name, ExportRequest("preferences"))
    rows = read(tmp_path / name, kind, tmp_path / "cache")
    assert {(row["prompt"], row["chosen"], row["rejected"]) for row in rows} == {
        (f"Say {n}: {text}", text, f"{text}!") for n, text in enumerate(TRICKY)
    }


def test_csv_holds_every_text_byte_for_byte_formulas_included(tricky, tmp_path):
    export_rows(tricky, tmp_path / "out.csv", ExportRequest("preferences"))
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["chosen"] for row in rows} == set(TRICKY)
    plain = [row for row in read(tmp_path / "out.csv", "csv", tmp_path / "cache") if row["chosen"] is not None]
    assert {row["chosen"] for row in plain} >= set(TRICKY) - {"null", "a\r\nb\rc\nd"}  # pandas takes null for nothing


@pytest.mark.parametrize("form", FORMATS["preferences"])
def test_a_parquet_file_has_the_columns_and_types_of_its_format(home_of, tmp_path, form):
    store = home_of([{"prompt": TALK[:1], "chosen": "Goodbye.", "rejected": "So?"}])
    export_rows(store, tmp_path / "out.parquet", ExportRequest("preferences", form))
    export_rows(store, tmp_path / "out.jsonl", ExportRequest("preferences", form))
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == [json.loads((tmp_path / "out.jsonl").read_text())]


@pytest.mark.parametrize("form", ["trl", "trl-implicit", "trl-conversational", "hh", "full"])
def test_importing_an_export_into_its_own_home_adds_nothing(home_of, tmp_path, form):
    store = home_of([{"prompt": TALK[:1], "chosen": "Goodbye.", "rejected": "So?", "labeler": "mina"}])
    done = export_rows(store, tmp_path / "out.jsonl.gz", ExportRequest("preferences", form))
    before = [
        store.value(f"SELECT count(*) FROM {table}")
        for table in ("prompts", "completions", "pairs", "comparisons", "accounts")
    ]
    assert import_file(store, tmp_path / "out.jsonl.gz", "preferences")["duplicate"] == done["rows"] == 1
    assert [
        store.value(f"SELECT count(*) FROM {table}")
        for table in ("prompts", "completions", "pairs", "comparisons", "accounts")
    ] == before


def test_every_column_brings_ties_and_labelers_into_another_home(home_of, tmp_path):
    votes = {"response1": "3", "response2": "4", "annotator1": 1, "annotator2": 0}
    store = home_of([{"instruction": "Add.", "input": "1 2", **votes}])
    export_rows(store, tmp_path / "out.jsonl", ExportRequest("preferences", "full"))
    other = home_of([json.loads(line) for line in (tmp_path / "out.jsonl").read_text().split("\n")[:-1]])
    assert {(row.prompt, row.chosen, row.margin) for row in preference_rows(other)} == {
        ("Add.\n\n1 2", "3", 2),
        ("Add.\n\n1 2", None, 0),
    }
    assert len({row.labeler for row in preference_rows(other)}) == 2


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_memory_does_not_grow_with_the_number_of_rows(home_of, tmp_path, kind, monkeypatch):
    monkeypatch.setattr(tables, "BATCH", 32)
    store = home_of([{"prompt": f"Say {n}.", "chosen": f"{n}" * 500, "rejected": "no " * 500} for n in range(800)])
    export_rows(store, tmp_path / f"warm.{kind}", ExportRequest("preferences"))  # loads what it needs
    written = sum(len(row.chosen) + len(row.rejected) for row in preference_rows(store))
    tracemalloc.start()
    export_rows(store, tmp_path / f"out.{kind}", ExportRequest("preferences"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < written / 2


def test_labelers_bear_the_same_pseudonym_in_every_export_unless_names_are_asked_for(home_of, tmp_path):
    store = home_of(
        [
            {"prompt": f"Say {n}.", "chosen": "a", "rejected": "b", "labeler": name}
            for n, name in enumerate(("mina", "jun", "mina"))
        ]
    )
    for what in ("preferences", "events"):
        export_rows(store, tmp_path / f"{what}.jsonl", ExportRequest(what))
        export_rows(store, tmp_path / f"{what}-names.jsonl", ExportRequest(what, names=True))
    said = [
        [
            row["labeler"]
            for row in map(json.loads, (tmp_path / f"{what}.jsonl").read_text().split("\n")[:-1])
            if "chosen" in row or "verdict" in row
        ]
        for what in ("preferences", "events")
    ]
    assert said[0] == said[1]
    assert (said[0][0] == said[0][2], len(set(said[0]))) == (True, 2)
    for what in ("preferences", "events"):
        assert "mina" not in (tmp_path / f"{what}.jsonl").read_text()
        assert "(mina)" in (tmp_path / f"{what}-names.jsonl").read_text()


def test_events_carry_what_they_are_about_and_one_table_holds_them(tricky, tmp_path):
    export_rows(tricky, tmp_path / "events.jsonl", ExportRequest("events"))
    rows = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().split("\n")[:-1]]
    texts = {row["id"]: row["text"] for row in rows if row["event"] in ("prompt", "completion")}
    compared = [row for row in rows if row["event"] == "comparison"]
    assert {texts[row["winner_id"]] for row in compared} == set(TRICKY)
    assert [row["text"] for row in rows if row["event"] == "guideline"] == [tricky.projects.guideline(1).text]
    export_rows(tricky, tmp_path / "events.parquet", ExportRequest("events"))
    assert {name for row in rows for name in row} <= set(pq.read_schema(tmp_path / "events.parquet").names)
    assert pq.read_table(tmp_path / "events.parquet").num_rows == len(rows)


def test_one_project_can_be_exported_alone(store, add_pairs, tmp_path):
    other = store.projects.add("Safety")
    for number, pair in enumerate(add_pairs(2)):
        mina = store.accounts.by_name("mina") or store.accounts.add("mina", "labeler")
        project = other.id if number else 1
        about = {
            "pair_id": pair.id,
            "labeler_id": mina.id,
            "left_id": pair.first_id,
            "right_id": pair.second_id,
            "project_id": project,
        }
        store.insert("assignments", about | {"id": f"a{number}", "expires_at": "2030", "created_at": "2026"})
        store.comparisons.record(id=f"c{number}", assignment_id=f"a{number}", verdict="left", source="person", **about)
    assert export_rows(store, tmp_path / "all.jsonl", ExportRequest("preferences"))["rows"] == 2
    assert export_rows(store, tmp_path / "one.jsonl", ExportRequest("preferences", project="Safety"))["rows"] == 1
    export_rows(store, tmp_path / "events.jsonl", ExportRequest("events", project="Safety"))
    rows = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().split("\n")[:-1]]
    assert [row["id"] for row in rows if row["event"] in ("comparison", "assignment")] == ["c1", "a1"]
    with pytest.raises(BadInput, match="Safty"):
        export_rows(store, tmp_path / "none.jsonl", ExportRequest("preferences", project="Safty"))


@pytest.mark.parametrize("kind", FILES)
def test_a_folder_has_a_file_for_each_split_and_a_card_that_the_hub_reads(home_of, tmp_path, kind):
    rows = [{"prompt": f"Say {n}.", "chosen": "a", "rejected": "b", "margin": 1 + n % 3} for n in range(40)]
    store = home_of([*rows, {"prompt": "Say hi.", "chosen": "Hi.", "rejected": "No.", "source": "simulated"}])
    out = tmp_path / "dataset"
    done = export_dataset(store, out, ExportRequest("preferences", labels="all"), kind)
    counts = {row.split: 0 for row in preference_rows(store, source="all")}
    for row in preference_rows(store, source="all"):
        counts[row.split] += 1
    assert done["rows"] == 41
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["README.md", *(f"{split}.{kind}" for split in counts)]
    )
    card = (out / "README.md").read_text()
    header = yaml.safe_load(card.split("---")[1])
    assert {split["name"]: split["num_examples"] for split in header["dataset_info"]["splits"]} == counts
    assert [feature["name"] for feature in header["dataset_info"]["features"]][:3] == ["prompt", "chosen", "rejected"]
    assert header["size_categories"] == ["n<1K"]
    assert "license" not in header
    for told in (
        "- simulated: 1 rows, made by simulated labelers",
        "- import: 40 rows",
        "- labels: all",
        "3: 13, 2: 14, 1: 14",
    ):
        assert told in card
    loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == counts


def test_the_card_tells_agreement_guideline_and_what_was_left_out(store, add_pairs, tmp_path):
    verdicts = {"mina": ("left", "left", "tie"), "jun": ("left", "right", "left")}
    for number, pair in enumerate(add_pairs(3)):
        for name, said in verdicts.items():
            labeler = store.accounts.by_name(name) or store.accounts.add(name, "labeler")
            about = {"pair_id": pair.id, "labeler_id": labeler.id, "left_id": pair.first_id, "right_id": pair.second_id}
            id = f"{name}{number}"
            store.insert("assignments", about | {"id": id, "expires_at": "2030", "created_at": "2026"})
            store.comparisons.record(id=id, assignment_id=id, verdict=said[number], source="person", **about)
    export_dataset(store, tmp_path / "dataset", ExportRequest("preferences"))
    card = (tmp_path / "dataset" / "README.md").read_text()
    assert "- person: 50.0% (" in card  # agreed, differed, half
    assert "on 3 pairs with two or more labelers" in card
    assert "- left out, tie: 1" in card
    assert f"### Guideline of Standard, version 1 (5 rows)\n\n> {store.projects.guideline(1).text}" in card
    assert "mina" not in card


class FakeHub:
    """Stands where HfApi does; `error` is what the hub says."""

    def __init__(self, error=None):
        self.error, self.told = error, []

    def create_repo(self, repo, **about):
        self.told.append((repo, about))
        if self.error:
            raise self.error

    def upload_folder(self, *, folder_path, repo_id, **about):
        self.told.append((repo_id, sorted(path.name for path in Path(folder_path).iterdir())))


def test_a_folder_is_uploaded_as_a_private_data_set(home_of, tmp_path, monkeypatch, capsys):
    store = home_of([{"prompt": "Name a tree.", "chosen": "An oak.", "rejected": "No."}])
    fake = FakeHub()
    monkeypatch.setattr(hub, "make_client", lambda: fake)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    command = [
        "export",
        str(tmp_path / "out"),
        "--what",
        "preferences",
        "--push-to-hub",
        "me/notes",
        "--home",
        str(store.home),
        "--json",
    ]
    assert app.main(command) == 0
    [(repo, about), (_, files)] = fake.told
    assert (repo, about["repo_type"], about["private"]) == ("me/notes", "dataset", True)
    assert "README.md" in files
    assert json.loads(capsys.readouterr().out)["pushed"] == "https://huggingface.co/datasets/me/notes"


def test_without_a_network_nothing_is_written_and_one_line_says_so(home_of, tmp_path, monkeypatch, capsys):
    store = home_of([{"prompt": "Name a tree.", "chosen": "An oak.", "rejected": "No."}])
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    command = [
        "export",
        str(tmp_path / "out"),
        "--what",
        "preferences",
        "--push-to-hub",
        "me/notes",
        "--home",
        str(store.home),
    ]
    assert app.main(command) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_the_hub_says_is_one_line_and_the_files_stay(tmp_path, monkeypatch):
    for error, told in (
        (httpx.ConnectError("Name or service not known"), "cannot be reached: Name or service not known"),
        (OSError("disk\nmore"), "cannot be reached: disk"),
    ):
        monkeypatch.setattr(hub, "make_client", lambda error=error: FakeHub(error))
        with pytest.raises(BadInput, match=f"{told}.*The files are in {tmp_path}"):
            hub.push_folder(tmp_path, "me/notes")


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_makes_every_kind_of_file_and_lists_it(home_of, tmp_path, kind):
    store = home_of([{"prompt": "Name a tree.", "chosen": "An oak.", "rejected": "No.", "labeler": "mina"}])
    assert "1 rows written" in make_file(store, "preferences", "trl", "person", kind, by="account 7")
    [made] = (store.home / "exports").iterdir()
    assert made.name.endswith(f".{kind}")
    assert [act["actor"] for act in store.audit.all() if act["action"] == "export"] == ["account 7"]
    assert made.name in draw_files(store.home / "exports")
    if kind == "zip":
        assert {name.rpartition("/")[2] for name in zipfile.ZipFile(made).namelist()} >= {"README.md"}


@pytest.mark.parametrize("problem", [ENOSPC, EDQUOT])
def test_the_page_says_that_the_disk_is_full_and_leaves_no_half_file(home_of, monkeypatch, problem):
    def half_an_archive(name, *_, **__):
        Path(f"{name}.zip").write_bytes(b"PK")
        raise OSError(problem, "no room")

    monkeypatch.setattr("rlhf.pages.export.make_archive", half_an_archive)
    store = home_of([{"prompt": "Name a tree.", "chosen": "An oak.", "rejected": "No."}])
    said = make_file(store, "preferences", "trl", "person", "zip", by="account 7")
    assert re.search(r"preferences-trl-[-\d]+\.zip: cannot be written: the disk is full\. Free some space\.", said)
    assert "said bad" in said
    assert list((store.home / "exports").iterdir()) == []


def test_a_file_that_a_full_disk_cuts_short_is_not_there(tmp_path):
    def rows():
        yield {"text": "fine"}
        raise OSError(ENOSPC, "no room")

    with pytest.raises(BadInput, match="the disk is full. Free some space"):
        write_rows(tmp_path / "rows.jsonl", rows())
    assert list(tmp_path.iterdir()) == []


def test_a_name_says_whether_it_is_a_file_or_a_folder(home_of, tmp_path, capsys):
    store = home_of([{"prompt": "Name a tree.", "chosen": "An oak.", "rejected": "No."}])
    common = ["--what", "preferences", "--home", str(store.home), "--json"]
    assert app.main(["export", str(tmp_path / "one.csv.gz"), *common]) == 0
    assert (tmp_path / "one.csv.gz").is_file()
    assert app.main(["export", str(tmp_path / "set"), *common, "--files", "parquet"]) == 0
    assert (tmp_path / "set" / "README.md").is_file()
    assert app.main(["export", str(tmp_path / "one.parquet.gz"), *common]) == 2
    assert app.main(["export", str(tmp_path / "one.jsonl"), *common, "--push-to-hub", "me/x"]) == 2
    assert not (tmp_path / "one.jsonl").exists()
