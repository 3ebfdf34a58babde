# SPDX-License-Identifier: Apache-2.0
"""A process that formats long texts, so that they do not keep the interpreter from the server's threads.

It reads a JSON request per line on its standard input and ends with that input: it never outlives the server.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from labeling.page.budget import TooComplex
from labeling.page.markdown import markdown
from labeling.page.word_diff import mark_differences

FORMATTERS: dict[str, Callable[..., str | tuple[str, ...]]] = {
    "markdown": markdown,
    "mark_differences": mark_differences,
}
SECONDS = 20.0
"""Seconds after which a request has failed. The budget ends it far earlier, unless the machine stands still."""
ROOT = Path(__file__).resolve().parents[2]


class RenderFailed(Exception):
    """The process ended, took too long, or hit an error that it has written to the server's standard error."""


class RenderProcess:
    """The process, started by the first request and again when it has ended. It works on one text at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._turn = threading.Lock()

    def call(self, name: str, *values: str | bool) -> list[str]:
        """Return the HTML that this function of FORMATTERS makes of these values, a text each.

        Raises TooComplex if the text exceeds its budget, RenderFailed if the process cannot tell.
        """
        with self._turn:
            html = self._ask(json.dumps([name, *values]))
        if html is None:
            raise TooComplex
        return html

    def _ask(self, request: str) -> list[str] | None:
        process = self._started()
        assert process.stdin
        assert process.stdout
        timer = threading.Timer(SECONDS, process.kill)
        timer.start()
        try:
            process.stdin.write(request + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())
        except (OSError, json.JSONDecodeError) as error:
            process.kill()
            process.communicate()
            raise RenderFailed from error
        finally:
            timer.cancel()

    def _started(self) -> subprocess.Popen[str]:
        if self._process and self._process.poll() is not None:
            self._process.communicate()  # closes its pipes
            self._process = None
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "labeling.page.render_process"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C is the server's; this process ends with its standard input
            )
        return self._process


def render(name: str, *values: str | bool | int) -> list[str]:
    """Return the HTML that this function of FORMATTERS makes of these values, a text each. Raises TooComplex."""
    html = FORMATTERS[name](*values)
    return [html] if isinstance(html, str) else list(html)


def reply_to(request: str) -> list[str] | None:
    """Return the HTML for a request of `RenderProcess`, or None above the budget."""
    try:
        return render(*json.loads(request))
    except TooComplex:
        return None


def main() -> None:
    """Answer requests until standard input ends. Whoever waits for a label comes first."""
    os.nice(5)
    for request in sys.stdin:
        print(json.dumps(reply_to(request)), flush=True)


if __name__ == "__main__":
    main()
