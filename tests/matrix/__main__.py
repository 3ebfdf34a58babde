# SPDX-License-Identifier: Apache-2.0
"""The matrix of families and verbs: `python -m tests.matrix [FAMILY...] [--write]`.

Prints a line per family; `--write` puts the table into docs/models.md. The exit status is 1 if a cell fails: a family
works in every verb, or the check refuses it with a reason.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from transformers.utils import logging

from rlhf.common.library_warnings import silence_libraries
from tests.matrix.families import FAMILIES
from tests.matrix.table import write_table
from tests.matrix.verbs import Cell, try_verbs

SIGNS = {"works": ".", "refused": "r", "failed": "F"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.matrix")
    parser.add_argument("families", nargs="*", choices=[*FAMILIES, []], help="only these (default: all)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/models.md")
    args = parser.parse_args()
    silence_libraries()
    logging.set_verbosity_error()
    torch.set_num_threads(1)  # the models are tiny: threads would only wait for each other
    rows = {title: try_family(title) for title in args.families or FAMILIES}
    if args.write:
        write_table(rows)
    good = sum(all(cell.state == "works" for cell in cells.values()) for cells in rows.values())
    print(f"{good} of {len(rows)} families work in every verb")
    return int(any(cell.state == "failed" for cells in rows.values() for cell in cells.values()))


def try_family(title: str) -> dict[str, Cell]:
    """Build a family's model, do every verb and print the outcome."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="matrix-") as place:
        cells = try_verbs(Path(place), FAMILIES[title].build(Path(place) / "model"))
    print(
        f"{title:26}{''.join(SIGNS[cell.state] for cell in cells.values())} {time.monotonic() - started:5.1f} s",
        flush=True,
    )
    for verb, cell in cells.items():
        if cell.detail:
            print(f"    {verb}: {cell.detail}", flush=True)
    return cells


if __name__ == "__main__":
    raise SystemExit(main())
