# SPDX-License-Identifier: Apache-2.0
"""Exports as folders for the hub, with a card, and the export page."""

from __future__ import annotations

import json
import re
import zipfile
from errno import EDQUOT, ENOSPC
from html import unescape
from pathlib import Path

import datasets
import httpx
import pytest
import yaml

import app
from data.errors import BadInput
from data.formats.writing import write_rows
from data.transfer import hub
from data.transfer.exporting import FILES, FORMATS, ExportRequest, export_dataset
from data.views.preferences import preference_rows
from rlhf.pages.export import KINDS, draw_files, draw_formats, format_choices, make_file


@pytest.mark.parametrize("kind", FILES)
def test_a_folder_has_a_file_for_each_split_and_a_card_that_the_hub_reads(home_of, tmp_path, kind):
    rows = [{"prompt": f"Say {n}.", "chosen": "a", "rejected": "b", "margin": 1 + n % 3} for n in range(40)]
    others = [
        {"prompt": "Say hi.", "chosen": "Hi.", "rejected": "No.", "source": source} for source in ("simulated", "ai")
    ]
    store = home_of([*rows, *others])
    out = tmp_path / "dataset"
    done = export_dataset(store, out, ExportRequest("preferences", labels="all"), kind)
    counts = {row.split: 0 for row in preference_rows(store, source="all")}
    for row in preference_rows(store, source="all"):
        counts[row.split] += 1
    assert done["rows"] == 42
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["README.md", "croissant.json", *(f"{split}.{kind}" for split in counts)]
    )
    card = (out / "README.md").read_text()
    header = yaml.safe_load(card.split("---")[1])
    assert {split["name"]: split["num_examples"] for split in header["dataset_info"]["splits"]} == counts
    assert [feature["name"] for feature in header["dataset_info"]["features"]][:3] == ["prompt", "chosen", "rejected"]
    assert header["size_categories"] == ["n<1K"]
    assert "license" not in header
    for message in (
        "- simulated: 1 rows, made by simulated labelers",
        "- ai: 1 rows, made by AI labelers (models that judged), not by people",
        "- import: 40 rows",
        "- labels: all",
        "3: 13, 2: 15, 1: 14",
    ):
        assert message in card
    loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == counts


def test_the_card_tells_agreement_guideline_and_what_was_left_out(store, add_pairs, tmp_path):
    verdicts = {"mina": ("left", "left", "tie"), "jun": ("left", "right", "left")}
    for number, pair in enumerate(add_pairs(3)):
        for name, text in verdicts.items():
            labeler = store.accounts.by_name(name) or store.accounts.add(name, "labeler")
            about = {"pair_id": pair.id, "labeler_id": labeler.id, "left_id": pair.first_id, "right_id": pair.second_id}
            id = f"{name}{number}"
            store.insert("assignments", about | {"id": id, "expires_at": "2030", "created_at": "2026"})
            store.comparisons.record(id=id, assignment_id=id, verdict=text[number], source="person", **about)
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
    assert "1 row written" in make_file(store, "preferences", "trl", "import", kind, by="account 7")
    [made] = (store.home / "exports").iterdir()
    assert made.name.endswith(f".{kind}")
    assert [act["actor"] for act in store.audit.all() if act["action"] == "export"] == ["account 7"]
    assert made.name in draw_files(store.home / "exports")
    if kind == "zip":
        assert {name.rpartition("/")[2] for name in zipfile.ZipFile(made).namelist()} >= {"README.md"}


@pytest.mark.parametrize("what", FORMATS)
def test_the_page_offers_every_format_with_a_line_about_it(what):
    lines = re.findall("<li><b>(.+?)</b>: (.+?)</li>", draw_formats(what))
    assert [(unescape(name), form) for (name, _), form in zip(lines, FORMATS[what], strict=True)] == format_choices(
        what
    )
    assert len({line for _, line in lines}) == len(lines)
    assert all(line.endswith(".") and not line.startswith("export.") for _, line in lines)


@pytest.mark.parametrize("problem", [ENOSPC, EDQUOT])
def test_the_page_says_that_the_disk_is_full_and_leaves_no_half_file(home_of, monkeypatch, problem):
    def half_an_archive(name, *_, **__):
        Path(f"{name}.zip").write_bytes(b"PK")
        raise OSError(problem, "no room")

    monkeypatch.setattr("rlhf.pages.export.make_archive", half_an_archive)
    store = home_of([{"prompt": "Name a tree.", "chosen": "An oak.", "rejected": "No."}])
    text = make_file(store, "preferences", "trl", "import", "zip", by="account 7")
    assert re.search(r"preferences-trl-[-\d]+\.zip: cannot be written: the disk is full\. Free some space\.", text)
    assert "said bad" in text
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
