"""`preference-loop labels`: how good the labels are, who is set aside, and what each labeler's comparisons weigh."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from data.cli import open_store
from labeling.quality.overview import KINDS, build_overview, weigh

BY = "command line"


def register_labels(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `labels agreement|quality|weigh|set-aside|take-in`."""
    verbs = subparsers.add_parser("labels", help="how good the labels are").add_subparsers(
        required=True, metavar="VERB"
    )

    def add(name: str, text: str, run: Callable, render: Callable) -> argparse.ArgumentParser:
        parser = verbs.add_parser(name, parents=[common], help=text, description=text)
        parser.set_defaults(run=run, render=render)
        return parser

    for name, text, run, render in (
        (
            "agreement",
            "how far labelers agree: overall, by project, guideline version, batch, and two by two",
            cmd_agreement,
            render_agreement,
        ),
        ("quality", "each labeler's agreement, gold, consistency, position bias, speed", cmd_quality, render_quality),
        ("weigh", "work out what each labeler's comparisons weigh in training, and keep it", cmd_weigh, render_weigh),
    ):
        add(name, text, run, render).add_argument(
            "--of", default="people", choices=tuple(KINDS), help="whose labels (default %(default)s)"
        )
    aside = add(
        "set-aside", "leave a labeler's comparisons out of preference exports and training", cmd_set_aside, render_aside
    )
    aside.add_argument("name")
    aside.add_argument("--reason", required=True)
    again = add("take-in", "let a labeler's comparisons count again", cmd_take_in, render_aside)
    again.add_argument("name")
    again.add_argument("--reason", default="")


def cmd_agreement(args: argparse.Namespace) -> dict:
    """Agreement with intervals."""
    return build_overview(open_store(args), args.of).agreement_json()


def cmd_quality(args: argparse.Namespace) -> dict:
    """One entry per labeler."""
    return build_overview(open_store(args), args.of).labelers_json()


def cmd_weigh(args: argparse.Namespace) -> dict:
    """A new version of the weights."""
    store = open_store(args)
    made = weigh(store, KINDS[args.of], by=BY)
    names = {account.id: account.name for account in store.accounts.all()}
    told = ("weight", "discrimination", "error")
    rows = [{"labeler": names[one.labeler_id], **{name: getattr(one, name) for name in told}} for one in made.weights]
    return {"weighting": made.id, "labels": made.labels, "votes": made.votes, "weights": rows}


def cmd_set_aside(args: argparse.Namespace) -> dict:
    """Set a labeler aside."""
    store = open_store(args)
    store.excluded_labelers.exclude(args.name, args.reason, by=BY)
    return {"set_aside": [one.name for one in store.excluded_labelers.all()]}


def cmd_take_in(args: argparse.Namespace) -> dict:
    """Take a labeler in again."""
    store = open_store(args)
    store.excluded_labelers.include(args.name, args.reason, by=BY)
    return {"set_aside": [one.name for one in store.excluded_labelers.all()]}


def render_agreement(document: dict) -> str:
    """One line for the whole and for each group."""
    if document["rate"] is None:
        return "no pair was judged by two labelers yet"
    lines = [
        f"agreement {said(document)}",
        *(f"{one['by']} {one['name']}: {said(one)}" for one in document["groups"] if one["pairs"]),
    ]
    return "\n".join(lines)


def said(found: dict) -> str:
    """Raw agreement and both alphas."""
    low, high = found["ci"]
    alphas = ", ".join(
        f"alpha {kind} {found[f'alpha_{kind}']:.2f}"
        for kind in ("nominal", "ordinal")
        if found[f"alpha_{kind}"] is not None
    )
    return f"{found['rate']:.0%} ({low:.0%} to {high:.0%}) of {found['pairs']} pairs" + (
        f"; {alphas}" if alphas else ""
    )


def render_quality(document: dict) -> str:
    """A line per labeler."""
    columns = ("agreement", "gold", "consistency", "left", "ties", "skips")
    head = (
        f"{'labeler':<20}{'labels':>8}" + "".join(f"{name:>13}" for name in columns) + f"{'seconds':>10}{'weight':>8}"
    )
    lines = [head]
    for one in document["labelers"]:
        shares = "".join(
            f"{'-' if one[name]['share'] is None else format(one[name]['share'], '.0%'):>13}" for name in columns
        )
        seconds, weight = (
            "-" if one[name] is None else f"{one[name]:.{digits}f}" for name, digits in (("seconds", 1), ("weight", 2))
        )
        mark = "  set aside" if one["set_aside"] else ""
        lines.append(
            f"{one['labeler']:<20}{one['comparisons'] + one['rankings']:>8}{shares}{seconds:>10}{weight:>8}{mark}"
        )
    return "\n".join(lines) if document["labelers"] else "nobody has compared anything yet"


def render_weigh(document: dict) -> str:
    """The version, and a line per labeler."""
    lines = [
        f"weighting {document['weighting']}, fitted on {document['votes']} votes; train reward --set weights=reliability uses it"
    ]
    return "\n".join([*lines, *(f"{one['labeler']:<20}{one['weight']:6.2f}" for one in document["weights"])])


def render_aside(document: dict) -> str:
    """Who is set aside now."""
    return "set aside: " + (", ".join(document["set_aside"]) or "nobody")
