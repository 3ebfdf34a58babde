# SPDX-License-Identifier: Apache-2.0
"""The reward model of an online run: heads on the frozen base, fitted again to all labels whenever some are new.

Each answer is read by the base once, so a fit to a thousand labels takes about a second. The reward is a head of prior
mean 0; an ensemble with randomised priors says where it is unsure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from data.views.preferences import PreferenceRow
from reward.about import HEADS, describe_base
from reward.base.frozen_base import Base
from reward.heads.features import answer_features
from reward.heads.fit import Comparisons, choose_penalty, comparison_loss, fit_to_priors, no_prior, random_priors
from reward.member import Member
from reward.model import Ids, RewardModel
from reward.protocol import Prompt
from reward.training.rows import EncodedComparison, RowEncoder

Text = tuple[tuple[int, ...], tuple[int, ...]]
"""A prompt and an answer with its end, as ids."""
REMEMBERED = 1024
"""Texts whose features stay in memory beside those of labelled answers."""
GROWTH = 1.2
"""The penalty is chosen again when the labels have grown by this factor."""


def count_labels(rows: Sequence[PreferenceRow]) -> int:
    """Count the answered questions that these comparisons come from: a ranking is one."""
    return len({row.said_in or row.comparison_id for row in rows})


def comparison_weights(rows: Sequence[PreferenceRow]) -> Tensor:
    """Return the weights (N,). The comparisons of a ranking together weigh as one other comparison.

    This is the weight of a ranking in `reward.training.losses.mean_of_groups`. The total is their number, each ranking
    counted as one.
    """
    sources = [row.said_in if row.kind == "ranking" else row.comparison_id for row in rows]
    sizes = Counter(sources)
    weights = torch.tensor(
        [1 / sizes[source] if row.kind == "ranking" else row.weight for row, source in zip(rows, sources, strict=True)]
    )
    return weights * (len(sizes) / weights.sum())


class Learner:
    """Heads that learn from comparisons, as a reward: see `reward.protocol.Rewarder`.

    Before the first fit the reward is 0 everywhere.
    """

    def __init__(self, base: Base, members: int, seed: int) -> None:
        self.base, self.members, self.seed = base, members, seed
        width = answer_features(base, [[min(base.eos_ids)]], [[min(base.eos_ids)]]).shape[1]
        self.head, self.ensemble = torch.zeros(width), torch.zeros(members, width)
        self.labels = self.comparisons = 0
        self.loss: float | None = None
        self._penalty, self._chosen_for = 0.0, 0
        self._recent: dict[Text, Tensor] = {}
        self._labeled: dict[str, Tensor] = {}

    @property
    def is_fitted(self) -> bool:
        """Return whether any comparison was learned from."""
        return self.comparisons > 0

    @property
    def tokenizer_hash(self) -> str:
        """The hash of the tokenizer whose token ids `score` reads as completions."""
        return self.base.fingerprint["tokenizer"]

    def fit(self, rows: Sequence[PreferenceRow]) -> None:
        """Fit all heads to these comparisons of training prompts. Without one that can be used nothing changes."""
        encoded = RowEncoder(self.base).encode_training(rows)
        if not encoded:
            return
        data, prompts = self._comparisons(encoded), [comparison.row.prompt_id for comparison in encoded]
        if not self._chosen_for <= len(encoded) < GROWTH * self._chosen_for:
            self._penalty, margins = choose_penalty(data, prompts)
            self._chosen_for, self.loss = len(encoded), comparison_loss(margins, data.labels, data.weights)
        width = len(data.scale)
        self.head = fit_to_priors(data, self._penalty, no_prior(width))[0]
        priors = random_priors(self.members, width, self._penalty, self.seed)
        self.ensemble = fit_to_priors(data, self._penalty, priors)
        self.labels, self.comparisons = count_labels([comparison.row for comparison in encoded]), len(encoded)

    def reward_model(self) -> RewardModel:
        """Return the reward as a model that can be saved; its unit is to be calibrated."""
        head = Member(None, self.head.clone(), pooled=True)
        return RewardModel(self.base, [head], replace(describe_base(self.base), method=HEADS))

    def score(self, prompts: Sequence[Prompt], completions: Sequence[str] | Ids) -> list[float]:
        """Return one raw score per (prompt, completion), higher is better; completions are texts or lists of ids."""
        ids = [self.base.encode_completion(one) if isinstance(one, str) else list(one) for one in completions]
        return self.scores([self.base.encode_prompt(prompt) for prompt in prompts], ids)[0].tolist()

    def scores(self, prompts: Sequence[list[int]], answers: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
        """Return the raw scores of answers by the reward (N,) and by the ensemble (K, N)."""
        features = self._read(prompts, [self.base.encoding.append_end(ids) for ids in answers])
        return features @ self.head, self.ensemble @ features.T

    def _comparisons(self, rows: Sequence[EncodedComparison]) -> Comparisons:
        """Return the rows as features; answers that were not labelled before are read now."""
        sides = [(one.row.a_id, one.prompt, one.a) for one in rows] + [
            (one.row.b_id, one.prompt, one.b) for one in rows
        ]
        fresh = {id: (prompt, ids) for id, prompt, ids in sides if id not in self._labeled}
        if fresh:
            prompts, answers = zip(*fresh.values(), strict=True)
            self._labeled |= dict(zip(fresh, self._read(prompts, answers), strict=True))
        first, second = torch.stack([self._labeled[id] for id, *_ in sides]).chunk(2)
        labels = torch.tensor([one.row.label for one in rows])
        return Comparisons.of(first, second, labels, comparison_weights([one.row for one in rows]))

    def _read(self, prompts: Sequence[list[int]], answers: Sequence[list[int]]) -> Tensor:
        """Return the features (N, F) of answers with their ends. Those of the last texts are remembered.

        A rollout is read for its questions and again for its rewards, and the start's answers after every fit.
        """
        texts = [(tuple(prompt), tuple(answer)) for prompt, answer in zip(prompts, answers, strict=True)]
        unread = list(dict.fromkeys(text for text in texts if text not in self._recent))
        if unread:
            read = answer_features(self.base, [list(prompt) for prompt, _ in unread], [list(ids) for _, ids in unread])
            self._recent |= dict(zip(unread, read, strict=True))
        features = torch.stack([self._recent[text] for text in texts])
        for text in list(self._recent)[: max(0, len(self._recent) - REMEMBERED)]:
            del self._recent[text]
        return features
