# SPDX-License-Identifier: Apache-2.0
"""The server's log on stderr: one line per message of the logger `preference_loop`, with its time and level."""

from __future__ import annotations

import logging

NAME = "preference_loop"
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure_logging() -> None:
    """Send messages of this program from the level INFO to stderr, and others from WARNING."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(LINE, "%Y-%m-%dT%H:%M:%S%z"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(NAME).setLevel(logging.INFO)
