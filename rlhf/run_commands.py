# SPDX-License-Identifier: Apache-2.0
"""Commands that queue a run and return: sample, train, compare, curate. With --wait they follow it to its end.

The help needs neither the store nor the code of runs; each handler loads what it uses.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from data.errors import BadInput
from data.settings import parse_settings
from rlhf.clinic.commands import register_curate
from rlhf.kinds import KINDS, check_training
from rlhf.models.reward_sources import SOURCE_HELP, add_sources
from rlhf.sampling.openai_endpoint import KEY
from rlhf.settings_help import SettingsHelp

if TYPE_CHECKING:
    from data.store import Store

LONG_FIELDS = ("gold_draws", "examples")
"""Parts of an evaluation that are stored and not printed."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add these commands; each handler returns the JSON document."""

    def add(
        name: str, text: str, run: Callable, render: Callable | None = None, *, kind: str
    ) -> argparse.ArgumentParser:
        parser = subparsers.add_parser(name, parents=[common], add_help=False, help=text, description=text)
        parser.set_defaults(run=run, render=render or render_started)
        _add_run_options(parser, kind)
        return parser

    _add_sample_options(add("sample", KINDS["sample"].explains, cmd_sample, kind="sample"))
    train = add("train", "Train a model on what this home holds.", cmd_train, kind="")
    train.add_argument("kind", metavar="KIND", help="kind of training; --help lists them")
    train.add_argument("--reward-source", action="append", default=[], metavar="NAME=SPEC", help=SOURCE_HELP)
    compare = add("compare", KINDS["compare"].explains, cmd_compare, render_compared, kind="compare")
    compare.add_argument("policies", nargs="+", metavar="POLICY", help="policies to judge, such as p3 p4")
    compare.add_argument("--against", default="", help="policy to compare with (default: the parent of each)")
    register_curate(subparsers, common, _start, _open_home, _add_run_options, render_started)


def _add_sample_options(sample: argparse.ArgumentParser) -> None:
    sample.add_argument("--policy", default="", help="policy that answers, such as p4 (default: the newest)")
    sample.add_argument(
        "--against", default="", help="second policy; pairs hold one answer of each, shown blind (default: none)"
    )
    sample.add_argument(
        "--endpoint",
        default="",
        metavar="URL",
        help=f"sample an OpenAI-compatible endpoint instead; the key is read from ${KEY} (default: none);"
        " `sample --endpoint URL --help` lists its settings",
    )
    sample.add_argument(
        "--model", default="", metavar="NAME", help="with --endpoint: the name of the model there (no default)"
    )
    sample.add_argument("--prompts", type=int, default=100, metavar="N", help="number of prompts (default %(default)s)")
    sample.add_argument(
        "--per-prompt", type=int, default=2, metavar="N", help="answers to each prompt (default %(default)s)"
    )


def _add_run_options(parser: argparse.ArgumentParser, kind: str) -> None:
    """Add the options of every command that queues a run of that kind; "": `train`, whose argument names the kind."""
    parser.add_argument("-h", "--help", action=SettingsHelp, kind=kind, help="show this help with all settings")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one setting of the run; repeat for more; --help lists them (default: none)",
    )
    parser.add_argument(
        "--wait",
        action="store_true",
        help="wait for the end of the run; Ctrl-C stops only the waiting (default: do not wait)",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="show the complete settings and the memory that the run would need, and queue nothing",
    )


def cmd_sample(args: argparse.Namespace) -> dict:
    """Sample completions and pairs for the labelers."""
    if args.endpoint or args.model:
        return _sample_endpoint(args)
    given = {"from": args.policy, "against": args.against, "prompts": args.prompts, "per_prompt": args.per_prompt}
    return _start(args, "sample", given)


def _sample_endpoint(args: argparse.Namespace) -> dict:
    """Sample from an endpoint in this process, so that no other process gets the API key."""
    if args.policy or args.against:
        option = "policy" if args.policy else "against"
        raise BadInput(
            f"--{option} {args.policy or args.against} and an endpoint exclude each other",
            "Give only one of them.",
            field=option,
        )
    if args.dry_run:
        raise BadInput(
            "--dry-run looks at runs of this machine's models, not of an endpoint", "Leave it out.", field="dry-run"
        )
    from data.cli import open_store, print_note
    from rlhf.runs.commands import BY
    from rlhf.runs.endpoint_run import EndpointSettings, sample_endpoint
    from rlhf.runs.first_start import load_everyday
    from rlhf.runs.launch import run_document

    given = {"endpoint": args.endpoint, "model": args.model, "prompts": args.prompts, "per_prompt": args.per_prompt}
    settings, store = [f"{key}={value}" for key, value in given.items()] + args.set, open_store(args)
    parse_settings(EndpointSettings, settings)  # before prompts are loaded
    print_note(load_everyday(store))
    return run_document(sample_endpoint(store, settings, by=BY))


def cmd_train(args: argparse.Namespace) -> dict:
    """Start a training run of the named kind."""
    from data.cli import open_store

    check_training(args.kind)
    add_sources(open_store(args).home, args.reward_source)
    return _start(args, args.kind, {})


def cmd_compare(args: argparse.Namespace) -> dict:
    """Measure win rates of policies against one, or each against its parent."""
    return _start(args, "compare", {"policies": ",".join(args.policies), "against": args.against})


def render_started(document: dict) -> str:
    """Return one line about the run, or with --dry-run what would be queued."""
    from rlhf.runs.commands import render_outcome
    from rlhf.runs.dry_run import render_look

    return render_outcome(document) if "run" in document else render_look(document)


def render_compared(document: dict) -> str:
    """Return one line about the run, and with --wait a line per policy."""
    return "\n".join([render_started(document), *map(_evaluation_line, document.get("evaluations", []))])


def _evaluation_line(report: dict) -> str:
    rate, low, high = (f"{100 * share:.1f}" for share in (report["win_rate"], *report["win_rate_ci"]))
    kl = "unknown" if report["kl"] is None else f"{'at most ' if report.get('kl_bound') else ''}{report['kl']:.2f} nats"
    reward = f", reward {report['reward_start']:.2f} -> {report['reward_end']:.2f}" if "reward_end" in report else ""
    partial = f"  (not independent: {report['judge_partial']})" if report.get("judge_partial") else ""
    return (
        f"  {report['policy']} wins {rate} % ({low} to {high}) of {report['prompts']:,} prompts"
        f" against {report['against']} by {report['judge']},"
        f" KL {kl}{reward}, {report['length_end']:.0f} tokens, distinct-2 {report['distinct_2_end']:.2f}{partial}"
    )


def _start(args: argparse.Namespace, kind: str, given: dict) -> dict:
    """Queue a run with the given settings and those of --set; with --wait follow it to its end."""
    from data.cli import open_store
    from rlhf.runs.commands import BY, wait_for
    from rlhf.runs.dry_run import look_ahead
    from rlhf.runs.launch import launch, run_document

    settings = [f"{key}={value}" for key, value in given.items() if value != ""] + args.set
    parse_settings(KINDS[kind].settings_class(), settings)  # a wrong setting changes no home
    open_home = _open_without_starter if args.dry_run else _open_home
    store = open_store(args) if kind == "pretrain" else open_home(args)  # pre-training needs no policy and no prompts
    if args.dry_run:
        return look_ahead(store, kind, settings)
    run = launch(store, kind, settings, by=BY)
    if args.wait:
        run = wait_for(store, run)
    evaluations = [
        {name: value for name, value in report.items() if name not in LONG_FIELDS}
        for report in run.report.get("evaluations", [])
    ]
    return run_document(run) | ({"evaluations": evaluations} if evaluations else {})


def _open_home(args: argparse.Namespace) -> Store:
    """Open the home; a new one gets the starter, and a line on stderr says so."""
    from data.cli import open_store, print_note
    from rlhf.runs.first_start import load_starter

    store = open_store(args)
    print_note(load_starter(store))
    return store


def _open_without_starter(args: argparse.Namespace) -> Store:
    """Open the home to look ahead. Raises BadInput for a new one, since the look is at the home as it is."""
    from data.cli import open_store
    from rlhf.runs.first_start import is_new

    store = open_store(args)
    if is_new(store):
        raise BadInput("this home is empty", "Leave --dry-run out: the run loads the starter first.", field="dry-run")
    return store
