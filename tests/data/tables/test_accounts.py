# SPDX-License-Identifier: Apache-2.0
"""Accounts and tokens: who may come in. A token is told once, only its hash is kept, and it ends."""

from __future__ import annotations

import pytest

from data.errors import BadInput


@pytest.fixture
def mina(store):
    """A labeler with a password."""
    return store.accounts.add(" Mina ", "labeler", password_hash="scrypt$secret")


def test_a_name_is_taken_without_regard_to_case(store, mina):
    assert mina.name == "Mina"
    assert store.accounts.by_name("mina ") == mina == store.accounts.get(mina.id)
    with pytest.raises(BadInput, match="'MINA' already"):
        store.accounts.add("MINA", "researcher")
    assert store.accounts.all() == [mina]


def test_a_password_hash_never_shows_in_a_printed_account(mina):
    assert "secret" not in repr(mina)


@pytest.mark.parametrize(("name", "role"), [("  ", "labeler"), ("Jun", "admin")])
def test_an_account_has_a_name_and_a_known_role(store, name, role):
    with pytest.raises(BadInput):
        store.accounts.add(name, role)
    assert store.accounts.all() == []


def test_simulated_labelers_are_marked_as_such(store):
    assert store.accounts.add("sim-1", "labeler", simulated=True).simulated
    assert not store.accounts.add("Jun", "labeler").simulated


def test_a_token_opens_until_it_is_revoked(store, mina):
    token = store.tokens.issue("session", mina.id, 60)
    assert store.tokens.find(token) == store.tokens.find(token, "session") == mina
    assert store.tokens.find(token, "api") is None
    assert store.tokens.find(token + "x") is None
    store.tokens.revoke(token)
    assert store.tokens.find(token) is None


def test_a_token_is_not_in_the_file(store, home, mina):
    token = store.tokens.issue("api", mina.id, None)
    assert store.tokens.find(token) == mina
    store.close()
    assert all(token.encode() not in path.read_bytes() for path in home.iterdir())


def test_a_token_ends(store, mina):
    over = store.tokens.issue("session", mina.id, -1)
    assert store.tokens.find(over) is None
    good = store.tokens.issue("session", mina.id, 60)
    assert store.tokens.find(good) == mina
    assert store.value("SELECT count(*) FROM tokens") == 1  # the expired one was swept away


def test_a_disabled_account_is_shut_out_at_once(store, mina):
    token = store.tokens.issue("api", mina.id, None)
    assert store.accounts.disable("mina").disabled
    assert store.tokens.find(token) is None
    assert store.tokens.find(store.tokens.issue("session", mina.id, 60)) is None
    with pytest.raises(BadInput, match="no account 'nobody'"):
        store.accounts.disable("nobody")


def test_a_new_password_ends_all_sessions_and_revokes_all_api_tokens(store, mina):
    session, api = (store.tokens.issue(kind, mina.id, 60) for kind in ("session", "api"))
    assert store.accounts.set_password("Mina", "scrypt$other").password_hash == "scrypt$other"
    assert store.tokens.find(session) is None
    assert store.tokens.find(api) is None


def test_a_first_link_opens_once(store):
    link = store.tokens.issue("first-link", None, 60)
    assert store.tokens.is_valid(link, "first-link")
    assert not store.tokens.consume(link, "session")
    assert [store.tokens.consume(link, "first-link") for _ in range(2)] == [True, False]
    assert not store.tokens.is_valid(link, "first-link")
    assert not store.tokens.consume(store.tokens.issue("first-link", None, -1), "first-link")


def test_the_audit_lists_acts_newest_first(store):
    store.audit.add("Mina", "import", file="a.jsonl", added=3)
    store.audit.add("Mina", "export")
    acts = store.audit.all()
    assert [(act["action"], act["detail"]) for act in acts] == [
        ("export", {}),
        ("import", {"file": "a.jsonl", "added": 3}),
    ]
