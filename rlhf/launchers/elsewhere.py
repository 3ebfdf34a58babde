# SPDX-License-Identifier: Apache-2.0
"""Rules on runs on other machines, and the mark of a home there. Importable without torch."""

from __future__ import annotations

from pathlib import Path

from data.ids import REWARD_MODEL
from data.settings import Settings
from data.starter import SOURCE
from data.tables.runs import LOCAL
from labeling.texts.pages import bad_input
from rlhf.launchers.cluster import read_cluster

KINDS = ("pretrain", "sft", "dpo", "reward", "ppo")
"""Kinds of run whose results are policies or reward models, and nothing else."""
JOB_FILE = "job.json"
"""File in a job home: the home of one run on another machine."""


def is_job_home(home: Path) -> bool:
    """Return whether this is the home of one run on another machine."""
    return (home / JOB_FILE).is_file()


def check_launcher(home: Path, kind: str, settings: Settings) -> bool:
    """Check that a run may work where its settings say, and return whether that is here. `settings` name its models.

    Raises BadInput for a kind or a setting that needs this machine, and without the file that describes a cluster.
    """
    launcher = getattr(settings, "launcher", LOCAL)
    if launcher == LOCAL:
        return True
    if kind not in KINDS:
        kinds = ", ".join(KINDS)
        raise bad_input("refused.elsewhere_kind", field="launcher", launcher=launcher, name=kind, kinds=kinds)
    if getattr(settings, "people", 0):
        raise bad_input("refused.elsewhere_people", field="people", launcher=launcher)
    for field in ("reward", "guard_name"):
        name = getattr(settings, field, "")
        if name and not name.removeprefix(REWARD_MODEL).isdigit():
            raise bad_input("refused.elsewhere_reward", field="reward", launcher=launcher, name=name)
    source = getattr(settings, "text", SOURCE)
    if source != SOURCE:
        raise bad_input("refused.elsewhere_text", field="text", launcher=launcher, path=source)
    if launcher == "ray":
        read_cluster(home)
    return False
