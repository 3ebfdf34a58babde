"""What the commands of every floor share."""

from __future__ import annotations

import argparse

from data.store import Store


def open_store(args: argparse.Namespace) -> Store:
    """The store of `--home`. Raises BadInput where the folder cannot be used."""
    return Store(args.home)
