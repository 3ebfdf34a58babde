# SPDX-License-Identifier: Apache-2.0
"""`preference-loop labels`: agreement, figures of each labeler, weights, and the exclusion of labelers."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from data.cli import open_store
from labeling.quality.overview import KINDS, build_overview
from labeling.quality.weighting import weigh

BY = "command line"
Document = dict[str, Any]


def register_labels(subparsers: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add `labels agreement|quality|weigh|set-aside|take-in`."""
    verbs = subparsers.add_parser("labels", help="Measure and manage the quality of labels.").add_subparsers(
        required=True, metavar="VERB"
    )

    def add(
        name: str,
        text: str,
        run: Callable[[argparse.Namespace], Document],
        render: Callable[[Document], str],
    ) -> argparse.ArgumentParser:
        parser = verbs.add_parser(name, parents=[common], help=text, description=text)
        parser.set_defaults(run=run, render=render)
        return parser

    for name, text, run, render in (
        (
            "agreement",
            "Show agreement between labelers: overall, by project, guideline version, batch, and every two labelers.",
            cmd_agreement,
            render_agreement,
        ),
        (
            "quality",
            "Show agreement, gold, consistency, position bias and speed of each labeler.",
            cmd_quality,
            render_quality,
        ),
        ("weigh", "Fit and store the weight of each labeler's comparisons in training.", cmd_weigh, render_weigh),
    ):
        add(name, text, run, render).add_argument(
            "--of", default="people", choices=tuple(KINDS), help="whose labels (default %(default)s)"
        )
    exclude = add(
        "set-aside",
        "Exclude a labeler's comparisons from preference exports and training.",
        cmd_exclude,
        render_excluded,
    )
    exclude.add_argument("name", help="the labeler's account name")
    exclude.add_argument("--reason", required=True, help="the reason, recorded in the audit log")
    include = add("take-in", "Include an excluded labeler's comparisons again.", cmd_include, render_excluded)
    include.add_argument("name", help="the labeler's account name")
    include.add_argument("--reason", default="", help="the reason, recorded in the audit log")


def cmd_agreement(args: argparse.Namespace) -> Document:
    """Return agreement with intervals."""
    return build_overview(open_store(args), args.of).agreement_json()


def cmd_quality(args: argparse.Namespace) -> Document:
    """Return one entry per labeler."""
    return build_overview(open_store(args), args.of).labelers_json()


def cmd_weigh(args: argparse.Namespace) -> Document:
    """Store a new version of the weights and return it."""
    store = open_store(args)
    weighting = weigh(store, KINDS[args.of], by=BY)
    names = {account.id: account.name for account in store.accounts.all()}
    rows = [
        {
            "labeler": names[row.labeler_id],
            "weight": row.weight,
            "discrimination": row.discrimination,
            "error": row.error,
        }
        for row in weighting.weights
    ]
    return {"weighting": weighting.id, "labels": weighting.labels, "votes": weighting.votes, "weights": rows}


def cmd_exclude(args: argparse.Namespace) -> Document:
    """Exclude a labeler."""
    store = open_store(args)
    store.excluded_labelers.exclude(args.name, args.reason, by=BY)
    return {"set_aside": [labeler.name for labeler in store.excluded_labelers.all()]}


def cmd_include(args: argparse.Namespace) -> Document:
    """Include an excluded labeler again."""
    store = open_store(args)
    store.excluded_labelers.include(args.name, args.reason, by=BY)
    return {"set_aside": [labeler.name for labeler in store.excluded_labelers.all()]}


def render_agreement(document: Document) -> str:
    """Return one line for the whole and one for each group."""
    if document["rate"] is None:
        return "no pair has verdicts of two of these labelers yet; --of chooses people, simulated or AI labelers"
    groups = (
        f"{group['by']} {group['name']}: {describe_agreement(group)}" for group in document["groups"] if group["pairs"]
    )
    return "\n".join([f"agreement {describe_agreement(document)}", *groups])


def describe_agreement(document: Document) -> str:
    """Return raw agreement and both alphas as a phrase."""
    low, high = document["ci"]
    alphas = ", ".join(
        f"alpha {kind} {document[f'alpha_{kind}']:.2f}"
        for kind in ("nominal", "ordinal")
        if document[f"alpha_{kind}"] is not None
    )
    raw = f"{document['rate']:.0%} ({low:.0%} to {high:.0%}) of {document['pairs']} pairs"
    return f"{raw}; {alphas}" if alphas else raw


def render_quality(document: Document) -> str:
    """Return a table with a line per labeler."""
    columns = ("agreement", "gold", "consistency", "left", "ties", "skips")
    names = "".join(f"{name:>13}" for name in columns)
    lines = [f"{'labeler':<20}{'labels':>8}{names}{'seconds':>10}{'weight':>8}"]
    for labeler in document["labelers"]:
        shares = "".join(
            f"{'-' if labeler[name]['share'] is None else format(labeler[name]['share'], '.0%'):>13}"
            for name in columns
        )
        seconds, weight = (
            "-" if labeler[name] is None else f"{labeler[name]:.{digits}f}"
            for name, digits in (("seconds", 1), ("weight", 2))
        )
        labels = labeler["comparisons"] + labeler["rankings"]
        mark = "  excluded" if labeler["set_aside"] else ""
        lines.append(f"{labeler['labeler']:<20}{labels:>8}{shares}{seconds:>10}{weight:>8}{mark}")
    return "\n".join(lines) if document["labelers"] else "no comparisons yet"


def render_weigh(document: Document) -> str:
    """Return the version, and a line per labeler."""
    head = (
        f"weighting {document['weighting']}, fitted on {document['votes']} votes; "
        "to use it: preference-loop train reward --set weights=reliability"
    )
    return "\n".join([head, *(f"{row['labeler']:<20}{row['weight']:6.2f}" for row in document["weights"])])


def render_excluded(document: Document) -> str:
    """Return the names of the labelers that are excluded now."""
    return "excluded: " + (", ".join(document["set_aside"]) or "nobody")
