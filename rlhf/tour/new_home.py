# SPDX-License-Identifier: Apache-2.0
"""The home of a tour: a folder of its own, which an interrupt removes again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rlhf.common.locks import SERVER, is_locked
from rlhf.tour.narrator import Narrator
from rlhf.tour.plain import open_command
from rlhf.tour.stages import StageFailed


@contextmanager
def new_home(home: Path, narrator: Narrator) -> Iterator[Path]:
    """Yield the folder for a tour. An interrupt inside removes all that was created, unless a server uses it."""
    folder = unused_folder(home)
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield folder
    except KeyboardInterrupt:
        narrator.print()
        if is_locked(folder / SERVER):
            narrator.print(f"Stopped. {folder} stays, because a server uses it.")
        else:
            remove(folder, created)
            narrator.print(f"Stopped, and removed {folder}.")
        raise
    except StageFailed:
        narrator.print(f"The home stays. See its runs in the browser: {open_command(folder)}")
        raise


def unused_folder(home: Path, *, below: bool = False) -> Path:
    """Return `home` if it is missing or empty, else the first free folder home/tours/1, 2, ...

    With `below` it is always such a folder.
    """
    home = Path(home).expanduser()
    if not below and (not home.exists() or not any(home.iterdir())):
        return home
    number = 1
    while (home / "tours" / str(number)).exists():
        number += 1
    return home / "tours" / str(number)


def remove(folder: Path, created: list[Path]) -> None:
    """Delete the content of `folder`, and of `created` those folders that are empty then, the deepest first."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    for path in created:
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
