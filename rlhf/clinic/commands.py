# SPDX-License-Identifier: Apache-2.0
"""`preference-loop curate`: the clinic on the command line. Every verb but `simulate` queues a run."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from labeling.rating import NOISE
from rlhf.kinds import KINDS

if TYPE_CHECKING:
    from data.store import Store

Start = Callable[[argparse.Namespace, str, dict], dict]
SIMULATE = "Generate simulated ratings of the starter's rows (permanently marked as simulated)."


def register_curate(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
    start: Start,
    open_home: Callable[[argparse.Namespace], Store],
    add_run_options: Callable,
    render: Callable,
) -> None:
    """Add the verbs; `start(args, kind, given)` queues a run and, with --wait, follows it.

    `open_home(args)` opens the home and loads the starter into a new one.
    """
    about = "Examine, rate and choose instruction rows, and test what they teach."
    verbs = subparsers.add_parser("curate", help=about, description=about).add_subparsers(required=True, metavar="VERB")

    def add(name: str, kind: str, given: Callable[[argparse.Namespace], dict]) -> argparse.ArgumentParser:
        text = KINDS[kind].explains
        verb = verbs.add_parser(name, parents=[common], add_help=False, help=text, description=text)
        verb.set_defaults(run=lambda args: start(args, kind, given(args)), render=render)
        add_run_options(verb, kind)
        return verb

    add("embed", "embed", lambda args: {})
    recipe = add(
        "recipe", "curate", lambda args: {"rows": args.rows, "min_quality": args.min_quality, "name": args.name}
    )
    recipe.add_argument(
        "--rows",
        type=int,
        default=500,
        metavar="N",
        help="number of rows; 0: all rows with enough quality (default %(default)s)",
    )
    recipe.add_argument(
        "--min-quality",
        type=float,
        default=3.0,
        metavar="POINTS",
        help="least quality of a row, 0 to 5; 0: quality does not count (default %(default)s)",
    )
    recipe.add_argument("--name", default="", help="name of the snapshot (default: made from the recipe)")
    add("quantity", "quantity", lambda args: {})
    ab = add("ab", "ab", lambda args: {"a": args.a, "b": args.b})
    ab.add_argument("a", metavar="A", help="snapshot of instruction rows, such as s5")
    ab.add_argument(
        "b", metavar="B", nargs="?", default="", help="snapshot to compare with (default: all rows of the train split)"
    )
    _add_simulate(verbs, common, open_home)


def _add_simulate(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
    open_home: Callable[[argparse.Namespace], Store],
) -> None:
    simulate = verbs.add_parser("simulate", parents=[common], help=SIMULATE, description=SIMULATE)
    simulate.add_argument("--ratings", type=int, required=True, metavar="N", help="number of ratings (required)")
    simulate.add_argument(
        "--raters", type=int, default=2, metavar="M", help="number of simulated raters (default %(default)s)"
    )
    simulate.add_argument(
        "--noise",
        type=float,
        default=NOISE,
        metavar="DEVIATIONS",
        help="noise of a rating, in standard deviations of the rubric score (default %(default)s)",
    )
    simulate.add_argument("--seed", type=int, default=0, help="random seed of the ratings (default %(default)s)")
    simulate.set_defaults(
        run=lambda args: cmd_simulate(args, open_home(args)),
        render=lambda document: f"{document['ratings']} of {document['asked']} simulated ratings stored",
    )


def cmd_simulate(args: argparse.Namespace, store: Store) -> dict:
    """Store simulated ratings; return {ratings, asked}."""
    from labeling.rating.simulate import simulate_ratings  # with numpy: loaded for this verb only

    count = simulate_ratings(store, ratings=args.ratings, raters=args.raters, seed=args.seed, noise=args.noise)
    return {"ratings": count, "asked": args.ratings}
