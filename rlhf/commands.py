# SPDX-License-Identifier: Apache-2.0
"""Commands on models: check, sample, train, compare, policies, curate, runs, supervise, tour.

`sample`, `train`, `compare` and `curate` queue a run and return; with --wait they follow it to its end.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from data.cli import open_store, print_text
from data.errors import BadInput
from reward.base.text.template_options import read_arguments
from reward.placement_settings import read_placement
from rlhf.clinic.commands import register_curate
from rlhf.kinds import KINDS, TRAININGS, check_training
from rlhf.models.reward_sources import SOURCE_HELP, add_sources
from rlhf.probe.document import Unusable, render_check
from rlhf.probe.process import run_check
from rlhf.runs.commands import (
    BY,
    add_runs_arguments,
    cmd_runs,
    cmd_supervise,
    render_outcome,
    render_runs,
    wait_for,
)
from rlhf.runs.disk_use import format_bytes
from rlhf.runs.dry_run import look_ahead, render_look
from rlhf.runs.endpoint_run import sample_endpoint
from rlhf.runs.first_start import TEMPLATE_SET_HELP, read_template, resolve_base
from rlhf.runs.launch import launch, run_document
from rlhf.sampling.openai_endpoint import KEY

LONG_FIELDS = ("gold_draws", "examples")
"""Parts of an evaluation that are stored and not printed."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add these commands; each handler returns the JSON document."""

    def add(name: str, text: str, run: Callable, render: Callable | None = None) -> argparse.ArgumentParser:
        parser = subparsers.add_parser(name, parents=[common], help=text, description=text)
        parser.set_defaults(run=run, render=render)
        return parser

    check = add("check", "Check in seconds whether a model can be a base.", cmd_check, render_check)
    check.add_argument("model", metavar="MODEL", help="folder of a causal language model, or a downloaded hub id")
    check.add_argument(
        "--chat-template", type=Path, metavar="FILE", help="Jinja chat template for it (default: its own)"
    )
    check.add_argument("--template-set", action="append", default=[], metavar="NAME=VALUE", help=TEMPLATE_SET_HELP)
    sample = add("sample", KINDS["sample"].explains, cmd_sample, render_started)
    sample.add_argument("--policy", default="", help="policy that answers, such as p4 (default: the newest)")
    sample.add_argument(
        "--against", default="", help="second policy; pairs hold one answer of each, shown blind (default: none)"
    )
    sample.add_argument(
        "--endpoint",
        default="",
        metavar="URL",
        help=f"sample an OpenAI-compatible endpoint instead; the key is read from ${KEY} (default: none)",
    )
    sample.add_argument(
        "--model", default="", metavar="NAME", help="with --endpoint: the name of the model there (no default)"
    )
    sample.add_argument("--prompts", type=int, default=100, metavar="N", help="number of prompts (default %(default)s)")
    sample.add_argument(
        "--per-prompt", type=int, default=2, metavar="N", help="answers to each prompt (default %(default)s)"
    )
    _add_run_options(sample)
    train = add("train", "Train a model on what this home holds.", cmd_train, render_started)
    train.add_argument("kind", metavar="KIND", help="kind of training: " + ", ".join(TRAININGS))
    train.add_argument("--reward-source", action="append", default=[], metavar="NAME=SPEC", help=SOURCE_HELP)
    _add_run_options(train)
    compare = add("compare", KINDS["compare"].explains, cmd_compare, render_compared)
    compare.add_argument("policies", nargs="+", metavar="POLICY", help="policies to judge, such as p3 p4")
    compare.add_argument("--against", default="", help="policy to compare with (default: the parent of each)")
    _add_run_options(compare)
    _add_policies(subparsers, common)
    register_curate(subparsers, common, _start, _add_run_options, render_started)
    add_runs_arguments(
        add("runs", "List, show, cancel or resume runs; delete the files of old ones.", cmd_runs, render_runs)
    )
    add("supervise", "Start queued runs until none is left (serve does this automatically).", cmd_supervise)
    tour = add("tour", "Run the full demo loop without a browser, with simulated labelers.", cmd_tour)
    _add_tour_options(tour)


def cmd_check(args: argparse.Namespace) -> dict:
    """Check a model. If it is refused, print every line and raise the first refusal."""
    template = read_template(args.chat_template, args.model)
    arguments = read_arguments(args.template_set, "template-set")
    placement = read_placement(args.home.expanduser())
    document = run_check(resolve_base(args.model), template, arguments, placement=placement)
    if document["status"] == "refused":
        if not args.json:
            print_text(render_check(document))
        raise Unusable(document)
    return document


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
    given = {"endpoint": args.endpoint, "model": args.model, "prompts": args.prompts, "per_prompt": args.per_prompt}
    return run_document(
        sample_endpoint(open_store(args), [f"{key}={value}" for key, value in given.items()] + args.set, by=BY)
    )


def cmd_train(args: argparse.Namespace) -> dict:
    """Start a training run of the named kind."""
    check_training(args.kind)
    add_sources(open_store(args).home, args.reward_source)
    return _start(args, args.kind, {})


def cmd_compare(args: argparse.Namespace) -> dict:
    """Measure win rates of policies against one, or each against its parent."""
    return _start(args, "compare", {"policies": ",".join(args.policies), "against": args.against})


def render_started(document: dict) -> str:
    """Return one line about the run, or with --dry-run what would be queued."""
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


def cmd_merge(args: argparse.Namespace) -> dict:
    """Merge a policy's adapter into its base, as a new policy."""
    from rlhf.merge import merge_policy  # torch and PEFT: loaded for this command only

    return merge_policy(open_store(args), args.id, by=BY)


def render_merged(document: dict) -> str:
    """Return one line: the new policy, its folder and its size."""
    (policy,) = document["produced"]
    size = format_bytes(document["bytes"])
    return f"{policy} is {document['merged']} merged into its base: {size} in {document['folder']}"


def cmd_tour(args: argparse.Namespace) -> dict:
    """Run a tour in a fresh home."""
    from rlhf.tour import command  # plots and the reward model's code: loaded for this command only

    args.render = command.render_tour
    return command.cmd_tour(args)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one setting of the run; repeat for more; an unknown KEY prints all keys (default: none)",
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


def _add_policies(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    text = "Manage policies: merge an adapter into its base."
    verbs = subparsers.add_parser("policies", help=text, description=text).add_subparsers(required=True, metavar="VERB")
    explains = "Merge a policy's adapter into its base: a new base in this home, and a bare policy on it."
    merge = verbs.add_parser("merge", parents=[common], help=explains, description=explains)
    merge.add_argument("id", metavar="POLICY", help="policy to merge, such as p4")
    merge.set_defaults(run=cmd_merge, render=render_merged)


def _add_tour_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--quick", action="store_true", help="run a short tour: fewer labels and updates (default: the full tour)"
    )
    parser.add_argument("--all", action="store_true", help="train by every other method as well (default: PPO only)")
    parser.add_argument(
        "--labels",
        type=int,
        metavar="N",
        help="number of simulated labels (default 2,000, or 800 with --quick)",
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed of every stage (default %(default)s)")


def _start(args: argparse.Namespace, kind: str, given: dict) -> dict:
    """Queue a run with the given settings and those of --set; with --wait follow it to its end."""
    store = open_store(args)
    settings = [f"{key}={value}" for key, value in given.items() if value != ""] + args.set
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
