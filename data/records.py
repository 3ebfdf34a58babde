# SPDX-License-Identifier: Apache-2.0
"""Frozen records that the store returns, one for each noun.

Ids of prompts, pairs, accounts, policies, reward models, runs and snapshots are integers of this store
(`data.ids.public_id` writes them for people); ids of completions and comparisons are text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

from data.ids import POLICY, REWARD_MODEL, RUN, SNAPSHOT, public_id


class _Public:
    __slots__ = ()
    prefix: ClassVar[str]
    id: int

    @property
    def public(self) -> str:
        """Return the id that people read: p4, r3, run17, s2."""
        return public_id(self.prefix, self.id)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A task for a model. `messages` is a conversation's list of {role, content}; `facts` is what the rubric reads."""

    id: int
    text: str
    messages: list[dict] | None
    split: str
    source: str
    family: str | None
    facts: dict | None


@dataclass(frozen=True, slots=True)
class Instruction:
    """A prompt with an answer to imitate; `defects` names the faults that are marked in it."""

    id: int
    prompt_id: int
    instruction: str
    input: str
    output: str
    source: str
    defects: list[str]
    split: str


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer. `token_ids` are the ids as sampled (with the end id if `ended`); None for an imported text."""

    id: str
    prompt_id: int
    policy_id: int | None
    model_name: str
    text: str
    token_ids: list[int] | None
    sampling: dict
    seed: int | None
    number: int
    ended: bool
    run_id: int | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two completions of one prompt, in the order of their ids. The assignment decides their sides."""

    id: int
    prompt_id: int
    first_id: str
    second_id: str
    purpose: str
    shown: bool
    priority: int
    run_id: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One event: a labeler's verdict on two completions and their sides. `margin`: 1 to 3, or 0 without a winner."""

    id: str
    assignment_id: str | None
    pair_id: int
    labeler_id: int
    left_id: str
    right_id: str
    verdict: str
    winner_id: str | None
    margin: int
    late: bool
    supersedes: str | None
    source: str
    source_hash: str | None
    project_id: int
    guideline_version: int
    seconds: float | None
    created_at: str


@dataclass(frozen=True, slots=True)
class Account:
    """A person, a simulated labeler, or the author of imported comparisons. No password hash: no login."""

    id: int
    name: str
    role: str
    password_hash: str | None = field(repr=False)
    simulated: bool
    disabled: bool
    created_at: str


@dataclass(frozen=True, slots=True)
class Run(_Public):
    """A job: its complete settings, its state, and where it works: a process, or a launcher's handle and its node."""

    prefix: ClassVar[str] = RUN
    id: int
    kind: str
    settings: dict
    state: str
    cancel_requested: bool
    resumes: int | None
    created_by: str
    created_at: str
    started_at: str | None
    ended_at: str | None
    heartbeat_at: str | None
    pid: int | None
    pid_started: float | None
    boot_id: str | None
    done: int
    total: int
    note: str
    error: str | None
    produced: list[str]
    report: dict
    progress_at: str | None
    launcher: str
    handle: str | None
    node: str

    @property
    def over(self) -> bool:
        """Return whether the run has ended, done or not."""
        return self.state not in ("queued", "running")


class Note(NamedTuple):
    """The words and marks that people gave to a run, a policy or a reward model."""

    name: str = ""
    text: str = ""
    tags: tuple[str, ...] = ()
    archived: bool = False
    baseline: bool = False


@dataclass(frozen=True, slots=True)
class Policy(_Public):
    """An adapter on a base, with its lineage. `adapter` is a folder under the home; None for the bare base."""

    prefix: ClassVar[str] = POLICY

    id: int
    name: str
    kind: str
    base: str
    adapter: str | None
    parent_id: int | None
    reward_model_id: int | None
    snapshot_id: int | None
    run_id: int | None
    config: dict
    seed: int | None
    versions: dict
    created_at: str


RewardRole = Literal["driver", "guard", "judge"]
"""The use of a reward model: it drives trainings, guards them against over-optimisation, or judges policies."""


@dataclass(frozen=True, slots=True)
class RewardModel(_Public):
    """An adapter and a head on a base, with the report of its training."""

    prefix: ClassVar[str] = REWARD_MODEL

    id: int
    name: str
    base: str
    adapter: str
    snapshot_id: int | None
    run_id: int | None
    config: dict
    report: dict
    seed: int | None
    versions: dict
    created_at: str
    role: RewardRole


@dataclass(frozen=True, slots=True)
class Snapshot(_Public):
    """Rows frozen with their weights; the same content is the same snapshot."""

    prefix: ClassVar[str] = SNAPSHOT

    id: int
    hash: str
    kind: str
    name: str | None
    row_count: int
    filters: dict
    created_at: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of judging a policy, alone or against another, by the rubric, simulated labelers or a reward model."""

    id: int
    policy_id: int
    against_id: int | None
    judge: str
    report: dict
    run_id: int | None
    created_at: str
