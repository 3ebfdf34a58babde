# SPDX-License-Identifier: Apache-2.0
"""The folders of base models. Importable without torch."""

from __future__ import annotations

from pathlib import Path

from data.starter import BASE, SOURCE
from labeling.texts.pages import bad_input


def locate(source: str | Path) -> str:
    """Return the folder of a base model, or the id of a hub model that was downloaded before. Raises BadInput."""
    if source == SOURCE:
        return str(_folder(BASE, "refused.no_starter_config"))
    path = Path(source).expanduser()
    if path.is_dir():
        return str(_folder(path.resolve(), "refused.no_config"))
    if path.is_absolute() or len(path.parts) > 2 or str(source).startswith((".", "~")):
        raise bad_input("refused.no_model_folder", source=str(source))
    return str(source)


def _folder(path: Path, refusal: str) -> Path:
    if not (path / "config.json").is_file():
        raise bad_input(refusal, folder=str(path))
    return path
