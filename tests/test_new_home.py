# SPDX-License-Identifier: Apache-2.0
"""A home first opened by any command: one that needs prompts or a policy loads the starter; one that reads does not."""

from __future__ import annotations

import json

import pytest

import app
from data import Store
from data.store import FILE
from rlhf.common import locks
from tests.support.endpoint_server import running_endpoint

LINE = "It now has the starter"


@pytest.fixture
def run(home, capsys):
    """Return run(*words) -> (status, stdout, stderr) on a home that does not exist yet and whose runs stay queued."""

    def run(*words: str) -> tuple[int, str, str]:
        status = app.main([*words, "--home", str(home)])
        return status, *capsys.readouterr()

    home.mkdir()
    with locks.acquire_lock(home / locks.SUPERVISOR):
        yield run


@pytest.mark.parametrize(
    "words",
    [("sample", "--policy", "p2"), ("train", "sft"), ("compare", "p2"), ("curate", "embed")],
    ids=" ".join,
)
def test_a_command_that_needs_prompts_or_a_policy_loads_the_starter_into_a_new_home(run, home, words):
    status, out, err = run(*words, "--json")
    assert status == 0
    assert err.count(LINE) == 1
    assert "p1 and p2. For your own model, use another home: preference-loop serve --base MODEL" in err
    assert json.loads(out)["run"] == "run1"  # one document on stdout
    store = Store(home)
    assert [policy.name for policy in store.policies.all()] == ["starter base", "starter sft"]
    assert [run.kind for run in store.runs.all()] == [{"train": "sft", "curate": "embed"}.get(words[0], words[0])]
    assert LINE not in run(*words)[2]  # the home is not new any more


def test_a_run_that_needs_more_says_what_after_the_starter_is_there(run, home):
    status, _, err = run("train", "ppo")
    assert status == 2
    note, problem = err.splitlines()
    assert LINE in note
    assert problem.startswith("there is no reward model yet")
    assert Store(home).policies.count() == 2


@pytest.mark.parametrize(
    "words", [("sample", "--set", "sed=1"), ("train", "nope"), ("sample", "--dry-run")], ids=" ".join
)
def test_a_refused_command_line_and_a_dry_run_load_nothing(run, home, words):
    status, _, err = run(*words)
    assert (status, LINE in err) == (2, False)
    assert not (home / FILE).exists() or Store(home).prompts.count() == Store(home).policies.count() == 0


def test_pre_training_makes_the_first_policy_itself(run, home, tmp_path):
    (tmp_path / "text.txt").write_text("Snow is white. " * 400, encoding="utf-8")
    status, _, err = run("train", "pretrain", "--set", f"text={tmp_path / 'text.txt'}")
    assert (status, LINE in err) == (0, False)
    assert Store(home).policies.count() == 0


def test_simulated_ratings_begin_with_the_starters_rows(run):
    status, _, err = run("curate", "simulate", "--ratings", "2")
    assert (status, LINE in err) == (0, True)


def test_a_home_that_somebody_filled_is_not_changed(run, home, tmp_path):
    lines = "".join(f'{{"prompt": "Name {number} cats."}}\n' for number in range(8))
    (tmp_path / "prompts.jsonl").write_text(lines, encoding="utf-8")
    run("import", str(tmp_path / "prompts.jsonl"), "--as", "prompts")
    status, _, err = run("sample")
    assert (status, LINE in err) == (2, False)
    assert "this home has no policy yet" in err
    assert (Store(home).prompts.count(), Store(home).policies.count()) == (8, 0)


def test_a_home_with_a_policy_alone_is_told_to_import_prompts(run, home):
    Store(home).policies.add(name="mine", kind="base", base="elsewhere")
    status, _, err = run("sample")
    assert status == 2
    assert err == "this home has no prompts. Import some: preference-loop import FILE --as prompts\n"


def test_an_endpoint_in_a_new_home_gets_everyday_prompts(run, home):
    with running_endpoint() as endpoint:
        status, _, err = run("sample", "--endpoint", endpoint.url, "--model", "m", "--prompts", "2")
    assert status == 0
    assert "It now has 60 everyday prompts." in err
    assert Store(home).pairs.count() == 2


@pytest.mark.parametrize(
    "words",
    [
        ("export", "out.jsonl", "--what", "preferences"),
        ("export", "out", "--what", "policy", "--id", "p1"),
        ("backup", "out.tar"),
        ("audit",),
        ("store", "check"),
    ],
    ids=" ".join,
)
def test_a_command_that_reads_refuses_a_home_without_a_store_and_creates_nothing(tmp_path, capsys, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    assert app.main([*words, "--home", str(tmp_path / "typo")]) == 2
    assert (
        capsys.readouterr().err == f"{tmp_path / 'typo'}: there is no store in this home. Name the home with --home.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_reads_loads_no_starter(run, home):
    Store(home).close()
    for words in (("runs",), ("labels", "agreement"), ("projects", "list"), ("audit",)):
        run(*words)
    assert Store(home).prompts.count() == Store(home).policies.count() == 0
