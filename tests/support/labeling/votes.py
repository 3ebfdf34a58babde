# SPDX-License-Identifier: Apache-2.0
"""Votes without a store, and the tables of their pairs."""

from __future__ import annotations

import numpy as np

from data.tables.comparison_columns import ROW
from labeling.quality.labeler_report import LabelerPair, labeler_pairs
from labeling.quality.pair_tables import tabulate
from labeling.quality.votes import Votes


def pairs_of_labelers(votes: Votes) -> tuple[LabelerPair, ...]:
    """Return the agreement of every two labelers; a negative pair is of a ranking."""
    compared, ranked = votes.select(votes.pair >= 0), votes.select(votes.pair < 0)
    rows = np.zeros(len(compared), ROW)
    rows["rowid"] = np.arange(len(rows))
    rows["pair"], rows["labeler"], rows["grade"] = compared.pair, compared.labeler, compared.grade
    return labeler_pairs(tabulate(rows, [])["everybody"].of_group(0), ranked)
