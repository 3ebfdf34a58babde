# SPDX-License-Identifier: Apache-2.0
"""Long texts are formatted in a process of their own, which may die and never outlives the server."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from labeling.page import formatted
from labeling.page.budget import TooComplex
from labeling.page.formatted import SHORT, SHORT_STEPS, format_differences, format_text
from labeling.page.markdown import markdown
from labeling.page.render_process import RenderProcess
from tests.support import PATIENCE, ROOT

LONG = "A **long** text. " * 300
SERVER = """
import sys
from labeling.page import formatted
assert formatted.format_text("a **long** text " * 500)
print(formatted.PROCESS._process.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def process(monkeypatch):
    """The process of this test alone, with an empty cache. It is not running yet."""
    own = RenderProcess()
    monkeypatch.setattr(formatted, "PROCESS", own)
    formatted._format_text.cache_clear()
    formatted._format_differences.cache_clear()
    yield own
    if own._process:
        own._process.communicate()


def test_short_ordinary_texts_need_no_process(process):
    assert format_text("**kind**") == "<p><strong>kind</strong></p>\n"
    assert format_text(("An ordinary sentence with *emphasis* and `code`.\n\n" * 80)[:SHORT])
    assert format_differences("one two", "one three") == ("one <mark>two</mark>", "one <mark>three</mark>")
    assert process._process is None


def test_a_long_text_and_a_short_text_above_its_budget_go_to_the_process(process):
    assert format_text(LONG) == markdown(LONG)
    assert process._process
    assert process._process.pid != os.getpid()
    costly = "[" * 500
    with pytest.raises(TooComplex):
        markdown(costly, False, SHORT_STEPS)
    assert format_text(costly) == markdown(costly)
    words = "".join(f"word{number} " for number in range(1_000))
    assert format_differences(f"{words}old", f"{words}new") == (f"{words}<mark>old</mark>", f"{words}<mark>new</mark>")


def test_a_text_whose_process_dies_is_plain_once_and_formatted_when_it_is_shown_again(process, monkeypatch, caplog):
    assert format_text(LONG)
    started = process._started

    def start_and_kill():
        child = started()
        child.kill()
        child.wait()
        monkeypatch.undo()
        monkeypatch.setattr(formatted, "PROCESS", process)
        return child

    monkeypatch.setattr(process, "_started", start_and_kill)
    other = f"{LONG} And more."
    assert format_text(other) is None
    assert "is shown as plain text" in caplog.text
    assert format_text(other) == markdown(other)


def test_a_text_that_takes_too_long_is_plain(process, monkeypatch):
    monkeypatch.setattr("labeling.page.render_process.SECONDS", 0.0)
    assert format_text(LONG) is None
    monkeypatch.setattr("labeling.page.render_process.SECONDS", 60.0)
    assert format_text(LONG) == markdown(LONG)


def test_a_text_above_the_budget_is_told_apart_from_a_failure(process):
    with pytest.raises(TooComplex):
        process.call("markdown", "![" * 14_000, False)
    assert process.call("markdown", "plain", False) == ["<p>plain</p>\n"]


def test_the_process_ends_when_its_server_is_killed():
    pipe = subprocess.PIPE
    server = subprocess.Popen([sys.executable, "-c", SERVER], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert server.stdout
    os.kill(int(server.stdout.readline()), 0)
    server.kill()
    # The process holds the server's standard error, which therefore ends with it.
    assert server.communicate(timeout=PATIENCE)[1] == ""
