# SPDX-License-Identifier: Apache-2.0
"""The command `vllm` on this machine. Importable without torch."""

from __future__ import annotations

import os
import shutil

from labeling.texts.pages import bad_input

COMMAND = "PREFERENCE_LOOP_VLLM"
"""The environment variable with the path of the command vllm, which has an environment of its own."""


def find_command() -> str:
    """Return the path of the command vllm. Raises BadInput if it is not installed."""
    name = os.environ.get(COMMAND) or "vllm"
    path = shutil.which(name)
    if path is None:
        raise bad_input("refused.rollouts_command", field="rollouts", command=name, variable=COMMAND)
    return path
