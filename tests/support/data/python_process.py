# SPDX-License-Identifier: Apache-2.0
"""A second Python process with this checkout on its path."""

from __future__ import annotations

import subprocess
import sys

from tests.support import ROOT


def child(script: str, *arguments: object, env: dict[str, str] | None = None) -> subprocess.Popen:
    """A Python process with this checkout on its path; `env` replaces this process's environment."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )
