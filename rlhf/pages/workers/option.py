# SPDX-License-Identifier: Apache-2.0
"""The option `--workers` of the `serve` command."""

from __future__ import annotations

import argparse

from data.errors import BadInput

MAX_WORKERS = 32


def add(serve: argparse.ArgumentParser) -> None:
    """Add the option."""
    serve.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help="labeling processes to start beside the server (default %(default)s)",
    )


def check(args: argparse.Namespace) -> None:
    """Raise BadInput for a number out of range, and for metrics, which count one process."""
    if not 0 <= args.workers <= MAX_WORKERS:
        raise BadInput(
            f"workers is {args.workers}", f"Give --workers a number from 0 to {MAX_WORKERS}.", field="workers"
        )
    if args.workers and args.metrics:
        error = "--metrics counts the requests of one process, and --workers starts more"
        raise BadInput(error, "Leave one of them out.", field="workers")
