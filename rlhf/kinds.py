# SPDX-License-Identifier: Apache-2.0
"""The kinds of run: name, texts, settings, code, and the checks before a run is queued.

Settings and code are named by "module:name" and imported when needed. Settings never import torch; code may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias, cast

from data.errors import BadInput
from data.settings import Settings
from labeling.texts.pages import text
from rlhf.garbage import no_collections

if TYPE_CHECKING:
    from data.run_context import RunContext, RunResult

    Runner: TypeAlias = Callable[[RunContext, Settings], RunResult]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of run.

    `needs` lists the checks of `rlhf.runs.preflight` that must pass before it is queued. `resolves` lists the defaults
    that `rlhf.runs.resolve` replaces then. Several processes can share a run whose settings are `DeviceSettings`.
    """

    name: str
    settings: str
    run: str
    needs: tuple[str, ...] = ()
    resolves: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name of the kind in the reader's language."""
        return text(f"kind.{self.name}.title")

    @property
    def explains(self) -> str:
        """One or two sentences for command help and the run form, in the reader's language."""
        return text(f"kind.{self.name}.explains")

    def settings_class(self) -> type[Settings]:
        """Return the class of settings, importable without torch."""
        settings = _import_name(self.settings)
        assert isinstance(settings, type)
        assert issubclass(settings, Settings)
        return settings

    def runner(self) -> Runner:
        """Return the function `run(context, settings) -> RunResult`; this may import torch."""
        return cast("Runner", _import_name(self.run))  # a test checks the signature of every kind


def _import_name(name: str) -> object:
    """Import the class or function called "module:name"."""
    module, _, attribute = name.partition(":")
    with no_collections():
        return getattr(import_module(module), attribute)


_ALL = (
    Kind(
        "sample",
        "rlhf.settings:SampleSettings",
        "rlhf.methods.sample:run",
        ("prompts", "pairs", "answering policies"),
        ("answering", "prompts"),
    ),
    Kind(
        "simulate",
        "rlhf.methods.simulate:SimulateSettings",
        "rlhf.methods.simulate:run",
        ("waiting pairs",),
    ),
    Kind(
        "reward",
        "reward.settings:RewardSettings",
        "reward.training.run:run",
        ("labels", "named adapter", "guard part"),
        ("base", "comparisons", "guard part"),
    ),
    Kind(
        "ppo",
        "rlhf.ppo.settings:PPOSettings",
        "rlhf.ppo.run:run",
        ("prompts", "start", "reward", "guard", "people", "uncertainty"),
        ("start", "reward", "guard", "prompts"),
    ),
    Kind(
        "online",
        "rlhf.online.settings:OnlineSettings",
        "rlhf.online.run:run",
        ("prompts", "start", "label sources", "project"),
        ("start", "prompts"),
    ),
    Kind(
        "dpo",
        "rlhf.settings:DPOSettings",
        "rlhf.methods.dpo:run",
        ("start", "start adapter", "finetuning", "labels"),
        ("start", "comparisons"),
    ),
    Kind(
        "rejection",
        "rlhf.settings:RejectionSettings",
        "rlhf.methods.rejection:run",
        ("prompts", "start", "start adapter", "reward"),
        ("start", "reward", "prompts"),
    ),
    Kind(
        "best-of-n",
        "rlhf.settings:BestOfNSettings",
        "rlhf.methods.best_of_n:run",
        ("start", "reward"),
        ("start", "reward", "prompts"),
    ),
    Kind(
        "sft",
        "rlhf.settings:SFTSettings",
        "rlhf.methods.sft:run",
        ("instructions", "policy", "first adapter", "finetuning"),
        ("first", "instructions"),
    ),
    Kind(
        "pretrain",
        "rlhf.settings:PretrainSettings",
        "rlhf.methods.pretrain:run",
        ("text",),
    ),
    Kind(
        "compare",
        "rlhf.settings:CompareSettings",
        "rlhf.evaluation.compare:run",
        ("prompts", "contests"),
        ("contests", "prompts"),
    ),
    Kind("export", "rlhf.model_runs:ExportSettings", "rlhf.model_runs:run_export", ("exported",), ("exported",)),
    Kind(
        "merge", "rlhf.model_runs:MergeSettings", "rlhf.model_runs:run_merge", ("start", "adapter to merge"), ("start",)
    ),
    Kind(
        "embed",
        "rlhf.clinic.settings:EmbedSettings",
        "rlhf.clinic.embed:run",
        ("rows", "policy"),
        ("first", "rows"),
    ),
    Kind(
        "curate",
        "rlhf.clinic.settings:CurateSettings",
        "rlhf.clinic.curate:run",
        ("rows", "recipe"),
        ("examination", "ratings"),
    ),
    Kind(
        "quantity",
        "rlhf.clinic.settings:QuantitySettings",
        "rlhf.clinic.trials:run_quantity",
        ("rows", "policy", "first adapter", "judge"),
        ("first", "instructions", "prompts"),
    ),
    Kind(
        "ab",
        "rlhf.clinic.settings:ABSettings",
        "rlhf.clinic.trials:run_ab",
        ("rows", "policy", "first adapter", "judge"),
        ("first", "instructions", "prompts"),
    ),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
COMMANDS = {
    "simulate": "simulate --labels 200 --labelers 4",
    "export": "export FOLDER --what policy --id POLICY",
    "merge": "policies merge POLICY",
    "endpoint": "sample --endpoint URL --model NAME",
    "embed": "curate embed",
    "curate": "curate recipe",
    "quantity": "curate quantity",
    "ab": "curate ab",
}
"""Commands of kinds that are no trainings and have another name than theirs."""
OWN_OPTIONS = ("simulate", "export", "merge")
"""Kinds whose command has options of its own and does not queue a run; pages queue it."""
PARALLEL_KINDS = ("endpoint", "simulate")
"""Kinds of run that need little of this machine: they run beside others, and delay none."""
TRAININGS = ("pretrain", "sft", "reward", "ppo", "online", "dpo", "rejection", "best-of-n")


def kind_title(name: str) -> str:
    """Return the title of a kind of run in the reader's language; of one that this version does not know, its name."""
    return KINDS[name].title if name in KINDS else name


def start_command(kind: str) -> str:
    """Return the command that starts a run of that kind."""
    return f"train {kind}" if kind in TRAININGS else COMMANDS.get(kind, kind)


def find_kind(name: str) -> Kind:
    """Return the kind of that name. Raises BadInput with the nearest name if there is none."""
    if name not in KINDS:
        raise _unknown(name, "run", KINDS)
    return KINDS[name]


def check_training(name: str) -> None:
    """Raise BadInput with the nearest name if `train` takes no kind of that name."""
    if name not in TRAININGS:
        raise _unknown(name, "training", TRAININGS)


def _unknown(name: str, noun: str, known: Iterable[str]) -> BadInput:
    names = list(known)
    near = get_close_matches(name, names, n=1)
    remedy = f"Did you mean {near[0]!r}?" if near else f"Use one of {', '.join(names)}."
    return BadInput(f"there is no kind of {noun} called {name!r}", remedy, field="kind")
