# SPDX-License-Identifier: Apache-2.0
"""Requests of a worker: the header of its token, archives, and the end of a run."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any

from data.version import __version__
from rlhf.jobs.manifest import FILES, MANIFEST
from rlhf.jobs.results import RESULT

PARENT = {"kind": "sft", "adapter": "policies/p9", "parent_id": 1, "reward_model_id": None, "snapshot_id": None}
COLUMNS = PARENT | {"id": 9, "name": "new", "run_id": 1, "config": {}, "seed": 0, "versions": {}, "created_at": "2026"}


def bearer(token: str) -> dict[str, str]:
    """Return the header of a token."""
    return {"authorization": f"Bearer {token}"}


def claim(name: str, node: str) -> dict[str, str]:
    """Return the body of a claim."""
    return {"claim": name, "node": node, "version": __version__}


def archive(*members: tuple[str, bytes], links: tuple[str, ...] = ()) -> bytes:
    """Return a tar file with these members, and links of these names."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(member)
    return buffer.getvalue()


def checkpoint(*files: tuple[str, bytes], sent: bool = True) -> bytes:
    """Return the archive of a checkpoint with these files; without their contents unless they are `sent`."""
    parts = {hashlib.sha256(content).hexdigest(): content for _, content in files}
    named = [
        {"path": path, "size": len(content), "hash": hashlib.sha256(content).hexdigest()} for path, content in files
    ]
    contents = [(f"{FILES}/{digest}", content) for digest, content in parts.items()] if sent else []
    return archive((MANIFEST, json.dumps({"files": named}).encode()), *contents)


def end(base: str, id: str = "p9", **columns: Any) -> bytes:
    """Return the archive of a done run that produced one policy."""
    model = {"id": id, "is_base": False, "columns": COLUMNS | {"base": base} | columns}
    document = {"state": "done", "error": None, "report": {"rows": 3}, "produced": [model]}
    return archive((RESULT, json.dumps(document).encode()), ("models/p9/weights", b"1"))
