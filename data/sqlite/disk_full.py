# SPDX-License-Identifier: Apache-2.0
"""A full disk, by whichever library met it."""

from __future__ import annotations

import errno
import re

ERROR_NUMBERS = (errno.ENOSPC, errno.EDQUOT)
MESSAGES = re.compile(
    r"no space left on device|disk is full|iostream error|\d requested and \d+ written", re.IGNORECASE
)
"""How safetensors, SQLite, torch and numpy say it, none of them with a code."""


def is_disk_full(problem: BaseException | None) -> bool:
    """Return whether an exception, or one of its causes, reports a full disk."""
    while problem is not None:
        if getattr(problem, "errno", None) in ERROR_NUMBERS or MESSAGES.search(str(problem)):
            return True
        problem = problem.__cause__ or problem.__context__
    return False
