# SPDX-License-Identifier: Apache-2.0
"""The command line: every bad input is one line and exit status 2, and leaves the home as it was."""

from __future__ import annotations

import argparse
import importlib
import json
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import app
from data.store import Store
from data.version import __version__
from labeling.http.socket import listen
from rlhf.common import locks
from tests.command_tree import command_tree, verbs
from tests.support import PATIENCE, unmeasured_environment
from tests.support.serving import serving
from tests.support.tiny_home import make_tiny_home
from tests.support.tiny_model import make_tiny_model

ROOT = Path(app.__file__).parent


NO_ROOM = (
    "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); import app; sys.exit(app.main({argv!r}))"
)


def registered(module: str) -> dict[str, str | None]:
    """The commands that a module registers, each with its line of help."""
    commands = argparse.ArgumentParser().add_subparsers()
    importlib.import_module(module).register(commands, app.common_options())
    return {action.dest: action.help for action in commands._choices_actions}


def test_the_list_of_commands_is_what_the_modules_register():
    modules = {module for module, _ in app.COMMANDS.values()}
    listed = {
        module: {name: text for name, (home, text) in app.COMMANDS.items() if home == module} for module in modules
    }
    assert {module: registered(module) for module in modules} == listed


def helps(commands: argparse._SubParsersAction, prefix: str = "") -> dict[str, str]:
    """Return the line of help of every command and of every verb of a command."""
    texts = {prefix + action.dest: action.help or "" for action in commands._choices_actions}
    for name, parser in commands.choices.items():
        for action in verbs(parser):
            texts |= helps(action, f"{prefix}{name} ")
    return texts


def test_every_line_of_help_of_a_command_is_a_sentence():
    texts = helps(command_tree())
    assert {"account add", "labels weigh", "projects list", "store rebuild", "train"} <= set(texts)
    assert {name: text for name, text in texts.items() if not (text[:1].isupper() and text.endswith("."))} == {}


def test_train_offers_only_its_own_kinds(capsys, home):
    for kind in ("nokind", "embed"):
        assert app.main(["train", kind, "--home", str(home)]) == 2
        remedy = "Use one of pretrain, sft, reward, ppo, online, dpo, rejection, best-of-n."
        assert one_line(capsys) == f"there is no kind of training called {kind!r} (field 'kind'). {remedy}"


@pytest.mark.parametrize(("what", "id", "noun"), [("policy", "p77", "policy"), ("reward-model", "r77", "reward model")])
def test_an_unknown_model_is_refused_before_torch_is_loaded(tmp_path, what, id, noun):
    Store(tmp_path / "home").close()
    argv = ["export", str(tmp_path / "out"), "--what", what, "--id", id, "--home", str(tmp_path / "home")]
    code = f"import sys, app; status = app.main({argv!r}); sys.exit(100 if 'torch' in sys.modules else status)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, f"there is no {noun} {id}. This home has none yet.\n")


def test_help_and_version_load_neither_the_store_nor_a_web_framework():
    code = "import sys, app; app.main(['--help'])"
    heavy = "print(sorted({'pandas', 'sqlite_utils', 'numpy', 'gradio', 'starlette', 'torch'} & set(sys.modules)), file=sys.stderr)"
    script = f"import contextlib\nwith contextlib.suppress(SystemExit):\n    {code}\nimport sys; {heavy}"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in app.COMMANDS)
    assert done.stderr.strip() == "[]"


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as ended:
        app.main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"preference-loop {__version__}\n")


def one_line(capsys) -> str:
    told = capsys.readouterr()
    assert told.out == ""
    lines = told.err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def test_an_unknown_command_is_one_line(capsys):
    assert app.main(["trane", "reward"]) == 2
    assert "trane" in one_line(capsys)


def test_with_json_the_error_is_a_document(capsys):
    assert app.main(["train", "rewrad", "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"error", "file", "line", "field", "remedy"}
    assert "'reward'" in document["remedy"]


def test_a_home_that_is_a_file_is_named(capsys, tmp_path):
    (tmp_path / "home").write_text("not a folder")
    assert app.main(["runs", "--home", str(tmp_path / "home")]) == 2
    message = "this is a file, not a folder. Name another folder with --home."
    assert one_line(capsys) == f"{tmp_path / 'home'}: {message}"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody may write to")
def test_a_home_that_cannot_be_written_is_named(capsys):
    assert app.main(["runs", "--home", "/proc/nowhere"]) == 2
    assert one_line(capsys) == "/proc/nowhere: no folder can be created here. Name another folder with --home."


def test_a_full_disk_is_one_line(home):
    code = NO_ROOM.format(argv=["runs", "--home", str(home)])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=unmeasured_environment(),
    )
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1)


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_reader_who_leaves_early_ends_nothing_and_sees_no_traceback(home, flags):
    command = [sys.executable, "app.py", "runs", "--home", str(home), *flags]
    listing = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    listing.stdout.close()
    assert (listing.wait(), listing.stderr.read()) == (0, "")


def test_a_port_that_is_taken_is_one_line(capsys, tiny_store):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert app.main(["serve", "--port", port, "--home", str(tiny_store.home)]) == 2
    assert f"port {port} is taken" in one_line(capsys)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_answer_is_sent_at_once_and_does_not_wait_for_an_acknowledgement(host):
    with listen(host, 0) as door, socket.create_connection(door.getsockname()[:2]), door.accept()[0] as accepted:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_a_port_that_is_none_is_one_line(capsys, tiny_store, port):
    assert app.main(["serve", "--port", port, "--home", str(tiny_store.home)]) == 2
    remedy = "Give --port a number from 0 to 65535; 0: any."
    assert one_line(capsys) == f"port {port} is out of range (field 'port'). {remedy}"


def test_a_second_server_on_a_home_is_one_line(capsys, tiny_store):
    with locks.acquire_lock(tiny_store.home / locks.SERVER):
        assert app.main(["--port", "0", "--home", str(tiny_store.home)]) == 2
    assert "another server" in one_line(capsys)


def test_a_folder_without_a_model_is_refused_before_anything_is_written(capsys, tiny_store, tmp_path):
    assert app.main(["serve", "--port", "0", "--base", str(tmp_path), "--home", str(tiny_store.home)]) == 2
    assert "config.json is missing" in one_line(capsys)
    assert [policy.name for policy in tiny_store.policies.all()] == ["tiny"]


def test_without_an_account_the_one_line_is_the_first_link_and_ctrl_c_ends_it_cleanly(tmp_path):
    make_tiny_home(tmp_path / "home", make_tiny_model("llama", tmp_path / "model"), people=False, pairs=1).close()
    with serving(tmp_path / "home") as server:
        assert "/first?token=" in server.address
        assert httpx.get(f"{server.root}/healthz", timeout=PATIENCE).json() == {"status": "ok", "version": __version__}
        assert httpx.get(server.address, timeout=PATIENCE).status_code == 200
    assert server.process.returncode == 0
    assert Store(tmp_path / "home").runs.all() == []
