# SPDX-License-Identifier: Apache-2.0
"""Reward models: one or more members on the shared base, each a LoRA adapter with a score head, or a head alone.

A head reads the score at the last token. Every scored answer ends in an end token, as in training. Scores are
(raw - offset) / scale; a model that was never calibrated has offset 0 and scale 1. All members share one base, so each
row is encoded and padded once.

Folder: a PEFT adapter of a sequence-classification model, the tokenizer, and `reward.json` (base, fingerprint,
offset, scale). Heads on the bare base stand in `heads.safetensors` instead. The folder of an ensemble of adapters holds
`member-0`, `member-1`, ... with an adapter and a `reward.json` each. A merged reward model is a causal LM with the
adapter in its weights, and the head in a file beside it.

Units: Bradley-Terry fixes a score up to a constant, and its spread shows how confident a member is. The mean over
several members therefore first standardises each member by its offset and scale on the reference samples. That mean
times the members' mean scale is in log-odds again; it is the ensemble's raw score.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import torch

from labeling.texts.pages import bad_input
from reward.about import (
    HEADS,
    MERGED,
    PACKED,
    About,
    check_fingerprint,
    read_about,
    reference_units,
    save_about,
    write_about,
)
from reward.base.frozen_base import Base
from reward.base.memory import reading_passes
from reward.base.placement import Placement
from reward.base.text.template_options import TemplateOptions
from reward.member import Member, load_alone, load_heads, load_members, member_folder, save_heads, save_member

Prompts = Sequence[str | Sequence[dict[str, str]]]
Ids = Sequence[Sequence[int]]


class RewardModel:
    """Members on one base: the score is their mean, the deviation their spread, 0 for one member."""

    def __init__(self, base: Base, members: Sequence[Member], about: About) -> None:
        self.base = base
        self.members = tuple(replace(m, head=m.head.detach().float().to(base.device)) for m in members)
        self.about = replace(about, members=len(members))

    @classmethod
    def load(cls, path: str | Path, base: Base | str | None = None, placement: Placement | None = None) -> RewardModel:
        """Load a reward model from a folder.

        `base` is a loaded base or the source of one; None loads the base that the model was trained on. `placement`
        is of a base that is loaded here. Raises BadInput if the folder is not a reward model, or if the base, the
        tokenizer or the template is not the one it was trained with.
        """
        path = Path(path)
        about = read_about(path)
        if not isinstance(base, Base):
            source = base or (path / about.base if about.base in (MERGED, PACKED) else about.base)
            options = TemplateOptions(about.chat_template, about.template_kwargs, about.template_date)
            base = Base.load(source, placement=placement, **options.keywords())
        check_fingerprint(path.name, about, base)
        if about.method == HEADS:
            return cls(base, load_heads(path, about.members), about)
        members = [load_alone(base, path)] if about.members == 1 else load_members(base, path, about.members)
        return cls(base, members, about)

    @property
    def first_member(self) -> RewardModel:
        """The first member as a reward model of its own, on the same adapter."""
        return self.alone(0)

    @property
    def tokenizer_hash(self) -> str:
        """The hash of the tokenizer whose token ids `score` reads as completions."""
        return self.base.fingerprint["tokenizer"]

    def alone(self, number: int) -> RewardModel:
        """Return member `number` as a reward model of its own, on the same adapter; a model of one returns itself."""
        if len(self.members) == 1:
            return self
        member = self.members[number]
        about = replace(self.about, offset=member.offset, scale=member.scale, cut_points=member.cut_points)
        return RewardModel(self.base, [replace(member, offset=0.0, scale=1.0)], about)

    def score(self, prompts: Prompts, completions: Sequence[str] | Ids) -> list[float]:
        """Return one score per (prompt, completion), higher is better; completions are texts or lists of token ids."""
        return self.score_ids(*self.encode(prompts, completions)).tolist()

    def encode(self, prompts: Prompts, completions: Sequence[str] | Ids) -> tuple[list[list[int]], list[list[int]]]:
        """Return the ids of the prompts and of the completions. Completions may be ids already."""
        ids = [self.base.encode_completion(c) if isinstance(c, str) else list(c) for c in completions]
        return [self.base.encode_prompt(prompt) for prompt in prompts], ids

    def score_ids(self, prompt_ids: Ids, completion_ids: Ids) -> torch.Tensor:
        """Return scores (N,) float32 on the CPU for token ids; a missing end token is appended."""
        return (self.raw_scores(prompt_ids, completion_ids) - self.about.offset) / self.about.scale

    def score_with_deviation(self, prompt_ids: Ids, completion_ids: Ids) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the members' mean and their deviation around it, (N,) each, both in the unit of `score`."""
        members = self._standardised(self._member_scores(prompt_ids, completion_ids))
        size = self._unit / self.about.scale
        return size * members.mean(0) - self.about.offset / self.about.scale, size * members.std(0, correction=0)

    def raw_scores(self, prompt_ids: Ids, completion_ids: Ids) -> torch.Tensor:
        """Return scores (N,) whose differences are the log-odds of being preferred."""
        return self._unit * self._standardised(self._member_scores(prompt_ids, completion_ids)).mean(0)

    def calibrate(self, prompt_ids: Ids, completion_ids: Ids) -> None:
        """Set offset and scale so that these reference samples get mean 0 and deviation 1; likewise each member."""
        scores = self._member_scores(prompt_ids, completion_ids).double()
        if len(self.members) > 1:
            units = [reference_units(row) for row in scores]
            self.members = tuple(
                replace(member, offset=offset, scale=scale)
                for member, (offset, scale) in zip(self.members, units, strict=True)
            )
        offset, scale = reference_units(self._unit * self._standardised(scores).mean(0))
        self.about = replace(self.about, offset=offset, scale=scale)

    def save(self, path: str | Path) -> None:
        """Write the folder that `load` reads."""
        if self.about.method == HEADS:
            Path(path).mkdir(parents=True, exist_ok=True)
            save_heads(self.members, path)
        elif len(self.members) == 1:
            save_member(self.base, self.members[0], path)
        else:
            for number, member in enumerate(self.members):
                save_member(self.base, member, member_folder(path, number))
                write_about(member_folder(path, number), self.alone(number).about)
        save_about(path, self.base, self.about)

    @property
    def _unit(self) -> float:
        return sum(member.scale for member in self.members) / len(self.members)

    def _standardised(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the members' scores (K, N), each minus its member's offset and divided by its member's scale."""
        offsets = torch.tensor([member.offset for member in self.members], dtype=scores.dtype)
        scales = torch.tensor([member.scale for member in self.members], dtype=scores.dtype)
        return (scores - offsets[:, None]) / scales[:, None]

    @torch.no_grad()
    def _member_scores(self, prompt_ids: Ids, completion_ids: Ids) -> torch.Tensor:
        """Return every member's raw scores (K, N) float32 on the CPU."""
        rows = _ended_rows(self.base, prompt_ids, completion_ids)
        scores = torch.empty(len(self.members), len(rows))
        for numbers, ids, mask in _batches(self.base, rows):
            starts = [len(prompt_ids[number]) for number in numbers]
            for _, group in groupby(enumerate(self.members), key=lambda numbered: numbered[1].reads):
                indices, members = zip(*group, strict=True)
                states = members[0].read_states(self.base, ids, mask, starts)
                heads = torch.stack([member.head for member in members])
                scores[torch.tensor(indices)[:, None], torch.tensor(numbers)] = (states @ heads.T).T.cpu()
        return scores


class LowerConfidenceBound:
    """An ensemble's mean score minus `uncertainty` times its deviation.

    Coste, Anwar, Kirk and Krueger, "Reward Model Ensembles Help Mitigate Overoptimization" (2023), call this
    uncertainty-weighted optimization.
    """

    def __init__(self, model: RewardModel, uncertainty: float) -> None:
        self.model, self.uncertainty = model, uncertainty

    @property
    def base(self) -> Base:
        """The base of the ensemble."""
        return self.model.base

    @property
    def first_member(self) -> RewardModel:
        """The ensemble's first member as a reward model of its own."""
        return self.model.first_member

    @property
    def tokenizer_hash(self) -> str:
        """The hash of the tokenizer whose token ids `score` reads as completions."""
        return self.model.tokenizer_hash

    def score(self, prompts: Prompts, completions: Sequence[str] | Ids) -> list[float]:
        """Return one number per (prompt, completion); completions are texts or lists of token ids."""
        scores, deviations = self.model.score_with_deviation(*self.model.encode(prompts, completions))
        return (scores - self.uncertainty * deviations).tolist()


def _ended_rows(base: Base, prompt_ids: Ids, completion_ids: Ids) -> list[list[int]]:
    """Return each prompt with its answer and an end token. Raises BadInput if one exceeds the context."""
    rows = [[*prompt, *base.encoding.append_end(ids)] for prompt, ids in zip(prompt_ids, completion_ids, strict=True)]
    longest = max(map(len, rows), default=0)
    if longest > base.context:
        raise bad_input("refused.long_answer", longest=longest, context=base.context)
    return rows


def _batches(base: Base, rows: Ids) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
    """Yield batches of rows of similar length: row numbers, ids (B, T) and mask (B, T) on the base's device."""
    for numbers in reading_passes(base, [len(row) for row in rows]):
        yield numbers, *base.collate([rows[number] for number in numbers])
