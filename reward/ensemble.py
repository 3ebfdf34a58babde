"""Reward models that were trained on the same comparisons and disagree where the data say little: an ensemble.

Its folder holds `member-0`, `member-1`, ... (a PEFT adapter with its head and a reward.json each), the tokenizer, and a
reward.json whose `members` is their number. All members are adapters on one base, so that each row is encoded and
padded once and k passes score it.

Units: Bradley-Terry fixes a score up to a constant, and its size says how sure a member is. Both are taken out of each member
by its own offset and scale, mean and deviation on the reference samples; the mean of the members, times their mean
scale to be log-odds again, is the ensemble's raw score.

Coste, Anwar, Kirk and Krueger, "Reward Model Ensembles Help Mitigate Overoptimization" (2023), compare ways to be careful with
an ensemble; `Cautious` is the one that takes a price off for disagreement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from reward.about import About, in_units_of, read_about, save_about, write_about
from reward.base.frozen_base import Base
from reward.model import Prompts, RewardModel, batches, ended_rows

Ids = Sequence[Sequence[int]]


class RewardEnsemble(RewardModel):
    """Several reward models as one: scores are the members' mean, and `deviation` tells how far they are apart."""

    def __init__(self, members: Sequence[RewardModel], about: About) -> None:
        self.base, self.members = members[0].base, tuple(members)
        self.about = replace(about, members=len(members))

    @classmethod
    def of_folder(cls, path: Path, base: Base, about: About) -> RewardEnsemble:
        """Load all members onto `base`; member k of the folder r3 plays the role `reward:r3#k`."""
        folders = [member_folder(path, number) for number in range(about.members)]
        members = [
            RewardModel.of_adapter(one, base, read_about(one), f"reward:{path.name}#{k}")
            for k, one in enumerate(folders)
        ]
        return cls(members, about)

    def raw_scores(self, prompt_ids: Ids, completion_ids: Ids) -> torch.Tensor:
        """The members' mean (N,) in units of log-odds."""
        return self._unit * self._standard(prompt_ids, completion_ids).mean(0)

    def judge(self, prompt_ids: Ids, completion_ids: Ids) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores and deviations, (N,) each and in the same units: the members' mean, and how far they spread around it."""
        members = self._standard(prompt_ids, completion_ids)
        size = self._unit / self.about.scale
        return size * members.mean(0) - self.about.offset / self.about.scale, size * members.std(0, correction=0)

    def calibrate(self, prompt_ids: Ids, completion_ids: Ids) -> None:
        """Let each member, and then their mean, have mean 0 and standard deviation 1 on these reference samples."""
        raw = self._raw(prompt_ids, completion_ids).double()
        for member, scores in zip(self.members, raw, strict=True):
            member.about = in_units_of(scores, member.about)
        self.about = in_units_of(self._unit * self._standardised(raw).mean(0), self.about)

    def save(self, path: str | Path) -> None:
        """Write the folder that `RewardModel.load` reads."""
        for number, member in enumerate(self.members):
            member.save_adapter(member_folder(path, number))
            write_about(member_folder(path, number), member.about)
        save_about(path, self.base, self.about)

    @property
    def _unit(self) -> float:
        return sum(member.about.scale for member in self.members) / len(self.members)

    def _standard(self, prompt_ids: Ids, completion_ids: Ids) -> torch.Tensor:
        return self._standardised(self._raw(prompt_ids, completion_ids))

    def _standardised(self, raw: torch.Tensor) -> torch.Tensor:
        offsets = torch.tensor([member.about.offset for member in self.members], dtype=raw.dtype)
        scales = torch.tensor([member.about.scale for member in self.members], dtype=raw.dtype)
        return (raw - offsets[:, None]) / scales[:, None]

    @torch.no_grad()
    def _raw(self, prompt_ids: Ids, completion_ids: Ids) -> torch.Tensor:
        """Every member's raw scores, (K, N)."""
        rows = ended_rows(self.base, prompt_ids, completion_ids)
        scores = torch.empty(len(self.members), len(rows))
        for numbers, ids, mask in batches(self.base, rows):
            for place, member in enumerate(self.members):
                with self.base.role(member.role):
                    scores[place, numbers] = member.last_token_scores(ids, mask)
        return scores


class Cautious:
    """An ensemble's mean score less `uncertainty` times its deviation: what its members disagree on earns little."""

    def __init__(self, ensemble: RewardEnsemble, uncertainty: float) -> None:
        self.ensemble, self.uncertainty, self.base = ensemble, uncertainty, ensemble.base

    def score(self, prompts: Prompts, completions: Sequence[str] | Ids) -> list[float]:
        """One number per (prompt, completion); completions are texts or lists of token ids."""
        scores, deviations = self.ensemble.judge(*self.ensemble.encode(prompts, completions))
        return (scores - self.uncertainty * deviations).tolist()


def member_folder(path: str | Path, number: int) -> Path:
    """Where member `number` of the ensemble in the folder `path` stands."""
    return Path(path) / f"member-{number}"
