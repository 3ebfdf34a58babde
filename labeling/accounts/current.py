# SPDX-License-Identifier: Apache-2.0
"""The current account: the code that authorises a request sets it, and handlers read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from data.records import Account

_ACCOUNT: ContextVar[Account] = ContextVar("account")


def current_account() -> Account:
    """Return the authorised account. Raises LookupError outside of `acting_as`."""
    return _ACCOUNT.get()


@contextmanager
def acting_as(account: Account) -> Iterator[None]:
    """Make `account` the current one for the body of a `with` statement."""
    token = _ACCOUNT.set(account)
    try:
        yield
    finally:
        _ACCOUNT.reset(token)
