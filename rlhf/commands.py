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


def register(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add these commands and register the exporters of models; each handler returns the JSON document."""

    def add(name: str, text: str, run: Callable, render: Callable | None = None) -> argparse.ArgumentParser:
        parser = subparsers.add_parser(name, parents=[common], help=text, description=text)
        parser.set_defaults(run=run, render=render)
        return parser

    sample = add("sample", KINDS["sample"].explains, cmd_sample, render_outcome)
    sample.add_argument("--policy", default="", help="policy that answers, such as p4; the newest one if not given")
    sample.add_argument("--against", default="", help="second policy: pairs of the two, blind")
    sample.add_argument(
        "--endpoint",
        default="",
        metavar="URL",
        help=f"an OpenAI-compatible endpoint answers instead; its key is read from ${KEY}",
    )
    sample.add_argument("--model", default="", metavar="NAME", help="with --endpoint: the model's name there")
    sample.add_argument("--prompts", type=int, default=100)
    sample.add_argument("--per-prompt", type=int, default=2)
    _add_run_options(sample)
    train = add("train", "Train a model on what this home holds.", cmd_train, render_outcome)
    train.add_argument("kind", help=" | ".join(TRAININGS))
    train.add_argument("--reward-source", action="append", default=[], metavar="NAME=SPEC", help=SOURCE_HELP)
    _add_run_options(train)
    compare = add("compare", KINDS["compare"].explains, cmd_compare, render_compared)
    compare.add_argument("policies", nargs="+", metavar="POLICY")
    compare.add_argument(
        "--against", default="", help="the policy they are compared with; each one's parent if not given"
    )
    _add_run_options(compare)
    register_curate(subparsers, common, _start, _add_run_options, render_outcome)
    runs = add("runs", "List the runs, or show, cancel or resume one.", cmd_runs, render_runs)
    runs.add_argument("action", nargs="?", choices=("list", "show", "cancel", "resume"), default="list")
    runs.add_argument("id", nargs="?", help="such as run17")
    runs.add_argument(
        "--wait", action="store_true", help="with resume: follow the run to its end; Ctrl-C only stops the waiting"
    )
    add("supervise", "Start queued runs until there is nothing left to do (serve does this by itself).", cmd_supervise)
    tour = add("tour", "The whole ring, headless, with simulated labelers.", cmd_tour)
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
            f"either {other} answers or an endpoint",
            "Leave one of them out.",
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
            f"which run to {args.action} is not said", f"Name it: preference-loop runs {args.action} run17", field="id"
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
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the run; may be given again"
    )
    parser.add_argument("--wait", action="store_true", help="follow the run to its end; Ctrl-C only stops the waiting")


def _add_tour_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="at most three minutes")
    parser.add_argument("--all", action="store_true", help="the other ways to train as well")
    parser.add_argument("--labels", type=int, default=None, help="how many simulated labels")
    parser.add_argument("--seed", type=int, default=0)


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
        print(f"\n{run.public} continues; see it with: preference-loop runs show {run.public}", file=sys.stderr)
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
