# SPDX-License-Identifier: Apache-2.0
"""A command with the arguments of vllm, whose server is the tests' own: `python -m tests.support.vllm.command serve MODEL`."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from tests.support.vllm.server import VllmServer

if __name__ == "__main__":
    print("arguments:", *sys.argv[1:], flush=True)
    assert os.environ["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "1"
    port = int(sys.argv[sys.argv.index("--port") + 1])
    VllmServer(Path(sys.argv[2]), port=port, key=os.environ["VLLM_API_KEY"])
    threading.Event().wait()
