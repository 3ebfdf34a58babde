# SPDX-License-Identifier: Apache-2.0
"""The options of `serve` for operators, in a server of its own process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import app
from data.store import Store
from data.transfer.backup import restore
from reward.placement_settings import DEFAULTS, read_placement, write_placement
from rlhf.pages.serve import describe_address
from tests.support import PATIENCE
from tests.support.serving import serving


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def all_rows(store: Store) -> dict[str, list[dict]]:
    """Return every row of every table, without the tokens that serving issues."""
    names = [name for name in store.db.table_names() if name not in ("tokens", "audit")]
    return {name: sorted(store.rows(f'SELECT * FROM "{name}"'), key=repr) for name in names}


def test_a_backup_of_the_server_restores_to_the_same_rows(served_home, tmp_path):
    folder, errors = tmp_path / "copies", tmp_path / "errors"
    with serving(served_home, "--backup-to", str(folder), "--every", "1h", "--keep", "3", errors=errors):
        wait_for(lambda: list(folder.glob("preference-loop-*.tar")))
    said = errors.read_text().splitlines()
    assert {"Open:", f"Home: {served_home}", "Ctrl-C stops the server; runs continue."} <= set(said)
    (copy,) = folder.iterdir()
    restore(tmp_path / "again", copy)
    served, again = Store(served_home), Store(tmp_path / "again")
    rows = all_rows(served)
    assert len(rows["prompts"]) == 40
    assert all_rows(again) == rows
    served.close()
    again.close()


def test_the_first_address_says_what_it_is_for_and_how_long_it_is_valid(tmp_path):
    first, _ = describe_address(tmp_path, is_first=True)
    assert first == "Open this link once to create the first account. It is valid for 24 h:"


def test_metrics_and_json_lines_of_a_server(served_home, tmp_path):
    store = Store(served_home)
    token = store.tokens.issue("api", store.accounts.by_name("rae").id, 600)
    errors = tmp_path / "errors"
    with serving(served_home, "--metrics", "--log-json", errors=errors) as server:
        client = httpx.Client(base_url=server.root, headers={"authorization": f"Bearer {token}"}, timeout=PATIENCE)
        assert client.get("/login?secret=1").status_code == 200
        assert client.post("/api/v1/next").status_code == 200
        assert client.get("/train/exports/secret").status_code == 401
        assert (
            'preference_loop_requests_total{group="/api/v1/next",method="POST",status="200"} 1.0'
            in client.get("/metrics").text
        )
    lines = [json.loads(line) for line in errors.read_text().splitlines()]
    requests = [(line["path"], line["status"], line["account"]) for line in lines if line["message"] == "request"]
    rae = store.accounts.by_name("rae").id
    store.close()
    assert requests == [
        ("/login", 200, None),
        ("/api/v1/next", 200, rae),
        ("/train/exports/{name}", 401, None),
        ("/metrics", 200, rae),
    ]
    assert "secret" not in errors.read_text()
    assert token not in errors.read_text()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--every", "soon", "'soon' is not a duration (field 'every'). Write a number and a unit, such as 24h or 30m."),
        ("--keep", "0", "a server cannot keep 0 copies (field 'keep'). Give --keep a number from 1."),
    ],
)
def test_a_bad_option_is_one_line(capsys, tiny_store, tmp_path: Path, option, value, message):
    argv = ["serve", "--port", "0", "--home", str(tiny_store.home), "--backup-to", str(tmp_path / "copies")]
    assert app.main([*argv, option, value]) == 2
    assert capsys.readouterr().err.strip() == message


def test_a_refused_base_leaves_the_placement_as_it_was(capsys, tiny_store, tmp_path: Path):
    write_placement(tiny_store.home, {"attention": "eager"})
    argv = ["serve", "--port", "0", "--home", str(tiny_store.home), "--dtype", "float32", "--base", str(tmp_path)]
    assert app.main(argv) == 2
    assert "no model" in capsys.readouterr().err
    assert read_placement(tiny_store.home) == DEFAULTS | {"attention": "eager"}
