# SPDX-License-Identifier: Apache-2.0
"""The processes of a run wait for each other as long as a run may wait for servers or for people."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support import ROOT

PRINT_TIMEOUT = """
import torch
from reward.base import distributed
distributed.connect("cpu")
print(torch.distributed.group.WORLD._get_backend(torch.device("cpu")).options._timeout.days)
"""
ALONE = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}


def test_a_process_waits_for_days_for_one_that_waits_for_servers():
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **ALONE}
    command = [sys.executable, "-c", PRINT_TIMEOUT]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.stdout.strip() == "7", ended.stderr
