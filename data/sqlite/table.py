"""What every noun of the store shares: the file it speaks to. A noun owns its tables; nobody else names them."""

from __future__ import annotations

from data.sqlite.sql import Sql


class Table:
    """Domain verbs on one kind of thing in a store."""

    def __init__(self, store: Sql) -> None:
        self._store = store
