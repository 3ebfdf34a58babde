# SPDX-License-Identifier: Apache-2.0
"""The server's log on stderr: a line per message with its time and level, or a JSON object per line.

JSON lines name requests by the template of their route. Bodies, tokens and query strings are in no line.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from labeling.http.observation import AnsweredRequest

NAME = "preference_loop"
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
FIELDS = ("method", "path", "status", "ms", "account")
"""Fields of a request's line, after time, level, logger and message."""

request_log = logging.getLogger(f"{NAME}.request")


class JsonLines(logging.Formatter):
    """One JSON object per record: {time, level, logger, message}, a request's fields, and a traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure_logging(as_json: bool = False) -> None:
    """Send messages of this program from the level INFO to stderr, and others from WARNING."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if as_json else logging.Formatter(LINE, "%Y-%m-%dT%H:%M:%S%z"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(NAME).setLevel(logging.INFO)


def log_request(answered: AnsweredRequest) -> None:
    """Log one answered request."""
    values = (answered.method, answered.path, answered.status, round(1000 * answered.seconds, 1), answered.account_id)
    request_log.info("request", extra=dict(zip(FIELDS, values, strict=True)))
