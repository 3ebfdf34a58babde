# SPDX-License-Identifier: Apache-2.0
"""`preference-loop reward`: list reward models, show one, change its role. `train reward` trains one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from data.cli import open_store
from data.ids import REWARD_MODEL, parse_id
from data.records import RewardModel
from labeling.texts.pages import format_share
from reward.roles import ROLES, change_role

if TYPE_CHECKING:
    from data.store import Store  # with pandas, which the help of the commands does without

BY = "command line"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add `reward` with its verbs; each handler returns the JSON document."""
    text = "List and show reward models, and change their roles."
    verbs = subparsers.add_parser("reward", help=text, description=text).add_subparsers(required=True, metavar="VERB")
    explains = "List reward models, or show one: its role and its accuracy."
    show = verbs.add_parser("show", parents=[common], help=explains, description=explains)
    show.add_argument("id", nargs="?", metavar="MODEL", help="reward model to show, such as r2 (default: all)")
    show.set_defaults(run=cmd_show, render=render_models)
    explains = "Change the role of a reward model. Trainings use the drivers by default, and never a guard or a judge."
    role = verbs.add_parser("role", parents=[common], help=explains, description=explains)
    role.add_argument("id", metavar="MODEL", help="reward model, such as r2")
    role.add_argument("role", metavar="ROLE", help=f"new role: {', '.join(ROLES)}")
    role.set_defaults(run=cmd_role, render=render_models)


def cmd_show(args: argparse.Namespace) -> dict[str, Any]:
    """Return the documents of one or all reward models."""
    store = open_store(args)
    models = [store.reward_models.get(parse_id(args.id, REWARD_MODEL))] if args.id else store.reward_models.all()
    return {"reward_models": [model_document(store, model) for model in models]}


def cmd_role(args: argparse.Namespace) -> dict[str, Any]:
    """Change a role and return the document of the reward model."""
    store = open_store(args)
    return {"reward_models": [model_document(store, change_role(store, args.id, args.role, by=BY))]}


def model_document(store: Store, model: RewardModel) -> dict[str, Any]:
    """Return a reward model's id, name, role and main figures, and its accuracy on later comparisons."""
    from reward.report.live import live_accuracy  # with numpy, which the help of commands does without

    figures = {key: model.report.get(key) for key in ("accuracy", "ci", "length_baseline", "reachable")}
    decided = (model.report.get("test_comparisons") or 0) - (model.report.get("ties") or 0)
    live = live_accuracy(store, model)
    since = live and {"accuracy": live.accuracy, "ci": live.interval, "comparisons": live.comparisons}
    about = {"id": model.public, "name": model.name, "role": model.role}
    return {**about, **figures, "comparisons": decided, "since_training": since}


def render_models(document: dict[str, Any]) -> str:
    """Return a line per reward model."""
    return "\n".join(map(_line, document["reward_models"])) or "no reward model yet"


def _line(model: dict[str, Any]) -> str:
    share = format_share(model["accuracy"], model["ci"], model["comparisons"])
    line = f"{model['id']}  {model['role']}  {model['name']}: accuracy {share}"
    if live := model["since_training"]:
        line += f", since training {format_share(live['accuracy'], live['ci'], live['comparisons'])}"
    if model["reachable"]:
        line += f"; the best possible model reaches {' to '.join(f'{100 * end:.0f}' for end in model['reachable'])} %"
    return line
