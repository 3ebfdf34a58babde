# SPDX-License-Identifier: Apache-2.0
"""Backups that a server writes by itself: each copy is restored beside the others and checked before it counts.

Only verified copies have the final name. Older copies of the same home are removed after a newer one is verified;
no other file of the folder is touched. A failure is logged and never leaves `step`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from data.errors import BadInput
from data.formats.writing import sync
from data.maintenance.check import Finding, check_home
from data.store import Store
from data.transfer.backup import back_up, restore

CHECK_SECONDS = 30.0
"""Seconds between two checks whether a backup is due, for the loop that calls `step`."""
RETRY_SECONDS = 600.0
"""Largest number of seconds from a failed backup to the next attempt."""
ACTOR = "server"
"""The actor in the audit list."""
STAMP = "%Y%m%dT%H%M%SZ"

log = logging.getLogger("preference_loop.backup")


class ScheduledBackups:
    """The copies of one home in one folder: `every` seconds a new one, and the newest `keep` of them stay."""

    def __init__(self, store: Store, folder: Path, every: float, keep: int) -> None:
        self.store = store
        self.folder = folder.expanduser().absolute()
        self.every = every
        self.keep = keep
        self.last_error: str | None = None
        self.failed_at: float | None = None
        home = hashlib.sha256(str(store.home.resolve()).encode()).hexdigest()[:8]
        self.prefix = f"preference-loop-{home}-"
        self._prepare_folder()

    def _prepare_folder(self) -> None:
        """Create the folder. Raises BadInput if it lies in the home, cannot be written, or `keep` is below 1."""
        if self.keep < 1:
            raise BadInput(f"a server cannot keep {self.keep} copies", "Give --keep a number from 1.", field="keep")
        if self.folder.resolve().is_relative_to(self.store.home.resolve()):
            raise BadInput(
                "a backup inside the home is lost with the home", "Name another folder.", file=str(self.folder)
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"no folder can be created here: {error.strerror}", file=str(self.folder)) from None
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise BadInput("this folder cannot be written", "Name another folder.", file=str(self.folder))

    def step(self) -> bool:
        """Write, verify and prune if a backup is due; return whether a new copy exists. Raises nothing."""
        try:
            if not self.is_due():
                return False
            self.back_up_once()
            self.last_error = self.failed_at = None
            return True
        except Exception as problem:
            self.failed_at = time.monotonic()
            error = str(problem) if isinstance(problem, BadInput) else f"{type(problem).__name__}: {problem}"
            self.last_error = error
            retry = min(self.every, RETRY_SECONDS)
            log.error("backup failed: %s. The next attempt is in %.0f s.", error, retry)
            return False

    def is_due(self) -> bool:
        """Return whether the newest copy is older than `every`, and the last failure is long enough ago."""
        if self.failed_at is not None:
            return time.monotonic() - self.failed_at >= min(self.every, RETRY_SECONDS)
        age = self.newest_age()
        return age is None or not 0 <= age < self.every

    def newest_age(self) -> float | None:
        """Return the seconds since the newest copy was begun; None without one."""
        copies = self.copies()
        if not copies:
            return None
        stamp = copies[-1].name.removeprefix(self.prefix).removesuffix(".tar")
        return time.time() - datetime.strptime(stamp, STAMP).replace(tzinfo=UTC).timestamp()

    def copies(self) -> list[Path]:
        """Return the verified copies of this home, oldest first. Links and other files are no copies."""
        name = re.compile(re.escape(self.prefix) + r"[0-9]{8}T[0-9]{6}Z\.tar")
        files = (path for path in self.folder.iterdir() if name.fullmatch(path.name))
        return sorted(path for path in files if path.is_file() and not path.is_symlink())

    def back_up_once(self) -> Path:
        """Write a copy, verify it, then remove the older ones. Raises BadInput if the copy is not what it should be."""
        work = self.folder / f".{self.prefix}part"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700)
        out = self.folder / f"{self.prefix}{datetime.now(UTC).strftime(STAMP)}.tar"
        try:
            part = work / out.name
            back_up(self.store, part)
            is_sound = self._verify(part, work / "home")
            part.chmod(0o600)  # it holds hashes of passwords, and everybody's labels
            os.replace(part, out)
            sync(self.folder)  # before an older copy goes
        finally:
            shutil.rmtree(work, ignore_errors=True)
        log.info("backup written and verified: %s (%.1f MB)", out, out.stat().st_size / 1e6)
        self.store.audit.add(ACTOR, "backup", file=out.name)
        if is_sound:
            self._remove_older()
        return out

    def _verify(self, part: Path, scratch: Path) -> bool:
        """Restore the copy into `scratch` and check it; return whether it has no findings of its own.

        Raises BadInput if it has a finding that the home does not have.
        """
        restore(scratch, part)
        findings = _own_findings(scratch)
        if not findings:
            return True
        added = sorted(findings - _own_findings(self.store.home))
        if added:
            raise BadInput(f"the copy is damaged: {added[0].file}: {added[0].problem}", "Check the disk of the copy.")
        log.warning(
            "the home has %d findings, so older backups stay. Run: preference-loop store check --home %s",
            len(findings),
            self.store.home,
        )
        return False

    def _remove_older(self) -> None:
        for copy in self.copies()[: -self.keep]:
            copy.unlink()
            self.store.audit.add(ACTOR, "remove backup", file=copy.name)
            log.info("backup removed: %s (the newest %d stay)", copy, self.keep)


def _own_findings(home: Path) -> set[Finding]:
    """Return the findings of a home with paths inside it, without those about folders outside, which no copy holds."""
    inside = (
        finding._replace(
            file=os.path.relpath(finding.file, home) if Path(finding.file).is_relative_to(home) else finding.file
        )
        for finding in check_home(home)
    )
    return {finding for finding in inside if not Path(finding.file).is_absolute()}
