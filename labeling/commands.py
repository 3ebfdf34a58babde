"""The commands of this floor: accounts, simulated labelers, and those that `register` adds from files beside this one."""

from __future__ import annotations

import argparse
from typing import Any

import data.starter
from data.cli import open_store
from data.errors import BadInput
from data.records import Completion, Prompt
from labeling import project_commands
from labeling.accounts.commands import register_account
from labeling.quality.agreement import measure_agreement
from labeling.quality.commands import register_labels
from labeling.queue.leases import OVERLAP
from labeling.simulate import AGREEMENT, simulate


def register(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `account`, `projects`, `labels` and `simulate`."""
    register_account(subparsers, common)
    project_commands.register(subparsers, common)
    register_labels(subparsers, common)
    command = subparsers.add_parser(
        "simulate", parents=[common], help="let simulated labelers answer, marked as such for ever"
    )
    command.add_argument("--labels", type=int, required=True, metavar="N", help="how many answers")
    command.add_argument("--labelers", type=int, required=True, metavar="M", help="how many labelers give them in turn")
    command.add_argument(
        "--agreement",
        type=float,
        default=AGREEMENT,
        metavar="A",
        help="how often two of them agree (default %(default)s)",
    )
    command.add_argument(
        "--overlap",
        type=float,
        default=OVERLAP,
        metavar="X",
        help="mean labelers for a pair; 1.1: two for one in ten (default %(default)s)",
    )
    command.add_argument("--seed", type=int, default=0)
    command.set_defaults(run=cmd_simulate, render=render_simulate)


def cmd_simulate(args: argparse.Namespace) -> dict:
    """Simulated labels by the starter's rubric; {labels, asked, agreement: measured or null}."""
    store = open_store(args)
    given = simulate(
        store,
        labels=args.labels,
        labelers=args.labelers,
        agreement=args.agreement,
        seed=args.seed,
        score=rubric,
        overlap=args.overlap,
    )
    return {"labels": given, "asked": args.labels, "agreement": measure_agreement(store, "simulated").rate}


def rubric(prompt: Prompt, completion: Completion) -> float:
    """The gold score of the starter's rubric. Raises BadInput for a prompt it knows nothing about."""
    if prompt.facts is None:
        raise BadInput(
            f"the rubric knows nothing about the prompt {prompt.text!r}", "Simulate on the starter's prompts only."
        )
    return data.starter.gold(prompt.facts, completion.text, completion.ended)


def render_simulate(document: dict) -> str:
    """What was given, and how far two labelers agreed."""
    line = f"{document['labels']} simulated labels"
    if document["labels"] < document["asked"]:
        line += f" of {document['asked']}: no more pairs wait for them"
    if document["agreement"] is not None:
        line += f"; two labelers agree on {document['agreement']:.0%}"
    return line
