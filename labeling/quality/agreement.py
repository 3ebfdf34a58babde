# SPDX-License-Identifier: Apache-2.0
"""Agreement between labelers: the ceiling for every model that learns from their labels.

Two labelers agree on a pair with 1 if they prefer the same answer or both call it a tie, 0 if they prefer different
answers, and 0.5 if exactly one calls it a tie. Margins do not count. A pair counts once, with the mean over its pairs
of labelers. Krippendorff's alpha is reported beside it: nominal on the preferred answer, ordinal on the seven grades.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.intervals import ratio_interval
from data.store import Store
from data.tables.verdicts import SOURCES
from labeling.quality.krippendorff import DRAWS, Level, alpha, bootstrap_interval
from labeling.quality.patterns import VotePatterns, count_patterns, count_preferences, load_patterns, pair_scores
from labeling.quality.votes import Votes

MEASURED = "agreement.json"
"""File in the home of a run on another machine, which has no verdicts: the agreement of each source as measured."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """`rate` over `pairs` that two or more labelers judged, with its 95 % interval; None without such pairs.

    `units` were judged independently: compared pairs, and tasks of rankings.
    """

    rate: float | None
    low: float
    high: float
    pairs: int
    units: int


class RawAgreement(NamedTuple):
    """`rate` and `pairs` of `Agreement`, without the costly interval."""

    rate: float | None
    pairs: int


@dataclass(frozen=True, slots=True)
class Alpha:
    """Krippendorff's alpha with its 95 % interval over units; None if it is not defined."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class AgreementReport:
    """Agreement in a set of votes: raw, and alpha on the preferred answer (nominal) and on the grades (ordinal)."""

    raw: Agreement
    nominal: Alpha
    ordinal: Alpha

    def as_json(self) -> dict[str, Any]:
        """Return plain values for `--json` and downloads."""
        return {
            "pairs": self.raw.pairs,
            "rate": self.raw.rate,
            "ci": [self.raw.low, self.raw.high],
            "alpha_nominal": self.nominal.value,
            "alpha_nominal_ci": _ends(self.nominal),
            "alpha_ordinal": self.ordinal.value,
            "alpha_ordinal_ci": _ends(self.ordinal),
        }


def measure_agreement(store: Store, source: str = "person") -> Agreement:
    """Return raw agreement between the labelers of one source as the store has it now."""
    measured = store.home / MEASURED
    if measured.is_file():
        return Agreement(**json.loads(measured.read_text())[source])
    patterns = load_patterns(store, source)
    return mean_agreement(*patterns.sum_by_unit(pair_scores(count_preferences(patterns.counts))), patterns.units)


def raw_agreement(store: Store) -> RawAgreement:
    """Return the agreement between people."""
    patterns = load_patterns(store)
    pairs = int(patterns.weights.sum())
    if not pairs:
        return RawAgreement(None, 0)
    scores = pair_scores(count_preferences(patterns.counts))
    return RawAgreement(float(scores @ patterns.weights / pairs), pairs)


def write_agreement(store: Store, folder: Path, sources: Iterable[str] = SOURCES) -> None:
    """Write the agreement of these sources of labels into the home of a run on another machine."""
    measured = {source: asdict(measure_agreement(store, source)) for source in sources}
    (folder / MEASURED).write_text(json.dumps(measured))


def report_agreement(votes: Votes, seed: int = 0) -> AgreementReport:
    """Return the agreement of these votes with 95 % intervals; equal votes and seeds give equal intervals."""
    return report_patterns(count_patterns(votes.on_shared_pairs()), seed)


def report_patterns(patterns: VotePatterns, seed: int = 0) -> AgreementReport:
    """Return the agreement of votes with these patterns; see `report_agreement`."""
    preferences = count_preferences(patterns.counts)
    return AgreementReport(
        mean_agreement(*patterns.sum_by_unit(pair_scores(preferences)), patterns.units),
        alpha_interval(preferences, patterns, "nominal", seed),
        alpha_interval(patterns.counts, patterns, "ordinal", seed),
    )


def mean_agreement(sums: np.ndarray, sizes: np.ndarray, weights: np.ndarray) -> Agreement:
    """Return the mean score of pairs with its 95 % interval.

    Each of the C kinds of unit has a sum of scores (`sums`), a number of pairs (`sizes`) and a number of occurrences
    (`weights`), (C,) each. See `data.intervals.ratio_interval`.
    """
    occurs = weights > 0
    sums, sizes, weights = sums[occurs], sizes[occurs], weights[occurs]
    pairs, count = int(weights @ sizes), int(weights.sum())
    if not pairs:
        return Agreement(None, 0.0, 1.0, 0, 0)
    mean = float(weights @ sums / pairs)
    return Agreement(mean, *ratio_interval(sums, sizes, weights), pairs, count)


def alpha_interval(counts: np.ndarray, patterns: VotePatterns, level: Level, seed: int = 0) -> Alpha:
    """Return alpha with its percentile interval over units; `counts` (U, V) are the patterns' values.

    The interval is approximate; docs/quality.md states its measured coverage.
    """
    value, low, high = alpha(counts, patterns.weights, level), math.nan, math.nan
    if patterns.units.sum() > 1:
        low, high = bootstrap_interval(counts, patterns.resample(seed, DRAWS), level)
    return Alpha(*(None if math.isnan(number) else number for number in (value, low, high)))


def _ends(interval: Alpha) -> list[float] | None:
    return None if interval.low is None or interval.high is None else [interval.low, interval.high]
