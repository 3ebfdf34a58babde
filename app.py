"""Preference Loop: people compare answers, the comparisons train a reward model, it drives PPO, the new policy answers.

This file parses, registers each floor's commands, turns errors into exit codes, composes the pages and serves them.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

from sqlite_utils.utils import sqlite3

import data.commands
import labeling.commands
import reward.commands
import rlhf.commands
from data.cli import open_store, tell
from data.errors import BadInput
from labeling.accounts import accounts
from labeling.accounts.oidc import Oidc, read_provider
from labeling.http.proxy import check_root_path
from labeling.http.socket import listen, written
from rlhf.common import locks
from rlhf.models.reward_sources import SOURCE_HELP, keep_sources
from rlhf.runs import supervisor
from rlhf.runs.first_start import prepare

HOME = Path(os.environ.get("PREFERENCE_LOOP_HOME") or "~/.local/share/preference-loop").expanduser()
STATUS = {"failed": 1, "lost": 1, "cancelled": 3}


class Parser(argparse.ArgumentParser):
    """Wrong arguments are bad input like any other: one line, exit status 2."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise BadInput(message, f"See: {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """All commands of all floors."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--home", type=Path, default=HOME, help="where everything is kept (default %(default)s)")
    common.add_argument("--json", action="store_true", help="one JSON document on stdout, everything else on stderr")
    top = Parser(prog="app.py", description=__doc__.splitlines()[0])
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", parents=[common], help="start the app and print its address (the default)")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=7860)
    serve.add_argument(
        "--behind-proxy", action="store_true", help="trust the X-Forwarded headers of the proxy in front of this server"
    )
    serve.add_argument(
        "--root-path",
        default="",
        metavar="PATH",
        help="the path below which that proxy serves the app, such as /preferences",
    )
    serve.add_argument(
        "--oidc", type=Path, metavar="FILE", help="sign in at the OpenID Connect provider of this JSON file, too"
    )
    serve.add_argument(
        "--base", metavar="MODEL", help="a causal language model to start from: folder or hub id, kept with the home"
    )
    serve.add_argument(
        "--chat-template", type=Path, metavar="FILE", help="a Jinja chat template for that model, kept with it"
    )
    serve.add_argument("--reward-source", action="append", default=[], metavar="NAME=SPEC", help=SOURCE_HELP)
    serve.set_defaults(run=cmd_serve, render=None)
    for floor in (data, labeling, reward, rlhf):
        floor.commands.register(commands, common)
    return top


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 failed or lost, 2 bad input, 3 cancelled."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or (argv[0].startswith("-") and argv[0] not in ("-h", "--help")):
        argv = ["serve", *argv]
    try:
        args = parser().parse_args(argv)
        document = args.run(args) or {}
    except (BadInput, OSError, sqlite3.OperationalError) as problem:
        return complain(problem, "--json" in argv)
    except KeyboardInterrupt:
        return 130
    if args.json:
        tell(json.dumps(document, ensure_ascii=False))
    elif document:
        render = getattr(args, "render", None) or (lambda shown: json.dumps(shown, ensure_ascii=False, indent=2))
        tell(render(document))
    return STATUS.get(document.get("status"), 0)


def complain(problem: Exception, as_json: bool) -> int:
    """One line for people or one document for programs; the exit status is 2."""
    if not isinstance(problem, BadInput):
        remedy = "Choose a folder that you may write to with --home, or make room there."
        file = getattr(problem, "filename", None)
        problem = BadInput(getattr(problem, "strerror", None) or str(problem), remedy, file=file and str(file))
    if as_json:
        tell(json.dumps(problem.as_json()))
    else:
        print(" ".join(str(problem).split()), file=sys.stderr)
    return 2


def cmd_serve(args: argparse.Namespace) -> None:
    """Serve this home until Ctrl-C; runs go on without the server."""
    store = open_store(args)
    accounts.check_host(store, args.host, args.behind_proxy)
    root, oidc = check_root_path(args.root_path), Oidc(read_provider(args.oidc)) if args.oidc else None
    lock = locks.hold(store.home / locks.SERVER)
    if lock is None:
        raise BadInput(
            f"another server already runs on {store.home}",
            "Use that one, or give another folder with --home.",
            field="home",
        )
    with lock, listen(args.host, args.port) as door:
        keep_sources(store.home, args.reward_source)
        prepare(store, args.base, args.chat_template)
        threading.Thread(target=keep_supervised, args=(store.home,), daemon=True).start()
        from rlhf.pages.site import compose_site  # takes seconds, in which the first pairs are sampled

        alone = accounts.is_loopback(args.host) and not args.behind_proxy
        site = compose_site(store, behind_proxy=args.behind_proxy, root_path=root, loopback_only=alone, oidc=oidc)
        serve(
            site, door, f"http://{written(args.host)}:{door.getsockname()[1]}{root}{accounts.first_link(store) or '/'}"
        )


def keep_supervised(home: Path) -> None:
    """Runs are queued from many places; as long as the server lives, somebody starts them."""
    while True:
        supervisor.ensure(home)
        time.sleep(3.0)


def serve(site: Any, door: socket.socket, address: str) -> None:
    """Serve until Ctrl-C; prints the address once requests are answered."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            print(address, flush=True)

    config = uvicorn.Config(
        site, log_level="warning", lifespan="on", timeout_graceful_shutdown=2, workers=1, proxy_headers=False
    )
    try:
        Server(config).run(sockets=[door])
    except KeyboardInterrupt:
        print("", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
