# SPDX-License-Identifier: Apache-2.0
"""Folders, patterns, archives and cached data sets are one import in natural order, and tell what they leave out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import datasets
import pytest

from data.errors import BadInput
from data.formats.files import archives
from data.transfer.checked_rows import ImportFile, Reading, check_rows
from data.transfer.import_sources import expand
from data.transfer.importing import import_files
from data.transfer.previewing import preview
from tests.support import ROOT
from tests.support.data.containers import json_lines, parquet_file, zipped


def rows(name: str, count: int = 2) -> list[dict]:
    return [{"prompt": f"{name}-{number}"} for number in range(count)]


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    (folder / "sub").mkdir(parents=True)
    for number in (10, 9, 1):
        (folder / f"part-{number}.jsonl").write_bytes(json_lines(rows(str(number))))
    (folder / "train-00000-of-00001.parquet").write_bytes(parquet_file(rows("t")))
    (folder / "sub" / "more.csv").write_text("prompt\nmore\n")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "empty.jsonl").write_bytes(b"")
    (folder / "dataset_info.json").write_text("{}")
    (folder / "part-1.jsonl.rejected.jsonl").write_text("{}\n")
    (folder / ".gitattributes").write_text("* text\n")
    return folder


def prompts_of(path: Path | str) -> list[str]:
    files, _ = expand([ImportFile.at(path)])
    return [row.row["prompt"] for file in files for row in check_rows(file, Reading("prompts"))]


def test_a_folder_is_one_import_in_natural_order_and_tells_what_it_leaves_out(store, corpus):
    inside = ["1-0", "1-1", "9-0", "9-1", "10-0", "10-1", "more", "t-0", "t-1"]
    result = import_files(store, [ImportFile.at(corpus)], "prompts")
    assert [row.text for row in store.prompts.all()] == inside
    assert result["file_notes"] == [
        "corpus: 5 files (corpus, corpus/sub/more.csv, corpus/train)",
        "left out, describes the data: dataset_info.json",
        "left out, the file is empty: empty.jsonl",
        "left out, rejected rows of an import: part-1.jsonl.rejected.jsonl",
        "left out, this is a PNG image: picture.png",
        "left out, text without rows: README.md",
    ]
    assert preview([ImportFile.at(corpus)], "prompts", store=store).file_notes == result["file_notes"]


def test_a_bad_row_in_a_shard_stops_the_whole_folder_and_is_named(store, corpus):
    (corpus / "part-10.jsonl").write_text('{"prompt": "a"}\n{"prompt": 1}\n')
    with pytest.raises(BadInput) as refused:
        import_files(store, [ImportFile.at(corpus)], "prompts")
    assert (refused.value.file, refused.value.line) == (str(corpus / "part-10.jsonl"), 2)
    assert store.value("SELECT count(*) FROM prompts") == 0


def test_a_pattern_takes_its_files_in_natural_order(corpus):
    assert prompts_of(corpus / "part-*[0-9].jsonl") == ["1-0", "1-1", "9-0", "9-1", "10-0", "10-1"]
    with pytest.raises(BadInput, match="no file matches the pattern"):
        expand([ImportFile.at(corpus / "*.nothing")])


def test_a_folder_without_rows_says_what_is_in_it(tmp_path):
    (tmp_path / "x.png").write_bytes(b"\x89PNG")
    with pytest.raises(BadInput, match=r"it holds no rows \(left out, this is a PNG image: x.png\)"):
        expand([ImportFile.at(tmp_path)])


def test_an_archive_is_read_like_a_folder_and_its_member_is_named(store, tmp_path):
    path = tmp_path / "all.zip"
    bad = b'{"prompt": "a"}\nnonsense\n'
    path.write_bytes(
        zipped({"x/2.jsonl": json_lines(rows("2")), "x/10.jsonl": bad, "__MACOSX/x": b"", "a.png": b"GIF8"})
    )
    result = import_files(store, [ImportFile.at(path)], "prompts", skip_bad=True)
    assert [row.text for row in store.prompts.all()] == ["2-0", "2-1", "a"]
    assert result["file_notes"] == ["all.zip: 2 files (all/x)", "left out, this is a GIF image: a.png"]
    rejected = Path(result["rejected_file"])
    assert rejected.name == "x.rejected.jsonl"
    assert json.loads(rejected.read_text())["line"] == 2
    with pytest.raises(BadInput, match=r"all.zip/x/10.jsonl:2: not valid JSON"):
        import_files(store, [ImportFile.at(path)], "prompts")


def test_an_archive_of_one_file_has_the_name_of_the_file(tmp_path):
    (tmp_path / "whatever.zip").write_bytes(zipped({"prompts.txt": b"one\ntwo\n"}))
    ((file,), _) = expand([ImportFile.at(tmp_path / "whatever.zip")])
    assert file.name == "prompts.txt"
    assert prompts_of(tmp_path / "whatever.zip") == ["one", "two"]


@pytest.mark.parametrize("name", ["../a.jsonl", "/etc/a.jsonl", "x/../../a.jsonl", "..\\a.jsonl", "C:a.jsonl"])
def test_an_archive_with_a_path_outside_itself_is_refused(tmp_path, name):
    (tmp_path / "a.zip").write_bytes(zipped({name: json_lines(rows("a"))}))
    with pytest.raises(BadInput, match="lies outside it"):
        expand([ImportFile.at(tmp_path / "a.zip")])


def test_members_that_overlap_and_a_huge_listing_are_refused(tmp_path, monkeypatch):
    content = zipped({f"{n}.jsonl": json_lines(rows("a")) for n in range(50)})
    (tmp_path / "a.zip").write_bytes(content)
    monkeypatch.setattr(archives, "UNPACKED", 0)
    monkeypatch.setattr(archives, "RATIO", 0.01)
    with pytest.raises(BadInput, match=r"the archive unpacks from [\d,]+ to [\d,]+ bytes"):
        expand([ImportFile.at(tmp_path / "a.zip")])
    monkeypatch.setattr(archives, "LISTING", 1000)
    with pytest.raises(BadInput, match="its listing takes more than"):
        expand([ImportFile.at(tmp_path / "a.zip")])


def test_an_encrypted_member_and_an_archive_in_an_archive_are_left_out_with_the_reason(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"a.jsonl": json_lines(rows("a")), "b.zip": zipped({"x": b"y"}), "c.jsonl": b"{}"}))
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"c.jsonl") - 46
    content[entry + 8] |= 1
    path.write_bytes(content)
    files, notes = expand([ImportFile.at(path)])
    assert [file.source.member for file in files] == ["a.jsonl"]
    assert "left out, this is a ZIP archive inside another: b.zip" in notes
    assert "left out, the member of the archive is encrypted: c.jsonl" in notes
    assert zipfile.is_zipfile(path)


def test_folders_of_save_to_disk_are_read_without_datasets(tmp_path):
    table = datasets.Dataset.from_list(rows("r", 7))
    table.save_to_disk(tmp_path / "one", num_shards=2)
    (tmp_path / "one" / "data-00002-of-00003.arrow").write_bytes(
        (tmp_path / "one" / "data-00000-of-00002.arrow").read_bytes()
    )
    assert prompts_of(tmp_path / "one") == [f"r-{n}" for n in range(7)]
    files, notes = expand([ImportFile.at(tmp_path / "one")])
    assert [file.name for file in files] == ["one", "one"]
    assert "left out, not listed in state.json: data-00002-of-00003.arrow" in notes
    datasets.DatasetDict(train=table, test=table.select(range(2))).save_to_disk(tmp_path / "two")
    files, _ = expand([ImportFile.at(tmp_path / "two")])
    assert [file.name for file in files] == ["two/test", "two/train"]
    code = f"import sys; from data.transfer.import_sources import expand; from data.transfer.checked_rows import *; print(sum(1 for f in expand([ImportFile.at({str(tmp_path / 'two')!r})]).files for _ in check_rows(f, Reading('prompts'))), 'datasets' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["9", "False"]


IMPORT = """
import sys, app
sys.exit(app.main(["import", sys.argv[1], "--as", "prompts", "--home", sys.argv[2]]))
"""


def import_cached(tmp_path, name: str) -> tuple[int, str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    home = str(tmp_path / "home")
    ran = subprocess.run(
        [sys.executable, "-c", IMPORT, name, home],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert "Traceback" not in ran.stderr
    return ran.returncode, ran.stdout + ran.stderr


def test_a_data_set_in_the_cache_of_the_hub_is_read_by_its_name(tmp_path):
    repository = tmp_path / "hf" / "hub" / "datasets--owner--name"
    snapshot = repository / "snapshots" / ("a" * 40)
    (snapshot / "data").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    (snapshot / "README.md").write_text("# Rows\n")
    for split, count in (("train", 3), ("test", 2)):
        (snapshot / "data" / f"{split}-00000-of-00001.parquet").write_bytes(parquet_file(rows(split, count)))
    status, output = import_cached(tmp_path, "owner/name:test")
    assert status == 0
    assert ": 2 read, 2 added, 0 duplicate, 0 rejected\nowner/name: 1 file (owner/name/data/test)\n" in output
    status, output = import_cached(tmp_path, "owner/name")
    assert status == 0
    assert ": 5 read, 3 added, 2 duplicate, 0 rejected\nowner/name: 2 files" in output
    assert "(owner/name/data/test, owner/name/data/train)" in output
    assert "left out, text without rows: README.md" in output


def test_a_data_set_that_datasets_prepared_is_read_and_a_missing_one_is_one_line(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "train.jsonl").write_bytes(json_lines(rows("r", 3)))
    cache = tmp_path / "hf" / "datasets"
    datasets.load_dataset(str(source), cache_dir=str(cache))
    (cache / "source").rename(cache / "owner___name")
    status, output = import_cached(tmp_path, "owner/name:train")
    assert status == 0
    assert ": 3 read, 3 added" in output
    status, output = import_cached(tmp_path, "owner/other")
    assert status != 0
    assert "no data set of that name in the Hugging Face cache" in output
    assert "hf download owner/other --repo-type dataset" in output
