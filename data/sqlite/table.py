# SPDX-License-Identifier: Apache-2.0
"""The base of every table class. A table class owns its tables; no other module names them."""

from __future__ import annotations

from data.sqlite.sql import Sql


class Table:
    """Domain verbs on one kind of thing in a store."""

    def __init__(self, store: Sql) -> None:
        self._store = store
