# SPDX-License-Identifier: Apache-2.0
"""Passwords and sign-in for tests of accounts."""

from __future__ import annotations

from labeling.accounts import accounts

PASSWORD = "correct horse"


HASH = accounts.hash_password(PASSWORD)


def sign_in(client, name, password=PASSWORD, **more):
    return client.post("/login", data={"name": name, "password": password, **more})
