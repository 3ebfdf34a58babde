"""What is kept and how it is written down: `Store` opens one home folder and speaks for everything in it."""

from data.store import Store

__all__ = ["Store"]
