# SPDX-License-Identifier: Apache-2.0
"""Commands on models: sample, train, compare, curate, runs, supervise, tour.

Each command enqueues a run and follows it with --wait.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from data.cli import open_store
from data.errors import BadInput
from data.ids import RUN, parse_id
from data.records import Run
from data.store import Store
from rlhf.clinic.commands import register_curate
from rlhf.kinds import KINDS, TRAININGS
from rlhf.models.reward_sources import SOURCE_HELP, add_sources
from rlhf.runs import supervisor
from rlhf.runs.endpoint_run import sample_endpoint
from rlhf.runs.launch import follow, launch, resume, run_document
from rlhf.sampling.openai_endpoint import KEY

BY = "command line"
LONG = ("gold_draws", "examples")
"""Parts of an evaluation that are stored and not printed."""


def register(subparsers: Any, common: argparse.ArgumentParser) -> None:  # noqa: ANN401 (argparse's type is private)
    """Add these commands; each handler returns the JSON document."""

    def add(name: str, text: str, run: Callable, render: Callable | None = None) -> argparse.ArgumentParser:
        parser = subparsers.add_parser(name, parents=[common], help=text, description=text)
        parser.set_defaults(run=run, render=render)
        return parser

    sample = add("sample", KINDS["sample"].explains, cmd_sample, render_outcome)
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
    train = add("train", "Train a model on what this home holds.", cmd_train, render_outcome)
    train.add_argument("kind", metavar="KIND", help="kind of training: " + ", ".join(TRAININGS))
    train.add_argument("--reward-source", action="append", default=[], metavar="NAME=SPEC", help=SOURCE_HELP)
    _add_run_options(train)
    compare = add("compare", KINDS["compare"].explains, cmd_compare, render_compared)
    compare.add_argument("policies", nargs="+", metavar="POLICY", help="policies to judge, such as p3 p4")
    compare.add_argument("--against", default="", help="policy to compare with (default: the parent of each)")
    _add_run_options(compare)
    register_curate(subparsers, common, _start, _add_run_options, render_outcome)
    runs = add("runs", "List the runs, or show, cancel or resume one.", cmd_runs, render_runs)
    runs.add_argument(
        "action",
        nargs="?",
        choices=("list", "show", "cancel", "resume"),
        default="list",
        help="list all runs, or show, cancel or resume the run ID (default %(default)s)",
    )
    runs.add_argument("id", nargs="?", metavar="ID", help="the run to show, cancel or resume, such as run17")
    runs.add_argument(
        "--wait",
        action="store_true",
        help="with resume: wait for the end of the run; Ctrl-C stops only the waiting (default: do not wait)",
    )
    add("supervise", "Start queued runs until none is left (serve does this automatically).", cmd_supervise)
    tour = add("tour", "Run the full demo loop without a browser, with simulated labelers.", cmd_tour)
    _add_tour_options(tour)


def cmd_sample(args: argparse.Namespace) -> dict:
    """Sample completions and pairs for the labelers."""
    if args.endpoint or args.model:
        return _sample_endpoint(args)
    given = {"from": args.policy, "against": args.against, "prompts": args.prompts, "per_prompt": args.per_prompt}
    return _start(args, "sample", given)


def _sample_endpoint(args: argparse.Namespace) -> dict:
    """Sample from an endpoint in this process, which alone knows the API key."""
    if args.policy or args.against:
        other = args.policy or args.against
        raise BadInput(
            f"both {other} and an endpoint are given",
            "Give only one of them.",
            field="policy" if args.policy else "against",
        )
    given = {"endpoint": args.endpoint, "model": args.model, "prompts": args.prompts, "per_prompt": args.per_prompt}
    return run_document(
        sample_endpoint(open_store(args), [f"{key}={value}" for key, value in given.items()] + args.set, by=BY)
    )


def cmd_train(args: argparse.Namespace) -> dict:
    """Start a training run of the named kind."""
    add_sources(open_store(args).home, args.reward_source)
    return _start(args, args.kind, {})


def cmd_compare(args: argparse.Namespace) -> dict:
    """Measure win rates of policies against one, or each against its parent."""
    return _start(args, "compare", {"policies": ",".join(args.policies), "against": args.against})


def render_compared(document: dict) -> str:
    """Return one line about the run, and with --wait a line per policy."""
    return "\n".join([render_outcome(document), *map(_compared, document.get("evaluations", []))])


def _compared(found: dict) -> str:
    rate, low, high = (f"{100 * share:.1f}" for share in (found["win_rate"], *found["win_rate_ci"]))
    far = "unknown" if found["kl"] is None else f"{'at most ' if found.get('kl_bound') else ''}{found['kl']:.2f} nats"
    reward = f", reward {found['reward_start']:.2f} -> {found['reward_end']:.2f}" if "reward_end" in found else ""
    partial = f"  (not independent: {found['judge_partial']})" if found.get("judge_partial") else ""
    return (
        f"  {found['policy']} wins {rate} % ({low} to {high}) against {found['against']} by {found['judge']},"
        f" KL {far}{reward}, {found['length_end']:.0f} tokens, distinct-2 {found['distinct_2_end']:.2f}{partial}"
    )


def cmd_runs(args: argparse.Namespace) -> dict:
    """List the runs, or show, cancel or resume one."""
    store = open_store(args)
    if args.action != "list" and args.id is None:
        raise BadInput(
            f"no run to {args.action} is named", f"Name one: preference-loop runs {args.action} run17", field="id"
        )
    if args.action == "list":
        return {
            "runs": [run_document(run) | {"kind": run.kind, "created_at": run.created_at} for run in store.runs.all()]
        }
    run_id = parse_id(args.id, RUN)
    if args.action == "resume":
        run = resume(store, run_id, by=BY)
        return run_document(_wait(store, run) if args.wait else run)
    if args.action == "cancel":
        store.runs.request_cancel(run_id)
        supervisor.ensure(store.home)
    run = store.runs.get(run_id)
    detail = {
        "kind": run.kind,
        "settings": run.settings,
        "report": run.report,
        "done": run.done,
        "total": run.total,
        "note": run.note,
    }
    return {"runs": [run_document(run) | detail]}


def cmd_supervise(args: argparse.Namespace) -> None:
    """Watch this home until nothing is queued or running and no server holds it."""
    supervisor.supervise(open_store(args).home)


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
        help="one setting of the run; repeat for more. An unknown KEY prints all keys (default: none)",
    )
    parser.add_argument(
        "--wait",
        action="store_true",
        help="wait for the end of the run; Ctrl-C stops only the waiting (default: do not wait)",
    )


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
    store = open_store(args)
    settings = [f"{key}={value}" for key, value in given.items() if value != ""] + args.set
    run = launch(store, kind, settings, by=BY)
    if args.wait:
        run = _wait(store, run)
    shown = [
        {name: value for name, value in one.items() if name not in LONG} for one in run.report.get("evaluations", [])
    ]
    return run_document(run) | ({"evaluations": shown} if shown else {})


def _wait(store: Store, run: Run) -> Run:
    """Follow the run; Ctrl-C stops the waiting, never the run."""
    try:
        return follow(store, run.id, _progress_line())
    except KeyboardInterrupt:
        print(f"\n{run.public} continues. See it with: preference-loop runs show {run.public}", file=sys.stderr)
        return store.runs.get(run.id)


def _progress_line() -> Callable[[Run], None]:
    """Return a watcher that prints the run's progress to stderr whenever it changes."""
    last = [""]

    def show(run: Run) -> None:
        share = f" {run.done}/{run.total}" if run.total else ""
        line = f"{run.public} {run.kind} {run.state}{share} {run.note}".rstrip()
        if line != last[0]:
            print(line, file=sys.stderr, flush=True)
            last[0] = line

    return show


def render_outcome(document: dict) -> str:
    """Return one line about a run."""
    made = f": {', '.join(document['produced'])}" if document["produced"] else ""
    why = f": {document['error']}" if document.get("error") else ""
    return f"{document['run']} {document['status']}{made}{why}"


def render_runs(document: dict) -> str:
    """Return a line per run; for one run its settings as well."""
    if "runs" not in document:
        return render_outcome(document)
    lines = [f"{render_outcome(run)}  ({run['kind']})" for run in document["runs"]]
    if len(document["runs"]) == 1 and "settings" in document["runs"][0]:
        run = document["runs"][0]
        lines += [f"  {key} = {value}" for key, value in run["settings"].items()]
    return "\n".join(lines) or "no runs yet"
