# SPDX-License-Identifier: Apache-2.0
"""The log on the Runs page follows the run and the search; GET /train/runs/run1/log is for researchers."""

from __future__ import annotations

import gradio as gr
import pytest
from starlette.testclient import TestClient

from labeling.accounts.sign_in import COOKIE
from rlhf.pages.runs.log import RunLog
from rlhf.pages.site import compose_site

LINES = "loss 1 <b>\nsaved\nloss 2\n"


@pytest.fixture
def run(store):
    run = store.runs.enqueue("sft", {}, "rae")
    (store.home / "runs" / "1").mkdir(parents=True)
    (store.home / "runs" / "1" / "log.txt").write_text(LINES)
    return run


def test_the_lines_change_with_the_words_and_with_the_log(store, run):
    with gr.Blocks():
        log = RunLog(store)
    tail = log.draw(run, "", "")
    assert tail[log.lines].index("loss 2") < tail[log.lines].index("loss 1 &lt;b&gt;")
    assert log.draw(run, "", tail[log.seen]) == {}
    found = log.draw(run, " loss ", tail[log.seen])
    assert "Lines that contain loss: 2. Shown with their numbers, newest first: 2." in found[log.lines]
    assert "saved" not in found[log.lines]
    assert "href='runs/run1/log' download" in found[log.lines]
    assert "Lines that contain nothing: 0." in log.draw(run, "nothing", "")[log.lines]
    with (store.home / "runs" / "1" / "log.txt").open("a") as file:
        file.write("loss 3\n")
    assert "Lines that contain loss: 3." in log.draw(run, "loss", found[log.seen])[log.lines]


def test_a_run_without_a_log_has_no_search_and_no_link(store):
    with gr.Blocks():
        log = RunLog(store)
    drawn = log.draw(store.runs.enqueue("sft", {}, "rae"), "", "")
    assert not drawn[log.words].visible
    assert "download" not in drawn[log.lines]


ASKED = {
    ("researcher", "run1"): 200,
    ("researcher", "run2"): 400,  # no log yet
    ("researcher", "run3"): 400,
    ("researcher", "..%2Frun1"): 404,
    ("labeler", "run1"): 403,
    ("", "run1"): 401,
}
"""The status of the answer by the role of the reader and the run in the address."""


def test_researchers_download_the_whole_log(store, run):
    store.runs.enqueue("sft", {}, "rae")
    accounts = {role: store.accounts.add(role, role) for role in ("researcher", "labeler")}
    client = TestClient(compose_site(store), base_url="http://127.0.0.1", follow_redirects=False)

    def download(role, path):
        client.cookies.clear()
        if role:
            client.cookies.set(COOKIE, store.tokens.issue("session", accounts[role].id, 600))
        return client.get(f"/train/runs/{path}/log")

    assert {asked: download(*asked).status_code for asked in ASKED} == ASKED
    answer = download("researcher", "run1")
    assert answer.text == LINES
    assert answer.headers["content-disposition"] == 'attachment; filename="run1-log.txt"'
