# SPDX-License-Identifier: Apache-2.0
"""The kinds of run: name, title, settings, code, and the checks before it starts.

Settings and code are named by "module:name" and imported when needed: settings never import torch, code does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from data.errors import BadInput
from data.settings import Settings


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of run.

    `needs` lists the checks of `rlhf.runs.preflight` that must hold before it is queued.
    `shared`: it can run in several processes.
    """

    name: str
    title: str
    explains: str
    settings: str
    run: str
    needs: tuple[str, ...] = ()
    shared: bool = False

    def settings_class(self) -> type[Settings]:
        """Return the class of settings, importable without torch."""
        return _find(self.settings)

    def runner(self) -> Callable[[Any, Any], Any]:
        """Return the function `run(context, settings) -> RunResult`; this may import torch."""
        return _find(self.run)


def _find(name: str) -> Any:  # noqa: ANN401 (a class of settings or a function)
    """Import what "module:name" refers to."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


_ALL = (
    Kind(
        "sample",
        "Sample",
        "Completions of a policy for prompts, and pairs from them for the labelers.",
        "rlhf.settings:SampleSettings",
        "rlhf.methods.sample:run",
        ("prompts", "pairs", "speakers"),
    ),
    Kind(
        "reward",
        "Reward model",
        "A reward model that orders answers as the stored comparisons do.",
        "reward.settings:RewardSettings",
        "reward.training.run:run",
        ("labels",),
    ),
    Kind(
        "ppo",
        "PPO",
        "A new policy that the reward model likes better, kept near the one it starts from.",
        "rlhf.ppo.settings:PPOSettings",
        "rlhf.ppo.run:run",
        ("prompts", "start", "reward", "guard", "uncertainty"),
        shared=True,
    ),
    Kind(
        "dpo",
        "DPO",
        "A new policy straight from the comparisons, without a reward model.",
        "rlhf.settings:DPOSettings",
        "rlhf.methods.dpo:run",
        ("start", "labels"),
    ),
    Kind(
        "rejection",
        "Rejection sampling",
        "A policy that imitates the best of several answers of its own, round by round.",
        "rlhf.settings:RejectionSettings",
        "rlhf.methods.rejection:run",
        ("prompts", "start", "reward"),
    ),
    Kind(
        "best-of-n",
        "Best of n",
        "A policy that draws n answers and gives the one a reward model likes best. Nothing is trained.",
        "rlhf.settings:BestOfNSettings",
        "rlhf.methods.best_of_n:run",
        ("start", "reward"),
    ),
    Kind(
        "sft",
        "Supervised fine-tuning",
        "A policy that imitates the instruction rows.",
        "rlhf.settings:SFTSettings",
        "rlhf.methods.sft:run",
        ("instructions", "policy"),
    ),
    Kind(
        "pretrain",
        "Pre-training",
        "A small base model of its own, from raw text.",
        "rlhf.settings:PretrainSettings",
        "rlhf.methods.pretrain:run",
        ("text",),
    ),
    Kind(
        "compare",
        "Compare",
        "Answers of two policies to the test prompts, judged: the win rate with its interval.",
        "rlhf.settings:CompareSettings",
        "rlhf.evaluation.compare:run",
        ("prompts", "contests"),
    ),
    Kind(
        "embed",
        "Examine rows",
        "A map of the instruction rows: vectors, near-duplicates, clusters, "
        "and how much each instruction helps to predict its answer.",
        "rlhf.clinic.settings:EmbedSettings",
        "rlhf.clinic.embed:run",
        ("rows", "policy"),
    ),
    Kind(
        "curate",
        "Curate",
        "A snapshot of few, good and varied instruction rows, by a recipe.",
        "rlhf.clinic.settings:CurateSettings",
        "rlhf.clinic.curate:run",
        ("rows", "recipe"),
    ),
    Kind(
        "quantity",
        "How many rows",
        "Policies trained for the same steps on more and more rows: "
        "the win rate against the start, and the point at which it flattens.",
        "rlhf.clinic.settings:QuantitySettings",
        "rlhf.clinic.trials:run_quantity",
        ("rows", "policy", "judge"),
    ),
    Kind(
        "ab",
        "A against B",
        "Policies trained for the same steps on two snapshots of instruction rows, judged against each other.",
        "rlhf.clinic.settings:ABSettings",
        "rlhf.clinic.trials:run_ab",
        ("rows", "policy", "judge"),
    ),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
TRAININGS = ("pretrain", "sft", "reward", "ppo", "dpo", "rejection", "best-of-n")


def start_command(kind: str) -> str:
    """Return the command that starts a run of that kind."""
    if kind in TRAININGS:
        return f"train {kind}"
    return "sample --endpoint URL --model NAME" if kind == "endpoint" else kind


def find_kind(name: str) -> Kind:
    """Return the kind of that name. Raises BadInput, with the nearest name, if there is none."""
    if name in KINDS:
        return KINDS[name]
    near = get_close_matches(name, KINDS, n=1)
    remedy = f"Did you mean {near[0]!r}?" if near else f"Use one of {', '.join(KINDS)}."
    raise BadInput(f"there is no kind of run called {name!r}", remedy, field="kind")
