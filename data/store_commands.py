# SPDX-License-Identifier: Apache-2.0
"""The command `store`: check a home, repair what can be recomputed, rebuild the derived tables."""

from __future__ import annotations

import argparse

from data.cli import open_store
from data.maintenance.check import Finding, check_home
from data.maintenance.repair import repair_home
from data.views.rebuild_derived import rebuild


def register(subparsers: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add the command `store` with its verbs."""
    text = "Maintain the store of this home."
    verbs = subparsers.add_parser("store", help=text, description=text).add_subparsers(required=True, metavar="VERB")
    text = "Recreate all derived tables (queue, tallies, counts, disputes) from the events."
    rebuilding = verbs.add_parser("rebuild", parents=[common], help=text, description=text)
    rebuilding.set_defaults(run=cmd_store_rebuild, render=render_store_rebuild)
    text = "Check the store and the model files of this home, and print one line per finding."
    checking = verbs.add_parser("check", parents=[common], help=text, description=text)
    checking.add_argument(
        "--repair", action="store_true", help="recreate indexes, triggers, views and derived tables that are wrong"
    )
    checking.set_defaults(run=cmd_store_check, render=render_store_check)


def cmd_store_rebuild(args: argparse.Namespace) -> dict:
    """Recreate the derived tables from the events."""
    store = open_store(args)
    tables = list(rebuild(store))
    store.audit.add("command line", "rebuild derived tables")
    return {"rebuilt": tables}


def cmd_store_check(args: argparse.Namespace) -> dict:
    """Check this home; return its status ("sound" or "damaged") and the findings, each with `repaired`."""
    home = args.home.expanduser()
    findings = check_home(home)
    left: set[Finding] = set(findings)
    if args.repair and findings:
        repair_home(home, findings)
        left = set(check_home(home))
        if not left:
            store = open_store(args)
            store.audit.add("command line", "repair store", findings=len(findings))
            store.close()
    listed = [*findings, *sorted(left - set(findings))]
    return {
        "status": "damaged" if left else "sound",
        "findings": [finding._asdict() | {"repaired": finding not in left} for finding in listed],
    }


def render_store_rebuild(document: dict) -> str:
    """Return the recreated tables in one line."""
    return f"recreated from the events: {', '.join(document['rebuilt'])}"


def render_store_check(document: dict) -> str:
    """Return a line for each finding, and a summary with the next command."""
    findings = document["findings"]
    lines = [f"{row['file']}: {row['problem']}{' (repaired)' if row['repaired'] else ''}" for row in findings]
    left = [row for row in findings if not row["repaired"]]
    if not left:
        return "\n".join([*lines, f"The home is sound; {len(findings)} findings were repaired." if findings else SOUND])
    repairable = any(row["check"] in ("derived", "schema") for row in left)
    remedy = "Run: preference-loop store check --repair" if repairable else "Restore a backup into a new home."
    return "\n".join([*lines, f"{len(left)} findings are left. {remedy}"])


SOUND = "The home is sound: databases, references, schema, derived tables and model files."
