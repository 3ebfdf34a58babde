# SPDX-License-Identifier: Apache-2.0
"""Commands of the labeling layer: accounts, projects, quality of labels, simulated labelers."""

from __future__ import annotations

import argparse

from data.cli import open_store
from labeling.accounts.commands import register_account
from labeling.projects.commands import register_projects
from labeling.quality.agreement import measure_agreement
from labeling.quality.commands import register_labels
from labeling.queue.leases import OVERLAP
from labeling.simulate import AGREEMENT, rubric_score, simulate


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add `account`, `projects`, `labels` and `simulate`."""
    register_account(subparsers, common)
    register_projects(subparsers, common)
    register_labels(subparsers, common)
    command = subparsers.add_parser(
        "simulate", parents=[common], help="Record answers of simulated labelers, marked as simulated."
    )
    command.add_argument("--labels", type=int, required=True, metavar="N", help="number of answers")
    command.add_argument(
        "--labelers", type=int, required=True, metavar="M", help="number of labelers, who answer in turn"
    )
    command.add_argument(
        "--agreement",
        type=float,
        default=AGREEMENT,
        metavar="A",
        help="share of pairs on which two of them agree (default %(default)s)",
    )
    command.add_argument(
        "--overlap",
        type=float,
        default=OVERLAP,
        metavar="X",
        help="mean number of labelers per pair; 1.1: two for one pair in ten (default %(default)s)",
    )
    command.add_argument("--seed", type=int, default=0, help="seed of the simulation (default %(default)s)")
    command.set_defaults(run=cmd_simulate, render=render_simulate)


def cmd_simulate(args: argparse.Namespace) -> dict:
    """Record simulated labels by the starter's rubric; {labels, asked, agreement: measured or null}."""
    store = open_store(args)
    recorded = simulate(
        store,
        labels=args.labels,
        labelers=args.labelers,
        agreement=args.agreement,
        seed=args.seed,
        score=rubric_score,
        overlap=args.overlap,
    )
    return {"labels": recorded, "asked": args.labels, "agreement": measure_agreement(store, "simulated").rate}


def render_simulate(document: dict) -> str:
    """Format the number of labels and the agreement of two labelers."""
    line = f"{document['labels']} simulated labels"
    if document["labels"] < document["asked"]:
        line += f" of {document['asked']}: no more pairs are open"
    if document["agreement"] is not None:
        line += f"; two labelers agree on {document['agreement']:.0%}"
    return line
