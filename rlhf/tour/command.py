# SPDX-License-Identifier: Apache-2.0
"""The command `tour`: run the loop in a fresh home and report it in the terminal, as a page and as JSON."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from data.cli import print_note
from data.errors import BadInput
from rlhf.runs.launch import run_document
from rlhf.tour.new_home import unused_folder
from rlhf.tour.plain import open_command, plain_result
from rlhf.tour.report import PAGE, text, write_page
from rlhf.tour.run import run_tour
from rlhf.tour.stages import StageFailed


def cmd_tour(args: argparse.Namespace) -> dict:
    """Run a tour; return the contract's document, or that of the run that failed.

    In place of the default home it always uses a new one below that.
    """
    home = unused_folder(args.home, below=True) if args.home == args.default_home else args.home
    try:
        findings = run_tour(home, quick=args.quick, seed=args.seed, labels=args.labels, all_methods=args.all)
    except StageFailed as failed:
        args.render = render_tour
        return run_document(failed.run)
    page = write_page(findings)
    args.render = partial(render_tour, home=findings.home)
    if args.json:
        print_note(f"Report: {page}")
    return findings.document


def render_tour(document: dict, home: Path | None = None) -> str:
    """Return the figures, the result in plain sentences and how to open the home; or the error of a failed stage.

    Raises BadInput for a document of a format that this version does not read.
    """
    if "stages" not in document:
        return f"{document['run']} {document['status']}: {document.get('error')}"
    try:
        lines = [text(document), "", *plain_result(document)]
    except KeyError as missing:
        raise BadInput(f"the tour's document has no {missing}", "Run the tour again with this version.") from None
    if home:
        lines += ["", f"Report with plots:      {home / PAGE}", f"Open it in the browser: {open_command(home)}"]
    return "\n".join(lines)
