"""What every noun of the store shares: the store it speaks to. A noun owns its tables; nobody else names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.store import Store


class Noun:
    """Domain verbs on one kind of thing in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
