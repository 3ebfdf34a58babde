# SPDX-License-Identifier: Apache-2.0
"""Rules on runs on other machines, and the mark of a home there. Importable without torch."""

from __future__ import annotations

from pathlib import Path

from data.ids import REWARD_MODEL
from data.records import Run
from data.settings import Settings
from data.starter import SOURCE
from data.store import Store
from data.tables.runs import LOCAL
from labeling.texts.pages import bad_input
from rlhf.launchers.cluster import read_cluster
from rlhf.models.start_policy import BEST_OF_N

KINDS = ("pretrain", "sft", "dpo", "reward", "ppo", "rejection", "best-of-n", "sample", "compare", "embed")
"""Kinds of run whose rows can be sent, and whose results can be published in one transaction."""
REASONS = {"online": "elsewhere_online", "quantity": "elsewhere_trial", "ab": "elsewhere_trial"}
"""The texts that say why another kind needs this machine."""
BUNDLES = "bundles"
"""Folder in the home's `cache` that holds the bundles of runs that have not ended."""
JOB_FILE = "job.json"
"""File in a job home: the home of one run on another machine."""


def delete_bundle(home: Path, run: Run) -> None:
    """Delete the bundle of a run that has ended."""
    for file in (home / "cache" / BUNDLES).glob(f"{run.public}-*.tar"):
        file.unlink(missing_ok=True)


def is_job_home(home: Path) -> bool:
    """Return whether this is the home of one run on another machine."""
    return (home / JOB_FILE).is_file()


def check_launcher(store: Store, kind: str, settings: Settings) -> bool:
    """Check that a run may work where its settings say, and return whether that is here. `settings` name its models.

    Raises BadInput for a kind or a setting that needs this machine, and without the file that describes a cluster.
    """
    launcher = getattr(settings, "launcher", LOCAL)
    if launcher == LOCAL:
        return True
    if kind not in KINDS:
        key, kinds = f"refused.{REASONS.get(kind, 'elsewhere_kind')}", ", ".join(KINDS)
        raise bad_input(key, field="launcher", launcher=launcher, name=kind, kinds=kinds)
    if getattr(settings, "people", 0):
        raise bad_input("refused.elsewhere_people", field="people", launcher=launcher)
    for name in _rewards(store, settings):
        if name and not name.removeprefix(REWARD_MODEL).isdigit():
            raise bad_input("refused.elsewhere_reward", field="reward", launcher=launcher, name=name)
    if kind == "embed" and (model := getattr(settings, "model", "")):
        raise bad_input("refused.elsewhere_model", field="model", launcher=launcher, model=model)
    source = getattr(settings, "text", SOURCE)
    if source != SOURCE:
        raise bad_input("refused.elsewhere_text", field="text", launcher=launcher, path=source)
    if launcher == "ray":
        read_cluster(store.home)
    return False


def _rewards(store: Store, settings: Settings) -> list[str]:
    """Return the rewards that the settings name, and those by which their best-of-n policies choose."""
    names = [getattr(settings, "from_", ""), getattr(settings, "against", ""), *getattr(settings, "policies", ())]
    policies = [store.policies.get(name) for name in names if name]
    chosen = [policy.config["reward"] for policy in policies if policy.kind == BEST_OF_N]
    return [getattr(settings, "reward", ""), getattr(settings, "guard_name", ""), *chosen]
