# SPDX-License-Identifier: Apache-2.0
"""The fingerprint of a base model's files: a base is never sent, so a node must have the same one.

The hash covers the weights, the configuration and the tokenizer. It is read without torch, and each file once.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from data.ids import canonical_json
from data.starter import BASE, SOURCE
from rlhf.runs.base_files import base_folder

TEXTS = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)
"""Files beside the weights that change what a base computes."""
READ_BYTES = 1024**2


def find_base(name: str) -> Path | None:
    """Return the folder of a base on this machine, None if it is not there."""
    return BASE if name == SOURCE else base_folder(name)


def hash_base(folder: Path) -> str:
    """Return the hash of a base's files."""
    weights = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    files = [*(folder / name for name in TEXTS if (folder / name).is_file()), *weights]
    states = [(path, path.stat()) for path in files]
    parts = {path.name: hash_file(path, state.st_size, state.st_mtime_ns) for path, state in states}
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


@lru_cache(maxsize=4096)
def hash_file(path: Path, size: int, changed: int) -> str:
    """Return the hash of a file, computed once for each of its states: its size, and the time of its last change."""
    return read_hash(path)


def read_hash(path: Path) -> str:
    """Read a file and return its hash."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(READ_BYTES):
            digest.update(part)
    return digest.hexdigest()
