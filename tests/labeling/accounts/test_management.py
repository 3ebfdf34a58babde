# SPDX-License-Identifier: Apache-2.0
"""People: they come in by a link of their own, leave at once, and get what is theirs back or erased."""

from __future__ import annotations

import json

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data.errors import BadInput, Refused
from data.store import Store
from labeling.accounts import accounts, management, my_data
from labeling.accounts.gate import Gate
from labeling.accounts.presence import ONLINE_SECONDS, Presence
from labeling.accounts.sign_in import COOKIE
from labeling.session import Answer, Session

PASSWORD = "correct horse"


@pytest.fixture
def client(store):
    with TestClient(Gate(Starlette(routes=my_data.routes(store)), store), follow_redirects=False) as client:
        yield client


@pytest.fixture
def mina(store, add_pairs):
    """A labeler who answered one pair with a reason, holds another, and began to say something about it."""
    add_pairs(2)
    mina = store.accounts.add("Mina", "labeler", password_hash="scrypt$2$8$1$AA==$AA==")
    session = Session(store, mina)
    first = session.next()
    session.submit(Answer("answer-one", first.assignment, "left", rationale="kinder to my aunt"))
    store.drafts.save(session.next().assignment, {"rationale": "my aunt again"})
    return mina


def test_an_invitation_makes_one_account_of_its_role_and_is_gone(client, store):
    path = management.invite(store, "labeler")
    token = path.partition("token=")[2]
    assert client.get(path).status_code == 200
    refused = client.post("/invite", data={"token": token, "name": "Mina", "password": "short"})
    assert (refused.status_code, "The password has 5 characters" in refused.text) == (400, True)
    joined = client.post("/invite", data={"token": token, "name": "Mina", "password": PASSWORD})
    assert (joined.status_code, joined.headers["location"]) == (303, "/label/")
    assert store.accounts.by_name("Mina").role == "labeler"
    assert client.get("/label/you").status_code == 200
    for answer in (
        client.get(path),
        client.post("/invite", data={"token": token, "name": "Eve", "password": PASSWORD}),
    ):
        assert answer.status_code == 410
    assert [account.name for account in store.accounts.all()] == ["Mina"]


def test_a_link_for_a_new_password_ends_the_old_sessions_and_asks_for_no_name(client, store):
    accounts.create(store, "Mina", "labeler", "old password")
    old = accounts.sign_in(store, "Mina", "old password")
    stolen = management.issue_token(store, "Mina")
    path = management.issue_password_link(store, "Mina")
    form = client.get(path).text
    assert "Choose a new password for Mina. This ends your other sessions and revokes your API tokens." in form
    assert "name=name" not in form
    assert client.post("/invite", data={"token": path.partition("token=")[2], "password": PASSWORD}).status_code == 303
    assert store.tokens.find(old, "session") is None
    assert store.tokens.find(stolen, "api") is None
    assert accounts.sign_in(store, "Mina", "old password") is None
    assert accounts.sign_in(store, "Mina", PASSWORD)


def test_an_invitation_ends_after_a_week(store, monkeypatch):
    monkeypatch.setattr("data.tables.invitations.INVITATION_SECONDS", -1)
    token = management.invite(store, "labeler").partition("token=")[2]
    assert management.accept_invitation(store, token, "Mina", PASSWORD) is None
    assert store.invitations.open_count() == 0


def test_closing_an_account_ends_its_sessions_and_tokens_and_frees_what_it_holds(store, mina):
    session, token = store.tokens.issue("session", mina.id, 60), management.issue_token(store, "Mina")
    jun = Session(store, store.accounts.add("Jun", "labeler"))
    assert jun.next() is None
    management.close_account(store, "Mina")
    assert (store.tokens.find(session), store.tokens.find(token)) == (None, None)
    assert jun.next() is not None
    assert store.comparisons.count() == 1
    assert management.reopen_account(store, "mina").disabled is False


def test_the_last_researcher_who_can_sign_in_cannot_be_closed(store):
    for name in ("Ada", "Rae"):
        store.accounts.add(name, "researcher", password_hash="x")
    store.accounts.add("robot", "researcher")
    management.close_account(store, "Ada")
    for deed in (
        lambda: management.close_account(store, "Rae"),
        lambda: management.erase_personal_data(store, store.accounts.by_name("Rae")),
    ):
        with pytest.raises(Refused, match="'Rae' is the last researcher"):
            deed()
    assert store.accounts.by_name("Rae").disabled is False
    assert management.close_account(store, "robot").disabled


def test_tokens_are_listed_by_a_mark_and_revoked_one_by_one(store):
    store.accounts.add("Mina", "labeler")
    first, second = management.issue_token(store, "Mina"), management.issue_token(store, "Mina")
    mark = store.tokens.all(1, "api")[0].mark
    management.revoke_token(store, "Mina", mark)
    assert (store.tokens.find(first), store.tokens.find(second).name) == (None, "Mina")
    with pytest.raises(BadInput, match="no open token"):
        management.revoke_token(store, "Mina", mark)


def test_a_person_downloads_what_is_theirs_and_nobody_elses(client, store, mina):
    jun = Session(store, store.accounts.add("Jun", "labeler"))
    store.pairs.all()
    assert jun.next() is None
    client.cookies.set(COOKIE, store.tokens.issue("session", mina.id, 60))
    answer = client.get("/label/mine")
    assert "attachment" in answer.headers["content-disposition"]
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["kind"] for row in rows] == ["account", "assignment", "assignment", "draft", "comparison", "act"]
    assert rows[0] == {
        "kind": "account",
        "id": mina.id,
        "name": "Mina",
        "role": "labeler",
        "created_at": rows[0]["created_at"],
    }
    assert rows[-2]["rationale"] == "kinder to my aunt"
    assert "password" not in answer.text
    assert "gold" not in rows[1]


def test_erasing_empties_texts_and_name_and_keeps_the_events(client, store, mina):
    events = [(event.id, event.verdict, event.labeler_id) for event in store.comparisons.events()]
    client.cookies.set(COOKIE, store.tokens.issue("session", mina.id, 60))
    wrong = client.post("/label/erase", data={"name": "mina?"})
    assert (wrong.status_code, store.comparisons.rationale("answer-one")) == (400, "kinder to my aunt")
    assert client.post("/label/erase", data={"name": "Mina"}).status_code == 200
    again = Store(store.home)
    assert again.accounts.get(mina.id).name == f"erased-{mina.id}"
    assert [(event.id, event.verdict, event.labeler_id) for event in again.comparisons.events()] == events
    left = b"".join(file.read_bytes() for file in store.home.glob("feedback.db*"))
    assert b"answer-one" in left
    assert b"aunt" not in left
    assert b"Mina" not in left
    assert client.get("/label/you").status_code == 401
    assert people_free(again) == 1
    with pytest.raises(Refused, match="was erased"):
        management.reopen_account(again, f"erased-{mina.id}")


def people_free(store) -> int:
    """Pairs that a new labeler could be handed."""
    return 1 if Session(store, store.accounts.add("Lea", "labeler")).next() else 0


@pytest.mark.parametrize(
    ("rule", "download", "erase"), [("nothing", 409, 409), ("download", 200, 409), ("erase", 200, 200)]
)
def test_a_project_says_how_far_its_labelers_may_go(client, store, mina, rule, download, erase):
    store.personal_data.allow(1, rule)
    client.cookies.set(COOKIE, store.tokens.issue("session", mina.id, 60))
    assert client.get("/label/mine").status_code == download
    assert client.post("/label/erase", data={"name": "Mina"}).status_code == erase
    assert store.accounts.get(mina.id).disabled is (erase == 200)


def test_what_a_projects_rules_keep_is_said_in_the_readers_language(client, store, mina):
    store.personal_data.allow(1, "nothing")
    client.cookies.set(COOKIE, store.tokens.issue("session", mina.id, 60))
    for headers, message in (
        (
            {"accept": "text/html", "accept-language": "ko"},
            "Standard&#x27; 프로젝트에서는 라벨러가 자기 데이터를 내려받을 수 없습니다",
        ),
        (
            {"accept": "application/json"},
            "The project 'Standard' does not let labelers download their own data. Ask a researcher.",
        ),
    ):
        answer = client.get("/label/mine", headers=headers)
        assert (answer.status_code, message in answer.text) == (409, True), answer.text


def test_what_researchers_do_to_people_stands_in_the_audit_list_by_number(store, mina):
    ada = store.accounts.add("Ada", "researcher", password_hash="x")
    management.invite(store, "labeler", by=ada)
    management.close_account(store, "Mina", by=ada)
    management.erase_personal_data(store, mina if mina.disabled else store.accounts.get(mina.id), by=ada)
    acts = [(act["actor"], act["action"], act["detail"]) for act in store.audit.all()]
    who = f"account {ada.id}"
    assert acts == [
        (who, "erase", {"account": mina.id}),
        (who, "close account", {"account": mina.id}),
        (who, "invite", {"role": "labeler"}),
    ]


def test_who_was_seen_in_the_last_two_minutes_is_online():
    moment = [0.0]
    presence = Presence(lambda: moment[0])
    assert (presence.is_online(1), presence.seconds_since(1)) == (False, None)
    presence.record(1)
    moment[0] = ONLINE_SECONDS - 1
    assert presence.is_online(1)
    moment[0] = ONLINE_SECONDS
    assert (presence.is_online(1), presence.seconds_since(1)) == (False, ONLINE_SECONDS)


def test_the_gate_notes_who_comes_in(store):
    presence, ada = Presence(), store.accounts.add("Ada", "researcher")
    with TestClient(Gate(Starlette(), store, presence=presence)) as client:
        client.get("/label/")
        assert not presence.is_online(ada.id)
        client.cookies.set(COOKIE, store.tokens.issue("session", ada.id, 60))
        client.get("/label/")
    assert presence.is_online(ada.id)
