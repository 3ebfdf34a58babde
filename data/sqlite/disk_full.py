# SPDX-License-Identifier: Apache-2.0
"""Detection of a full disk in the errors of any library."""

from __future__ import annotations

import errno
import re

ERROR_NUMBERS = (errno.ENOSPC, errno.EDQUOT)
MESSAGES = re.compile(
    r"no space left on device|disk is full|iostream error|\d requested and \d+ written", re.IGNORECASE
)
"""The wording of safetensors, SQLite, torch and numpy; none of them gives an error code."""


def is_disk_full(problem: BaseException | None) -> bool:
    """Return whether an exception, or one of its causes, reports a full disk."""
    while problem is not None:
        if getattr(problem, "errno", None) in ERROR_NUMBERS or MESSAGES.search(str(problem)):
            return True
        problem = problem.__cause__ or problem.__context__
    return False
