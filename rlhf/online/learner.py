# SPDX-License-Identifier: Apache-2.0
"""The reward model of an online run: heads on the frozen base, fitted again to all labels whenever some are new.

Each answer is read by the base once, so a fit to a thousand labels takes about a second. The reward is a head of prior
mean 0; an ensemble with randomised priors says where it is unsure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from data.views.preferences import PreferenceRow
from reward.about import HEADS, describe_base
from reward.base.frozen_base import Base
from reward.heads.features import answer_features
from reward.heads.fit import Comparisons, choose_penalty, comparison_loss, fit_members
from reward.member import Member
from reward.model import RewardModel
from reward.training.rows import EncodedComparison, RowEncoder

GROWTH = 1.2
"""The penalty is chosen again when the labels have grown by this factor."""


class Learner:
    """Heads that learn from comparisons. `reward` is the reward model, whose head each fit replaces.

    Before the first fit the reward is 0 everywhere.
    """

    def __init__(self, base: Base, members: int, seed: int) -> None:
        self.base, self.members, self.seed = base, members, seed
        width = answer_features(base, [[min(base.eos_ids)]], [[min(base.eos_ids)]]).shape[1]
        self.reward = RewardModel(base, [_pooled(torch.zeros(width))], replace(describe_base(base), method=HEADS))
        self.ensemble = torch.zeros(members, width)
        self.labels = 0
        self.loss = float("nan")
        self._penalty, self._chosen_for = 0.0, 0
        self._features: dict[str, Tensor] = {}

    @property
    def is_fitted(self) -> bool:
        """Return whether any comparison was learned from."""
        return self.labels > 0

    def fit(self, rows: Sequence[PreferenceRow]) -> None:
        """Fit all heads to these comparisons of training prompts. Without one that can be used nothing changes."""
        encoded = RowEncoder(self.base).encode_training(rows)
        if not encoded:
            return
        data, prompts = self._comparisons(encoded), [comparison.row.prompt_id for comparison in encoded]
        if not self._chosen_for <= len(encoded) < GROWTH * self._chosen_for:
            self._penalty, margins = choose_penalty(data, prompts)
            self._chosen_for, self.loss = len(encoded), comparison_loss(margins, data.labels, data.weights)
        point, *ensemble = fit_members(data, self._penalty, self.members, self.seed)
        self.reward.members = (_pooled(point.to(self.base.device)),)
        self.ensemble, self.labels = torch.stack(ensemble), len(encoded)

    def scores(self, prompts: Sequence[list[int]], answers: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
        """Return the raw scores of answers by the reward (N,) and by the ensemble (K, N)."""
        features = answer_features(self.base, prompts, [self.base.encoding.append_end(ids) for ids in answers])
        return features @ self.reward.members[0].head.cpu(), self.ensemble @ features.T

    def _comparisons(self, rows: Sequence[EncodedComparison]) -> Comparisons:
        """Return the rows as features; answers that were not read before are read now."""
        unread: dict[str, tuple[list[int], list[int]]] = {}
        for one in rows:
            unread |= {
                id: (one.prompt, ids)
                for id, ids in ((one.row.a_id, one.a), (one.row.b_id, one.b))
                if id not in self._features
            }
        if unread:
            prompts, answers = zip(*unread.values(), strict=True)
            features = answer_features(self.base, prompts, answers)
            self._features |= dict(zip(unread, features, strict=True))
        first, second = (
            torch.stack([self._features[getattr(one.row, side)] for one in rows]) for side in ("a_id", "b_id")
        )
        labels, weights = (torch.tensor([getattr(one.row, name) for one in rows]) for name in ("label", "weight"))
        return Comparisons.of(first, second, labels, weights / weights.mean())


def _pooled(head: Tensor) -> Member:
    return Member(None, head, pooled=True)
