# SPDX-License-Identifier: Apache-2.0
"""The `serve` command: one server per home. It prints its address when it answers; runs continue without it."""

from __future__ import annotations

import argparse
import gc
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.cli import open_store
from data.clock import parse_duration
from data.errors import BadInput
from data.sqlite.damage import refuse_damaged_store
from data.store import FILE, Store
from data.transfer.scheduled_backups import CHECK_SECONDS, ScheduledBackups
from data.watched_loop import WatchedLoop
from labeling.accounts import accounts
from labeling.accounts.oidc import OidcClient, read_provider
from labeling.accounts.presence import Presence
from labeling.http.logs import configure_logging, log_request
from labeling.http.observation import Observer
from labeling.http.proxy import ServedAddress, check_root_path
from labeling.http.socket import is_loopback, listen, url_host
from reward.placement_settings import CHOICES as PLACEMENT_CHOICES
from reward.placement_settings import DEFAULTS, read_placement, write_placement
from rlhf.common import locks
from rlhf.garbage import no_collections
from rlhf.jobs.receive_checkpoint import delete_leftovers
from rlhf.models.reward_sources import SOURCE_HELP, add_sources
from rlhf.pages.workers import option
from rlhf.runs import supervisor
from rlhf.runs.first_start import TEMPLATE_SET_HELP, prepare
from rlhf.sampling.listed_endpoints import ENDPOINT_HELP, add_endpoints

if TYPE_CHECKING:
    from labeling.http.metrics import ServerMetrics

PLACEMENT_HELP = {
    "device": "where runs compute: auto, cpu, cuda, cuda:1, mps",
    "dtype": "precision of base models",
    "quantize": "bits of base models' weights",
    "attention": "attention implementation",
}
SUPERVISOR_CHECK_SECONDS = 3.0
BACKUP_SECONDS = 6 * 3600.0
"""Seconds after which a backup counts as stuck."""


def register(subparsers: Any, common: argparse.ArgumentParser) -> None:  # noqa: ANN401 (argparse's type is private)
    """Add the `serve` command."""
    text = "Start the app and print its address (the default)."
    serve = subparsers.add_parser("serve", parents=[common], help=text, description=text)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    serve.add_argument("--port", type=int, default=7860, help="port to listen on (default %(default)s)")
    serve.add_argument("--behind-proxy", action="store_true", help="trust the X-Forwarded headers of your proxy")
    serve.add_argument("--root-path", default="", metavar="PATH", help="path under which the proxy serves the app")
    serve.add_argument(
        "--oidc", type=Path, metavar="FILE", help="JSON file of an OpenID Connect provider to sign in with"
    )
    serve.add_argument("--base", metavar="MODEL", help="causal language model to start from: a folder or a hub id")
    serve.add_argument("--chat-template", type=Path, metavar="FILE", help="Jinja chat template for that model")
    for key, choices in PLACEMENT_CHOICES.items():
        help_text = f"{PLACEMENT_HELP[key]}; the home keeps it (default: as kept, else {DEFAULTS[key]})"
        serve.add_argument(f"--{key}", choices=choices, metavar=None if choices else "DEVICE", help=help_text)
    serve.add_argument(
        "--template-set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=TEMPLATE_SET_HELP,
    )
    serve.add_argument("--reward-source", action="append", default=[], metavar="NAME=SPEC", help=SOURCE_HELP)
    serve.add_argument("--endpoint", action="append", default=[], metavar="NAME=MODEL@URL", help=ENDPOINT_HELP)
    _add_backup_options(serve)
    serve.add_argument(
        "--metrics", action="store_true", help="answer GET /metrics for Prometheus, with a researcher's API token"
    )
    option.add(serve)
    serve.add_argument("--log-json", action="store_true", help="log a JSON object per line, each request included")
    serve.set_defaults(run=cmd_serve, render=None)


def _add_backup_options(serve: argparse.ArgumentParser) -> None:
    serve.add_argument(
        "--backup-to", type=Path, metavar="FOLDER", help="write backups into this folder (default: none)"
    )
    serve.add_argument(
        "--every", default="24h", metavar="TIME", help="time between backups: 24h, 30m, 7d (default %(default)s)"
    )
    serve.add_argument(
        "--keep", type=int, default=7, metavar="N", help="number of backups that stay (default %(default)s)"
    )


def cmd_serve(args: argparse.Namespace) -> None:
    """Serve this home until Ctrl-C."""
    refuse_damaged_store(args.home.expanduser() / FILE)
    store = open_store(args)
    accounts.check_host(store, args.host, args.behind_proxy)
    root, oidc = check_root_path(args.root_path), OidcClient(read_provider(args.oidc)) if args.oidc else None
    backups = make_backups(store, args)
    option.check(args)
    lock = locks.acquire_lock(store.home / locks.SERVER)
    if lock is None:
        raise BadInput(
            f"another server already runs on {store.home}",
            "Use that one, or give another folder with --home.",
            field="home",
        )
    with lock, listen(args.host, args.port) as listener, ExitStack() as processes:
        add_sources(store.home, args.reward_source)
        add_endpoints(store.home, args.endpoint)
        prepare_home(store, args)
        configure_logging(as_json=args.log_json)
        delete_leftovers(store)
        metrics, observers = make_observers(store, backups, args)
        loops = [supervision(store.home), *([backup_loop(backups)] if backups else [])]
        for loop in loops:
            loop.start()
        presence, served = Presence(), listener
        address = ServedAddress(root, args.behind_proxy, is_loopback(args.host) and not args.behind_proxy)
        if args.workers:
            from rlhf.pages.workers.pool import labeling_processes

            signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # the processes end with this one, as after Ctrl-C

            started = labeling_processes(args.workers, listener, store.home, address, args.log_json, presence)
            served, watched = processes.enter_context(started)
            loops += watched
            address = ServedAddress(root, behind_proxy=True)  # the processes check the Host and say who the client is
        with no_collections():
            from rlhf.pages.site import compose_site  # takes seconds, in which the first pairs are sampled

        site = compose_site(
            store,
            address=address,
            presence=presence,
            oidc=oidc,
            loops=loops,
            metrics=metrics,
            observers=observers,
        )
        host = f"http://{url_host(args.host)}:{listener.getsockname()[1]}{root}"
        path = accounts.issue_first_link(store)
        before, after = ("", "") if args.log_json else describe_address(store.home, is_first=path is not None)
        run_server(site, served, host + (path or "/"), before, after)


def describe_address(home: Path, *, is_first: bool) -> tuple[str, str]:
    """Return the lines for standard error before and after the address: what to do with it, and where the data is."""
    hours = accounts.FIRST_LINK_SECONDS // 3600
    before = f"Open this link once to create the first account. It is valid for {hours} h:" if is_first else "Open:"
    return before, f"Home: {home}\nCtrl-C stops the server; runs continue."


def prepare_home(store: Store, args: argparse.Namespace) -> None:
    """Keep the placement that the options give and register the base; a refused base leaves the former placement."""
    former = read_placement(store.home)
    write_placement(store.home, {key: getattr(args, key) for key in DEFAULTS})
    try:
        prepare(store, args.base, args.chat_template, args.template_set)
    except BadInput:
        write_placement(store.home, former)
        raise


def make_backups(store: Store, args: argparse.Namespace) -> ScheduledBackups | None:
    """Return the backups that the options ask for; None without --backup-to. Raises BadInput."""
    try:
        every = parse_duration(args.every)
    except BadInput as problem:
        problem.field = "every"
        raise
    return ScheduledBackups(store, args.backup_to, every, args.keep) if args.backup_to else None


def make_observers(
    store: Store, backups: ScheduledBackups | None, args: argparse.Namespace
) -> tuple[ServerMetrics | None, list[Observer]]:
    """Return the metrics if --metrics asks for them, and the functions that see each request."""
    observers: list[Observer] = [log_request] if args.log_json else []
    if not args.metrics:
        return None, observers
    from labeling.http.metrics import ServerMetrics  # with prometheus_client

    metrics = ServerMetrics(store, backups)
    return metrics, [*observers, metrics.observe]


def backup_loop(backups: ScheduledBackups) -> WatchedLoop[None]:
    """Return the loop that writes a copy whenever one is due."""
    return WatchedLoop("backups", pause(CHECK_SECONDS), lambda _: backups.step(), stuck_seconds=BACKUP_SECONDS)


def supervision(home: Path) -> WatchedLoop[None]:
    """Return the loop that starts a supervisor whenever there is none."""
    return WatchedLoop("supervision", pause(SUPERVISOR_CHECK_SECONDS), lambda _: supervisor.ensure(home))


def pause(seconds: float) -> Callable[[], None]:
    """Return a function that waits for so many seconds, but not the first time."""
    pauses = chain([0.0], repeat(seconds))
    return lambda: time.sleep(next(pauses))


def run_server(site: Callable, listener: socket.socket, address: str, before: str = "", after: str = "") -> None:
    """Serve until Ctrl-C. Print the address once requests are answered, and lines for people before and after it."""
    from rlhf.pages.connections import (
        LimitedServer,
        Limits,
        count_connections,
        log_thread_problem,
        raise_descriptor_limit,
    )

    threading.excepthook = log_thread_problem
    gc.freeze()  # the pages' 250,000 objects live as long as the server; a full collection took 0.2 s
    limits = Limits(connections=count_connections(raise_descriptor_limit()))
    try:
        LimitedServer(site, limits, lambda: _print_ready(address, before, after)).run(sockets=[listener])
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            print("", file=sys.stderr)  # after the ^C that the terminal shows


def _print_ready(address: str, before: str, after: str) -> None:
    """Print the address alone to standard output, for programs; the lines for people go to standard error."""
    if before:
        print(before, file=sys.stderr, flush=True)
    print(address, flush=True)
    if after:
        print(after, file=sys.stderr, flush=True)
