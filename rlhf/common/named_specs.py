# SPDX-License-Identifier: Apache-2.0
"""Lists of the home that only the command line changes: specifications by name, in one JSON file each."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from labeling.texts.pages import bad_input


def read_specs(file: Path) -> dict[str, str]:
    """Return the specifications by name; none if the file does not exist. Raises BadInput for a damaged file."""
    try:
        specs = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except (OSError, ValueError):
        specs = None
    if not isinstance(specs, dict) or not all(isinstance(spec, str) for spec in specs.values()):
        raise bad_input("home_file.bad_list", name=file.name)
    return specs


def update_specs(file: Path, changed: Mapping[str, str]) -> None:
    """Add specifications to the list or replace them; an empty one removes its name. The file is replaced whole."""
    listed = {name: spec for name, spec in {**read_specs(file), **changed}.items() if spec}
    draft = file.with_name(f"{file.name}.part")
    draft.write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")
    os.replace(draft, file)
