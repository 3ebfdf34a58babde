# SPDX-License-Identifier: Apache-2.0
"""The check of a model in a process of its own, and the record of models that passed. Importable without torch.

A process that runs out of memory or dies in a library ends as one refusal, and the caller never loads torch.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from data.cli import print_text
from data.errors import BadInput
from data.starter import SOURCE
from data.transfer.hub import downloaded_folder
from reward.placement_settings import read_placement
from rlhf.probe.document import Unusable

ROOT = Path(__file__).resolve().parents[2]
PASSED = "checks"
"""Folder in the home with a file per model that passed: the signature of its files then."""
NO_ARGUMENTS: Mapping[str, Any] = {}
PARTS = (".json", ".jinja", ".safetensors", ".model", ".txt")


def ensure_usable(
    home: Path,
    source: str,
    chat_template: str | None = None,
    template_kwargs: Mapping[str, Any] = NO_ARGUMENTS,
    adapter: Path | None = None,
) -> None:
    """Check a model before it becomes a policy of this home; print progress and notes to stderr.

    Raises Unusable if the check refuses it. The starter, and a model that passed and has not changed since, are not
    checked again; an adapter always is.
    """
    if source == SOURCE and adapter is None:
        return
    asked = [source, chat_template, *([dict(template_kwargs)] if template_kwargs else [])]
    record = home / PASSED / sha256(json.dumps(asked).encode()).hexdigest()[:16]
    signature = sign_files(source)
    if adapter is None and record.is_file() and record.read_text() == signature:
        return
    print_text(f"Checking {source}: weights, tokenizer, template, layers ...", sys.stderr)
    document = run_check(source, chat_template, template_kwargs, adapter, read_placement(home))
    if document["status"] == "refused":
        raise Unusable(document)
    for line in document["lines"]:
        if line["state"] == "note":
            print_text(f"Note on its {line['name']}: {line['detail']}", sys.stderr)
    if adapter is None:
        record.parent.mkdir(exist_ok=True)
        record.write_text(signature)


def run_check(
    source: str,
    chat_template: str | None = None,
    template_kwargs: Mapping[str, Any] = NO_ARGUMENTS,
    adapter: Path | None = None,
    placement: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the document of `rlhf.probe.check.check_model`, made by another process."""
    request = {
        "source": source,
        "chat_template": chat_template,
        "template_kwargs": dict(template_kwargs),
        "adapter": str(adapter) if adapter else None,
        "placement": dict(placement or {}),
    }
    done = subprocess.run(
        [sys.executable, "-m", "rlhf.probe"],
        cwd=ROOT,
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = "killed, probably for want of memory" if done.returncode == -9 else _last_line(done.stderr)
        raise BadInput(f"the check of {source!r} ended early: {reason}", "Free memory, or take a smaller model.")
    return json.loads(done.stdout.splitlines()[-1])


def sign_files(source: str) -> str:
    """Return names, sizes and times of a model's files as one hash; "" if the model is not on this machine."""
    local = Path(source).expanduser()
    folder = local if local.is_dir() else downloaded_folder(source)
    if folder is None:
        return ""
    files = sorted(path for path in folder.iterdir() if path.suffix in PARTS)
    return sha256(repr([(path.name, (s := path.stat()).st_size, s.st_mtime_ns) for path in files]).encode()).hexdigest()


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1][:200]
