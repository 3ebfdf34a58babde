"""`preference-loop curate`: the clinic on the command line. Every verb but `simulate` enqueues a run."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from data.cli import open_store
from labeling.rating.simulate import NOISE, simulate_ratings
from rlhf.kinds import KINDS

Start = Callable[[argparse.Namespace, str, dict], dict]


def register_curate(
    subparsers: Any, common: argparse.ArgumentParser, start: Start, add_run_options: Callable, render: Callable
) -> None:
    """Add the verbs; `start(args, kind, given)` enqueues a run and, on request, follows it."""
    about = "few, good and varied instruction rows: look at them, rate them, choose, check"
    verbs = subparsers.add_parser("curate", help=about, description=about).add_subparsers(required=True, metavar="VERB")

    def add(name: str, kind: str, given: Callable[[argparse.Namespace], dict]) -> argparse.ArgumentParser:
        verb = verbs.add_parser(name, parents=[common], help=KINDS[kind].explains, description=KINDS[kind].explains)
        verb.set_defaults(run=lambda args: start(args, kind, given(args)), render=render)
        add_run_options(verb)
        return verb

    add("embed", "embed", lambda args: {})
    recipe = add(
        "recipe", "curate", lambda args: {"rows": args.rows, "min_quality": args.min_quality, "name": args.name}
    )
    recipe.add_argument(
        "--rows", type=int, default=500, help="how many; 0: all that are good enough (default %(default)s)"
    )
    recipe.add_argument(
        "--min-quality",
        type=float,
        default=3.0,
        metavar="POINTS",
        help="0 to 5; 0: quality does not count (default %(default)s)",
    )
    recipe.add_argument("--name", default="", help="the snapshot's name")
    add("quantity", "quantity", lambda args: {})
    two = add("ab", "ab", lambda args: {"a": args.a, "b": args.b})
    two.add_argument("a", metavar="A", help="snapshot, such as s5")
    two.add_argument(
        "b", metavar="B", nargs="?", default="", help="the other one; all rows of the train split if not given"
    )
    simulate = verbs.add_parser(
        "simulate", parents=[common], help="simulated raters rate the starter's rows, marked as such for ever"
    )
    simulate.add_argument("--ratings", type=int, required=True, metavar="N")
    simulate.add_argument("--raters", type=int, default=2, metavar="M")
    simulate.add_argument(
        "--noise", type=float, default=NOISE, help="in standard deviations of gold (default %(default)s)"
    )
    simulate.add_argument("--seed", type=int, default=0)
    simulate.set_defaults(
        run=cmd_simulate, render=lambda told: f"{told['ratings']} simulated ratings of {told['asked']} asked for"
    )


def cmd_simulate(args: argparse.Namespace) -> dict:
    """Store simulated ratings; return {ratings, asked}."""
    given = simulate_ratings(
        open_store(args), ratings=args.ratings, raters=args.raters, seed=args.seed, noise=args.noise
    )
    return {"ratings": given, "asked": args.ratings}
