# SPDX-License-Identifier: Apache-2.0
"""The first link and the first account: one researcher, and no open server before that."""

from __future__ import annotations

import re
import resource
import signal

import pytest

from data.errors import BadInput
from labeling.accounts import accounts
from tests.support.labeling.accounts import PASSWORD


def test_the_first_link_makes_one_researcher_and_is_gone(client, store):
    path = accounts.issue_first_link(store)
    token = path.partition("token=")[2]
    assert client.get(path).status_code == 200
    refused = client.post("/first", data={"token": token, "name": "Ada", "password": "short"})
    assert (refused.status_code, "The password has 5 characters. Use at least 8." in refused.text) == (
        400,
        True,
    )
    assert "At least 8 characters" not in refused.text
    refused = client.post("/first", data={"token": token, "name": " ", "password": PASSWORD})
    assert "A name has 1 to 40 characters" in refused.text
    assert "At least 8 characters" in refused.text
    answer = client.post("/first", data={"token": token, "name": "Ada", "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/train/")
    assert client.get("/train/").json() == {"user": "Ada"}
    assert client.get(path).status_code == 410
    assert client.post("/first", data={"token": token, "name": "Eve", "password": PASSWORD}).status_code == 410
    assert accounts.issue_first_link(store) is None


@pytest.fixture
def full_disk(store):
    """full_disk(): no file of this process may grow any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, ignored)


def test_on_a_full_disk_the_first_account_is_told_why_and_the_link_stays_good(client, store, full_disk):
    token = accounts.issue_first_link(store).partition("token=")[2]
    full_disk()
    refused = client.post(
        "/first", data={"token": token, "name": "Ada", "password": PASSWORD}, headers={"accept": "text/html"}
    )
    assert refused.status_code == 507
    assert "Free some space" in refused.text
    assert accounts.is_first_link_valid(store, token)
    assert store.accounts.all() == []


def test_a_first_link_is_worthless_once_somebody_can_sign_in(client, store):
    path = accounts.issue_first_link(store)
    accounts.create(store, "Ada", "researcher", PASSWORD)
    assert client.get(path).status_code == 410


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.3.2.1"])
def test_this_machine_may_be_served_without_an_account(store, host):
    accounts.check_host(store, host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_other_machines_are_not_served_without_an_account(store, people, host):
    accounts.check_host(store, host)
    for name in ("Mina", "Ada"):
        store.accounts.disable(name)
    with pytest.raises(BadInput, match=f"--host {re.escape(host)}.*account add"):
        accounts.check_host(store, host)


def test_behind_a_proxy_this_machine_is_open_to_others_too(store):
    with pytest.raises(BadInput, match="--behind-proxy opens the app.*account add"):
        accounts.check_host(store, "127.0.0.1", behind_proxy=True)
