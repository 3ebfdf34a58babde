# SPDX-License-Identifier: Apache-2.0
"""The limit of guesses holds for every spelling of a name and every address of a network."""

from __future__ import annotations

import random
from unicodedata import normalize

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from labeling.accounts import accounts
from labeling.accounts.gate import Gate
from labeling.accounts.rate_limit import RateLimit, address_key
from labeling.accounts.sign_in import ADDRESS_ATTEMPTS, NAME_ATTEMPTS, attempt_keys
from tests.support.labeling.accounts import HASH, PASSWORD, sign_in

KOREAN = "\uae40\ubbfc\uc544\ubc15\ud558\ub098"
SPACES = " \u00a0\u2003\u3000\t\n\x1f"


def one_syllable_at_a_time(number: int) -> str:
    """Return a spelling of the Korean name: the bits of `number` say which syllables are decomposed."""
    forms = ("NFC", "NFD")
    return "".join(normalize(forms[number >> place & 1], letter) for place, letter in enumerate(KOREAN))


SPELLINGS = {
    "spaces after": ("ada", lambda number: "ada" + " " * number),
    "no-break spaces before": ("ada", lambda number: "\u00a0" * number + "ada"),
    "case": ("Ada", lambda number: "".join(c.upper() if number >> i & 1 else c for i, c in enumerate("ada"))),
    "decomposed syllables": (KOREAN, one_syllable_at_a_time),
    "decomposed syllables and spaces": (KOREAN, lambda number: f"\u3000{one_syllable_at_a_time(number)}\u00a0"),
}


@pytest.fixture
def client(store, monkeypatch):
    monkeypatch.setattr(accounts, "verify_password", lambda password, stored: password == PASSWORD)
    for name in ("ada", KOREAN):
        store.accounts.add(name, "researcher", password_hash=HASH)
    gate = Gate(Starlette(), store, RateLimit(lambda: 0.0))
    with TestClient(gate, follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize("kind", SPELLINGS)
def test_no_spelling_of_a_name_gives_another_guess(client, kind):
    name, spell = SPELLINGS[kind]
    statuses = []
    for number in range(30):
        client._transport.client = (f"10.0.0.{number}", 1)
        statuses.append(sign_in(client, spell(number), "wrong").status_code)
    assert statuses == [401] * NAME_ATTEMPTS + [429] * (30 - NAME_ATTEMPTS)
    assert sign_in(client, name).status_code == 429


def test_a_name_that_no_account_has_waits_like_any_other(client):
    statuses = [sign_in(client, "nobody" + "\u00a0" * number, "wrong").status_code for number in range(10)]
    assert statuses == [401] * NAME_ATTEMPTS + [429] * (10 - NAME_ATTEMPTS)


def test_addresses_of_one_ipv6_network_wait_together(client):
    statuses = []
    for number in range(60):
        client._transport.client = (f"2001:db8:1:2:{number:x}::{number:x}", 1)
        statuses.append(sign_in(client, f"name {number}", "wrong").status_code)
    assert statuses == [401] * ADDRESS_ATTEMPTS + [429] * (60 - ADDRESS_ATTEMPTS)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.1:4711", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_an_address_is_counted_by_its_network(address, key):
    assert address_key(address) == key


def test_spellings_that_find_the_same_account_have_one_key(store):
    """10,000 random spellings: whenever two of them find the account, they are counted together."""
    names, rng = ("Jos\u00e9 \u00c9va", KOREAN, "stra\u00dfe", "\u212bse"), random.Random(14)
    for name in names:
        stored = normalize("NFC", name)
        account = store.accounts.add(stored, "labeler")
        for _ in range(2500):
            typed = "".join(normalize(rng.choice(("NFC", "NFD")), letter) for letter in name)
            typed = "".join(rng.choice((str.upper, str.lower, str))(letter) for letter in typed)
            typed = "".join(rng.choices(SPACES, k=rng.randint(0, 3))) + typed + rng.choice(SPACES) * rng.randint(0, 3)
            if store.accounts.by_name(accounts.name_to_look_up(typed)) == account:
                assert attempt_keys(typed, "") == attempt_keys(stored, "")
