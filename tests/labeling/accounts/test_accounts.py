# SPDX-License-Identifier: Apache-2.0
"""Accounts: names and passwords."""

from __future__ import annotations

from unicodedata import normalize

import pytest

from data.errors import BadInput, Refused
from labeling.accounts import accounts


def test_a_password_is_kept_as_a_salted_hash():
    first, second = (accounts.hash_password("correct horse") for _ in range(2))
    assert first != second
    assert "correct" not in first
    assert accounts.verify_password("correct horse", first)
    assert not accounts.verify_password("wrong horse", first)
    assert not accounts.verify_password("correct horse", None)


@pytest.mark.parametrize("name", ["", " Mina", "Mina ", "x" * 41, "a\nb", "a\x00b"])
def test_a_malformed_name_is_refused(store, name):
    with pytest.raises(Refused, match="1 to 40 characters"):
        accounts.create(store, name, "labeler", None)


@pytest.mark.parametrize("password", ["short12", "minaminamina"])
def test_a_password_that_breaks_the_rule_is_refused(store, password):
    with pytest.raises(Refused, match="at least 8|same as the name"):
        accounts.create(store, "MinaMinaMina", "labeler", password)


def test_a_taken_name_is_refused_without_regard_to_case(store):
    accounts.create(store, "Mina", "labeler", None)
    with pytest.raises(Refused, match="'MINA' is taken"):
        accounts.create(store, "MINA", "labeler", None)


def test_an_unknown_role_is_refused(store):
    with pytest.raises(BadInput, match="'boss' is not a role"):
        accounts.create(store, "Mina", "boss", None)


def test_signing_in_gives_a_token_of_that_account(store):
    accounts.create(store, "미나", "labeler", "correct horse")
    token = accounts.sign_in(store, "미나", "correct horse")
    assert store.tokens.find(token, "session").name == "미나"
    assert accounts.sign_in(store, "미나", "wrong horse") is None
    assert accounts.sign_in(store, "Nobody", "correct horse") is None


def test_a_name_is_the_same_however_its_letters_are_composed(store):
    accounts.create(store, "미나", "labeler", "correct horse")
    assert accounts.sign_in(store, normalize("NFD", "미나"), "correct horse")


def test_an_account_without_a_password_cannot_sign_in(store):
    accounts.create(store, "robot", "labeler", None)
    assert accounts.sign_in(store, "robot", "") is None
    assert accounts.nobody_can_sign_in(store)
