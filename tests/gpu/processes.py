# SPDX-License-Identifier: Apache-2.0
"""Work in a process of its own with a time limit. The libraries are imported once, and every process is forked from that."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

PRELOADED = ["tests.gpu.measure"]


def run_apart(
    work: Callable[..., dict[str, Any]], *args: object, start: str, limit: float, log: Path
) -> dict[str, Any]:
    """Return what `work(*args)` returns, or {"error": ...} if it raises, dies or needs more than `limit` seconds.

    `start`: "forkserver", or "spawn" to import the libraries anew. What the work prints goes to the file `log`.
    """
    context = multiprocessing.get_context(start)
    context.set_forkserver_preload(PRELOADED)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, str(log), work, *args))
    process.start()
    sender.close()
    try:
        if not receiver.poll(limit):
            return {"error": f"not done within {limit:.0f} seconds"}
        return receiver.recv()
    except EOFError:
        process.join()
        return {"error": f"the process ended with exit status {process.exitcode}"}
    finally:
        process.kill()
        process.join()
        receiver.close()


def _send(sender: Connection, log: str, work: Callable[..., dict[str, Any]], *args: object) -> None:
    """Run the work, its output in a file, and send its result or the last line of its exception."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    with open(log, "ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        sender.send(work(*args))
    except BaseException as problem:  # noqa: BLE001 (a line with the error, whatever it is)
        traceback.print_exc()
        logging.shutdown()
        text = str(problem).strip().splitlines()
        sender.send({"error": f"{type(problem).__name__}: {text[0][:300] if text else ''}"})
