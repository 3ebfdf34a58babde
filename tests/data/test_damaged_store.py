# SPDX-License-Identifier: Apache-2.0
"""A damaged home: every command ends with one line, `store check` names the damage, and `serve` refuses."""

from __future__ import annotations

import json
import random
import shutil
from contextlib import closing

import pytest
from sqlite_utils.utils import sqlite3

import app
from data import Store
from data.errors import BadInput, StoreTrouble
from data.sqlite.damage import find_damage, refuse_damaged_store
from labeling.session import Answer, Session

PAGE = 4096
COMMANDS = (
    ["account", "list"],
    ["projects", "list"],
    ["labels", "agreement"],
    ["labels", "quality"],
    ["runs"],
    ["export", "OUT.jsonl", "--what", "events"],
    ["export", "OUT.jsonl", "--what", "preferences", "--labels", "all"],
    ["export", "OUT.jsonl", "--what", "instructions"],
    ["backup", "OUT.tar"],
    ["import", "GIVEN", "--as", "preferences"],
    ["import", "GIVEN", "--as", "preferences", "--dry-run"],
    ["store", "rebuild"],
    ["store", "check"],
    ["store", "check", "--repair"],
    ["serve", "--port", "0"],
)


def weights(path, size=64):
    head = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    path.mkdir(parents=True)
    (path / "adapter_model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + b"w" * size)
    return path


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A home with imported and recorded comparisons, two models and a curve; nobody has it open."""
    home = tmp_path_factory.mktemp("sound") / "home"
    given = home.parent / "given.jsonl"
    rows = ({"prompt": f"Say {n}.", "chosen": f"{n} " * 400, "rejected": f"no {n}"} for n in range(150))
    given.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for what in ("preferences", "instructions"):
        if what == "instructions":
            given.write_text(
                "".join(json.dumps({"instruction": f"Do {n}.", "output": "x" * 900}) + "\n" for n in range(60))
            )
        assert app.main(["import", str(given), "--as", what, "--home", str(home)]) == 0
    with closing(Store(home)) as store:
        prompt = store.prompts.add("Write a note.", source="here")
        texts = [{"prompt_id": prompt.id, "model_name": str(n), "text": f"answer {n}", "number": 0} for n in range(12)]
        ids = store.completions.add_many(texts)
        for first, second in zip(ids[::2], ids[1::2], strict=True):
            store.pairs.add(prompt.id, first, second)
        for name in ("mina", "jun"):
            session = Session(store, store.accounts.add(name, "labeler"), overlap=2)
            for number in range(5):
                item = session.next()
                side = "left" if (item.left < item.right) == (name == "mina") else "right"  # they never agree
                session.submit(Answer(f"answer-{name}-{number}", item.assignment, side))
        store.metrics.log(1, 1, {"loss": 0.5})
        store.policies.publish(weights(home / "new"), name="one", kind="sft", base="gpt2")
        store.reward_models.publish(weights(home / "new"), name="two", base="gpt2")
        assert store.value("PRAGMA wal_checkpoint(TRUNCATE)") == 0
    assert (home / "feedback.db").stat().st_size > 100 * PAGE
    return home


@pytest.fixture
def damaged(sound, tmp_path):
    """A copy of the sound home to damage."""
    return shutil.copytree(sound, tmp_path / "home")


def overwrite(home, pages, seed):
    """Overwrite random pages, without the first one."""
    file, rng = home / "feedback.db", random.Random(seed)
    content = bytearray(file.read_bytes())
    for page in rng.sample(range(1, len(content) // PAGE), pages):
        content[page * PAGE : (page + 1) * PAGE] = rng.randbytes(PAGE)
    file.write_bytes(content)


DAMAGE = {
    **{f"{pages} pages, seed {seed}": (overwrite, pages, seed) for pages in (1, 12) for seed in range(4)},
    "header": (
        lambda home: (home / "feedback.db").write_bytes(b"\xaa" * 100 + (home / "feedback.db").read_bytes()[100:]),
    ),
    "first page": (
        lambda home: (home / "feedback.db").write_bytes(
            (home / "feedback.db").read_bytes()[:100] + b"\xaa" * 3996 + (home / "feedback.db").read_bytes()[PAGE:]
        ),
    ),
    "half": (
        lambda home: (home / "feedback.db").write_bytes(
            (home / "feedback.db").read_bytes()[: (home / "feedback.db").stat().st_size // 2]
        ),
    ),
    "empty": (lambda home: (home / "feedback.db").write_bytes(b""),),
    "missing": (lambda home: (home / "feedback.db").unlink(),),
}


def run(home, tmp_path, capsys, argv):
    """Run a command -> (status, stdout, stderr); whatever it writes goes to `tmp_path`."""
    out = tmp_path / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    given = home.parent / "given.jsonl"
    given.write_text(json.dumps({"prompt": "New.", "chosen": "yes", "rejected": "no"}) + "\n")
    names = {"GIVEN": str(given)}
    argv = [names.get(word, str(out / word) if word.startswith("OUT") else word) for word in argv]
    status = app.main([*argv, "--home", str(home)])
    return (status, *capsys.readouterr())


@pytest.mark.parametrize("name", DAMAGE)
def test_every_command_on_a_damaged_store_ends_with_one_line(damaged, tmp_path, capsys, monkeypatch, name):
    monkeypatch.setattr("rlhf.pages.serve.run_server", lambda *_: pytest.fail("a damaged store is served"))
    verb, *numbers = DAMAGE[name]
    verb(damaged, *numbers)
    before = (damaged / "feedback.db").read_bytes() if (damaged / "feedback.db").exists() else None
    assert run(damaged, tmp_path, capsys, ["serve", "--port", "0"])[0] == 2
    status, out, err = run(damaged, tmp_path, capsys, ["store", "check"])
    assert (status, err) == (1, "")
    assert len(out.splitlines()) >= 2
    assert ((damaged / "feedback.db").read_bytes() if (damaged / "feedback.db").exists() else None) == before
    for argv in COMMANDS:
        status, out, err = run(damaged, tmp_path, capsys, argv)
        assert status in (0, 1, 2), argv
        assert err.count("\n") == (status == 2), (argv, err)
        if status == 2:
            assert "feedback.db" in err, (argv, err)
            assert not out
            assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_a_lost_store_is_no_first_start(damaged, name):
    DAMAGE[name][0](damaged)
    for opening in (Store, lambda home: refuse_damaged_store(home / "feedback.db")):
        with pytest.raises(
            StoreTrouble, match=f"the store is {name}.* shows that this home is in use.* Restore a backup"
        ):
            opening(damaged)
    assert not (damaged / "feedback.db").exists() or (damaged / "feedback.db").stat().st_size == 0


def test_a_first_start_that_broke_off_may_be_repeated(tmp_path):
    (tmp_path / "feedback.db").touch()
    (tmp_path / "feedback.db.lock").touch()
    Store(tmp_path).close()


def test_a_database_of_another_program_is_refused(tmp_path):
    with closing(sqlite3.connect(tmp_path / "feedback.db")) as other:
        other.execute("CREATE TABLE songs (title)")
    with pytest.raises(BadInput, match="belongs to another program: it has the table 'songs'"):
        Store(tmp_path)


def test_a_sound_home_has_no_finding_and_is_not_written(damaged, tmp_path, capsys):
    before = (damaged / "feedback.db").read_bytes()
    status, out, err = run(damaged, tmp_path, capsys, ["store", "check"])
    assert (status, out, err) == (
        0,
        "The home is sound: databases, references, schema, derived tables and model files.\n",
        "",
    )
    assert (damaged / "feedback.db").read_bytes() == before
    assert find_damage(damaged / "feedback.db") is None


def test_a_check_runs_while_the_store_is_in_use(damaged):
    with closing(Store(damaged)) as store, store.transaction():
        store.prompts.add("Not yet.", source="here")
        assert app.main(["store", "check", "--home", str(damaged)]) == 0


SPOILING = {
    "DELETE FROM queue": "rows of the derived table queue differ",
    "UPDATE tallies SET answers = answers + 1": "rows of the derived table tallies differ",
    "UPDATE assignments SET done = 0": "rows of the derived table assignments differ",
    "DELETE FROM disputes": "rows of the derived table disputes differ",
    "UPDATE comparison_counts SET n = n + 1": "rows of the derived table comparison_counts differ",
    "DROP TRIGGER comparisons_refuse_update": "the trigger 'comparisons_refuse_update' is missing",
    "DROP INDEX comparisons_pair": "the index 'comparisons_pair' is missing",
}


@pytest.mark.parametrize("sql", SPOILING)
def test_what_other_rows_imply_is_found_and_repaired(damaged, tmp_path, capsys, sql):
    with closing(sqlite3.connect(damaged / "feedback.db", isolation_level=None)) as spoiling:
        spoiling.execute(sql)
    status, out, _ = run(damaged, tmp_path, capsys, ["store", "check"])
    assert status == 1
    assert SPOILING[sql] in out
    assert out.endswith("Run: preference-loop store check --repair\n")
    status, out, _ = run(damaged, tmp_path, capsys, ["store", "check", "--repair"])
    assert (status, "(repaired)" in out) == (0, True)
    assert run(damaged, tmp_path, capsys, ["store", "check"])[0] == 0


def test_an_unknown_trigger_and_a_dangling_reference_are_named(damaged, tmp_path, capsys):
    with closing(sqlite3.connect(damaged / "feedback.db", isolation_level=None)) as spoiling:
        spoiling.execute("CREATE TRIGGER evil AFTER INSERT ON tokens BEGIN DELETE FROM accounts; END")
        spoiling.execute("DELETE FROM rationales")
        spoiling.execute("UPDATE pairs SET project_id = 77 WHERE id = 1")
    status, out, _ = run(damaged, tmp_path, capsys, ["store", "check"])
    assert status == 1
    assert "feedback.db: the trigger 'evil' is not of this program" in out
    assert "feedback.db: 1 rows of pairs refer to rows of projects that are missing" in out


def test_a_change_of_a_newer_version_is_named(damaged, tmp_path, capsys):
    with closing(sqlite3.connect(damaged / "feedback.db", isolation_level=None)) as spoiling:
        spoiling.execute("INSERT INTO _sqlite_migrations VALUES (9999, 'preference-loop', 'm999_later', '')")
    status, out, _ = run(damaged, tmp_path, capsys, ["store", "check"])
    assert status == 1
    assert "feedback.db: it has the change 'm999_later', which this version does not know" in out


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda folder: shutil.rmtree(folder), "the folder is missing"),
        (lambda folder: (folder / "adapter_model.safetensors").unlink(), "the folder is empty"),
        (
            lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"x" * 20),
            "adapter_model.safetensors is cut off or damaged",
        ),
    ],
)
def test_model_files_that_rows_name_are_checked(damaged, tmp_path, capsys, spoil, line):
    spoil(damaged / "rewards" / "r1")
    status, out, _ = run(damaged, tmp_path, capsys, ["store", "check"])
    assert (status, out.splitlines()[0]) == (1, f"rewards/r1: {line} (r1)")
