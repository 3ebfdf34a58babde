# SPDX-License-Identifier: Apache-2.0
"""The split of every prompt. It depends on the normalised text alone and never changes.

Prompts that are equal once normalised are different prompts (`data.tables.prompts`) in one split: no near copy of a
training prompt is held out.

75 % train, 10 % validation, 15 % test. Nothing trains on test prompts; accuracy, win rates and comparisons of
policies use nothing else.
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Literal

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def normalise(text: str) -> str:
    """Return the text in one Unicode form, in lower case, with single spaces: such differences make no other split.

    The fold of Unicode's NFKC_Casefold (The Unicode Standard, 3.13.5), so normalising is idempotent.
    """
    for form in ("NFD", "NFKC"):
        text = unicodedata.normalize(form, text).casefold()
    return " ".join(unicodedata.normalize("NFKC", text).split())


def split_of(text: str) -> Split:
    """Return the split: the first 8 hex digits of the sha256 of the normalised text, modulo 100.

    Under 75 train, under 85 validation.
    """
    digest = hashlib.sha256(normalise(text).encode("utf-8", "surrogatepass")).hexdigest()
    place = int(digest[:8], 16) % 100
    if place < 75:
        return "train"
    return "validation" if place < 85 else "test"
