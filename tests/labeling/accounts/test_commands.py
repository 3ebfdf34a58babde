# SPDX-License-Identifier: Apache-2.0
"""`account` and `simulate` from the command line to the store: what is printed, what is kept, and the exit status."""

from __future__ import annotations

import io
import json

import pytest

import app
from labeling.accounts import accounts

PASSWORD = "correct horse"


@pytest.fixture
def call(home, capsys, monkeypatch):
    """call(argument, ..., stdin="") -> (exit status, standard output, standard error)."""

    def call(*argv, stdin=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        status = app.main([*argv, "--home", str(home)])
        return status, *capsys.readouterr()

    return call


def refused(answer) -> str:
    """The one line of a refusal."""
    status, out, err = answer
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    return line


def test_an_account_is_added_with_the_password_s_first_line(call, store):
    status, out, _ = call("account", "add", "Mina", "--password-stdin", stdin=f"{PASSWORD}\nnot this\n")
    assert (status, out) == (0, "Mina may now sign in as labeler.\n")
    assert accounts.sign_in(store, "Mina", PASSWORD)
    assert accounts.sign_in(store, "Mina", f"{PASSWORD}\nnot this") is None


def test_with_json_the_account_is_a_document_without_anything_secret(call):
    status, out, _ = call(
        "account", "add", "Rae", "--role", "researcher", "--password-stdin", "--json", stdin=f"{PASSWORD}\n"
    )
    assert status == 0
    assert json.loads(out) == {"name": "Rae", "role": "researcher", "simulated": False, "disabled": False}


@pytest.mark.parametrize(
    ("argv", "stdin", "problem"),
    [
        (("Mina", "--password-stdin"), "short\n", "8"),
        (("Mina", "--password-stdin"), "", "8"),
        (("Mina", "--password-stdin", "--role", "owner"), f"{PASSWORD}\n", "'owner' is not a role"),
        ((" ", "--password-stdin"), f"{PASSWORD}\n", "1 to 40 characters"),
        (("Mina",), "", "no terminal to ask for the password"),
    ],
)
def test_what_makes_no_account_is_one_line(call, store, argv, stdin, problem):
    assert problem in refused(call("account", "add", *argv, stdin=stdin))
    assert store.accounts.all() == []


def test_a_name_is_taken_once(call, store):
    for name, status in (("Mina", 0), ("mina", 2)):
        assert call("account", "add", name, "--password-stdin", stdin=f"{PASSWORD}\n")[0] == status
    assert len(store.accounts.all()) == 1


def test_accounts_are_listed_with_their_marks(call, store):
    assert "no accounts yet" in call("account", "list")[1]
    store.accounts.add("Rae", "researcher")
    store.accounts.add("sim-1", "labeler", simulated=True)
    store.accounts.disable("Rae")
    status, out, _ = call("account", "list")
    assert status == 0
    assert [line.split() for line in out.splitlines()] == [
        ["Rae", "researcher", "disabled"],
        ["sim-1", "labeler", "simulated"],
    ]
    listed = json.loads(call("account", "list", "--json")[1])["accounts"]
    assert [set(row) for row in listed] == [{"name", "role", "simulated", "disabled"}] * 2


def test_a_disabled_account_loses_its_sessions_and_its_tokens(call, store):
    accounts.create(store, "Mina", "labeler", PASSWORD)
    session = accounts.sign_in(store, "Mina", PASSWORD)
    token = call("account", "token", "Mina")[1].strip()
    assert store.tokens.find(token).name == store.tokens.find(session).name == "Mina"
    assert call("account", "disable", "Mina")[:2] == (0, "Mina is closed.\n")
    assert store.tokens.find(token) is store.tokens.find(session) is None
    assert accounts.sign_in(store, "Mina", PASSWORD) is None
    assert "no open account 'Mina'" in refused(call("account", "token", "Mina"))


@pytest.mark.parametrize("verb", ["disable", "token"])
def test_an_unknown_account_is_named(call, verb):
    assert "account 'nobody'" in refused(call("account", verb, "nobody"))


def fill(store, facts=True):
    """40 pairs, each of a fitting polite and of a rude answer."""
    for number in range(40):
        about = {"family": "thanks", "name": "Mina", "thing": f"book {number}"} if facts else None
        prompt = store.prompts.add(f"Thank Mina for book {number}.", source="test", facts=about)
        texts = (f"Dear Mina, I hope you are well. Thank you for book {number}.", "You are so lazy.")
        rows = [
            {"prompt_id": prompt.id, "model_name": name, "text": text} for name, text in zip("ab", texts, strict=True)
        ]
        store.pairs.add(prompt.id, *store.completions.add_many(rows))


def test_simulated_labelers_answer_and_their_agreement_is_measured(call, store):
    fill(store)
    argv = ("simulate", "--labels", "60", "--labelers", "3", "--overlap", "2", "--agreement", "0.9", "--seed", "1")
    status, out, _ = call(*argv, "--json")
    assert status == 0
    document = json.loads(out)
    assert (document["labels"], document["asked"]) == (60, 60)
    assert 0.6 < document["agreement"] <= 1
    assert {row.source for row in store.comparisons.current()} == {"simulated"}
    assert [account.simulated for account in store.accounts.all()] == [True] * 3


def test_fewer_labels_than_asked_are_said(call, store):
    fill(store)
    status, out, _ = call("simulate", "--labels", "50", "--labelers", "2")
    assert (status, out) == (0, "40 simulated labels of 50: no more pairs are open\n")


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (("--labels", "0", "--labelers", "2"), "labels"),
        (("--labels", "5", "--labelers", "0"), "labelers"),
        (("--labels", "5", "--labelers", "2", "--agreement", "1.2"), "1.2"),
        (("--labels", "five", "--labelers", "2"), "'five'"),
        (("--labels", "5"), "--labelers"),
    ],
)
def test_numbers_that_make_no_sense_are_one_line_and_nothing_is_recorded(call, store, argv, problem):
    fill(store)
    assert problem in refused(call("simulate", *argv))
    assert store.comparisons.events() == []


def test_prompts_that_the_rubric_does_not_know_are_refused(call, store):
    fill(store, facts=False)
    assert "the rubric does not cover the prompt 'Thank Mina for book" in refused(
        call("simulate", "--labels", "5", "--labelers", "2")
    )
    assert store.comparisons.events() == []


def test_without_a_waiting_pair_the_line_says_what_to_do(call):
    assert "pair" in refused(call("simulate", "--labels", "5", "--labelers", "2"))
