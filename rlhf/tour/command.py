# SPDX-License-Identifier: Apache-2.0
"""The command `tour`: run the loop in a fresh home and report it in the terminal, as a page and as JSON."""

from __future__ import annotations

import argparse
import sys

from data.cli import print_text
from rlhf.runs.launch import run_document
from rlhf.tour.report import text, write_page
from rlhf.tour.run import run_tour
from rlhf.tour.stages import StageFailed


def cmd_tour(args: argparse.Namespace) -> dict:
    """Run a tour; return the contract's document, or that of the run that failed."""
    try:
        findings = run_tour(
            args.home, quick=args.quick, seed=args.seed, labels=args.labels, all_methods=args.all, say=_say
        )
    except StageFailed as failed:
        return run_document(failed.run)
    _say(f"report: {write_page(findings)}")
    return findings.document


def render_tour(document: dict) -> str:
    """Return the report as lines, or the error of the stage that failed."""
    return (
        text(document) if "stages" in document else f"{document['run']} {document['status']}: {document.get('error')}"
    )


def _say(line: str) -> None:
    print_text(line, sys.stderr)
