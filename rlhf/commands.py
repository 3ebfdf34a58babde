# SPDX-License-Identifier: Apache-2.0
"""Commands on models and runs: check, policies, runs, supervise, worker, tour."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from data.cli import open_store, print_text
from reward.base.text.template_options import read_arguments
from reward.placement_settings import read_placement
from rlhf.jobs.commands import add_worker_arguments, cmd_worker, render_worker
from rlhf.probe.document import Unusable, render_check
from rlhf.probe.process import run_check
from rlhf.runs.commands import BY, add_runs_arguments, cmd_runs, cmd_supervise, render_runs
from rlhf.runs.disk_use import format_bytes
from rlhf.runs.first_start import TEMPLATE_SET_HELP, read_template, resolve_base


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add these commands; each handler returns the JSON document."""

    def add(name: str, text: str, run: Callable, render: Callable | None = None) -> argparse.ArgumentParser:
        parser = subparsers.add_parser(name, parents=[common], help=text, description=text)
        parser.set_defaults(run=run, render=render)
        return parser

    check = add("check", "Check in seconds whether a model can be a base.", cmd_check, render_check)
    check.add_argument("model", metavar="MODEL", help="folder of a causal language model, or a downloaded hub id")
    check.add_argument(
        "--chat-template", type=Path, metavar="FILE", help="Jinja chat template for it (default: its own)"
    )
    check.add_argument("--template-set", action="append", default=[], metavar="NAME=VALUE", help=TEMPLATE_SET_HELP)
    _add_policies(subparsers, common)
    add_runs_arguments(
        add("runs", "List, show, cancel, resume or note runs; delete the files of old ones.", cmd_runs, render_runs)
    )
    add("supervise", "Start queued runs until none is left (serve does this automatically).", cmd_supervise)
    text = "Work on runs of a server from another machine."
    add_worker_arguments(add("worker", text, cmd_worker, render_worker))
    tour = add("tour", "Run the full demo loop without a browser, with simulated labelers.", cmd_tour)
    _add_tour_options(tour)
    own = "Without --home it writes into a new home: tours/1, tours/2 and so on, below the default one."
    tour.description = f"{tour.description} {own}"
    tour.set_defaults(default_home=tour.get_default("home"))


def cmd_check(args: argparse.Namespace) -> dict:
    """Check a model. If it is refused, print every line and raise the first refusal."""
    template = read_template(args.chat_template, args.model)
    arguments = read_arguments(args.template_set, "template-set")
    placement = read_placement(args.home.expanduser())
    document = run_check(resolve_base(args.model), template, arguments, placement=placement)
    if document["status"] == "refused":
        if not args.json:
            print_text(render_check(document))
        raise Unusable(document)
    return document


def cmd_merge(args: argparse.Namespace) -> dict:
    """Merge a policy's adapter into its base, as a new policy."""
    from rlhf.merge import merge_policy  # torch and PEFT: loaded for this command only

    return merge_policy(open_store(args), args.id, by=BY)


def render_merged(document: dict) -> str:
    """Return one line: the new policy, its folder and its size."""
    (policy,) = document["produced"]
    size = format_bytes(document["bytes"])
    return f"{policy} is {document['merged']} merged into its base: {size} in {document['folder']}"


def cmd_tour(args: argparse.Namespace) -> dict:
    """Run a tour in a fresh home."""
    from rlhf.tour import command  # plots and the reward model's code: loaded for this command only

    return command.cmd_tour(args)


def _add_policies(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    text = "Manage policies: merge an adapter into its base."
    verbs = subparsers.add_parser("policies", help=text, description=text).add_subparsers(required=True, metavar="VERB")
    explains = "Merge a policy's adapter into its base: a new base in this home, and a bare policy on it."
    merge = verbs.add_parser("merge", parents=[common], help=explains, description=explains)
    merge.add_argument("id", metavar="POLICY", help="policy to merge, such as p4")
    merge.set_defaults(run=cmd_merge, render=render_merged)


def _add_tour_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--quick", action="store_true", help="run a short tour: fewer labels and updates (default: the full tour)"
    )
    parser.add_argument("--all", action="store_true", help="train by every other method as well (default: PPO only)")
    parser.add_argument(
        "--labels",
        type=int,
        metavar="N",
        help="number of simulated labels (default 2,000, or 400 with --quick)",
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed of every stage (default %(default)s)")
