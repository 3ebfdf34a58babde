"""A run as HTML and tables: what it is, how far, its curves, its samples, its log."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from data.clock import now
from data.records import Completion, Run
from data.store import Store
from rlhf.common.estimate import elapsed_seconds, format_duration, remaining_seconds
from rlhf.kinds import KINDS
from rlhf.pages.components import beside, empty, esc, facts

HEADERS = ["Run", "Kind", "State", "Started", "Took", "Made", "By"]
WORDS = {
    "queued": "waits its turn",
    "running": "at work",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
    "lost": "lost: its process is gone",
}
PLOTS = 6
POINTS = 400


class Curve(NamedTuple):
    """A plot: its title says what it shows; `frame` has the columns step, value, series."""

    title: str
    unit: str
    frame: pd.DataFrame


TITLES: dict[str, tuple[str, str]] = {
    "reward": ("Reward of the sampled answers", "reward"),
    "score": ("Reward of the sampled answers", "reward"),
    "kl": ("KL from the start, and its budget", "nats per answer"),
    "eval_gold": ("Gold, which only watches", "points of the rubric"),
    "length": ("Length of the answers", "tokens"),
    "entropy": ("Entropy (falls as it becomes surer)", "nats per token"),
    "ended": ("Share of finished answers", "share"),
    "value_loss": ("Error of the value estimate", "loss"),
    "clip_fraction": ("Share of clipped tokens", "share"),
    "policy_loss": ("Policy loss", "loss"),
    "loss": ("Training loss", "loss"),
    "eval_loss": ("Held-out loss", "loss"),
    "accuracy": ("Training pairs ordered as people did", "share"),
    "eval_accuracy": ("Held-out pairs ordered as people did", "share"),
    "margin": ("Reward gap, better to worse", "reward"),
    "reward_chosen": ("Log-probability gained over the start, times beta", "beta x nats"),
    "best_of": ("Reward of the best of so many answers", "reward"),
    "best_reward": ("Reward of the chosen answers and of all, by round", "reward"),
    "grad_norm": ("Size of the gradient", "norm"),
    "learning_rate": ("Learning rate", "rate"),
}
TOGETHER = {
    "reward": ("eval_reward", "eval_guard"),
    "kl": ("eval_kl",),
    "loss": ("eval_loss",),
    "accuracy": ("eval_accuracy",),
    "margin": ("eval_margin",),
    "reward_chosen": ("reward_rejected",),
    "best_reward": ("sampled_reward",),
}
LIMITS = {"kl": "kl_budget"}


def table(runs: list[Run]) -> list[list[str]]:
    """A row per run, newest first."""
    moment = now()
    rows = []
    for run in runs:
        seconds = elapsed_seconds(run, moment)
        worked = format_duration(seconds) if seconds is not None and run.over else ""
        started = (run.started_at or run.created_at)[:16].replace("T", " ")
        kind = KINDS[run.kind].title if run.kind in KINDS else run.kind
        rows.append([run.public, kind, run.state, started, worked, ", ".join(run.produced), run.created_by])
    return rows


def head(run: Run) -> str:
    """What the run is, where it stands, how long it still takes, and what went wrong."""
    kind = KINDS[run.kind].title if run.kind in KINDS else run.kind
    asked = " · stopping: it saves first" if run.cancel_requested and not run.over else ""
    skipped = [f"Left out: {count:,} {reason}" for reason, count in run.report.get("skipped", {}).items()]
    error = "".join(f"<p class=bad>{esc(line)}</p>" for line in [run.error, *skipped] if line)
    settings = {key: _short(value) for key, value in run.settings.items()}
    return (
        f"<div class=card><b>{run.public} · {esc(kind)}</b> <span class=soft>{WORDS[run.state]}{asked}</span>{bar(run)}{error}"
        f"{facts({'Made': ', '.join(run.produced), 'Goes on from': run.resumes and f'run{run.resumes}', **_results(run.report)})}"
        f"<details><summary class=soft>Settings</summary>{facts(settings)}</details></div>"
    )


def bar(run: Run) -> str:
    """Progress with the time that is left, as far as it can be said."""
    if not run.total or run.state not in ("running", "cancelled", "lost", "failed"):
        return ""
    share = min(1.0, run.done / run.total)
    left = remaining_seconds(run, now())
    rest = f" · about {format_duration(left)} left" if left else ""
    return (
        f"<div class=bar role=progressbar aria-valuenow={100 * share:.0f} aria-valuemin=0 aria-valuemax=100>"
        f"<i style='width:{100 * share:.1f}%'></i></div><span class=soft>{run.done:,} of {run.total:,} {esc(run.note)}{rest}</span>"
    )


def curves(store: Store, run: Run) -> list[Curve]:
    """The few plots that matter for its kind; what shares an axis stands together."""
    known = store.metrics.keys(run.id)
    partners = {name for main, names in TOGETHER.items() if main in known for name in names}
    wanted = [key for key in TITLES if key in known] + [key for key in known if key not in TITLES]
    drawn = []
    for key in [key for key in wanted if key not in partners][:PLOTS]:
        title, unit = TITLES.get(key, (key.replace("_", " "), key))
        names = [key, *(name for name in TOGETHER.get(key, ()) if name in known)]
        frames = [_frame(store, run.id, name) for name in names]
        drawn.append(Curve(title, unit, pd.concat([*frames, *_limit(run, key, frames[0])])))
    return drawn


def samples(store: Store, run: Run) -> str:
    """Texts of this run beside the reference's where it has them; what was sampled for a sampling run."""
    shown = [_sample(fields) for fields in store.metrics.samples(run.id, last=4)]
    if not shown:
        shown = _sampled(store, store.completions.of_run(run.id))
    examples = [one for report in run.report.get("evaluations", []) for one in report.get("examples", [])][:4]
    shown += [beside(one["prompt"], ("start", one["start"]), ("policy", one["end"])) for one in examples]
    if shown:
        return "".join(shown)
    return empty("Samples appear here while the run works." if not run.over else "This run left no sample texts.")


def log_tail(folder: Path, lines: int = 100) -> str:
    """The last lines of the run's log, newest first."""
    file = folder / "log.txt"
    if not file.exists():
        return empty("The log starts with the run.")
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - 64_000))
        text = stream.read().decode("utf-8", "replace").replace("\r", "\n")
    newest = [line for line in reversed(text.splitlines()) if line.strip()][:lines]
    return f"<div class=log tabindex=0 role=log aria-label='Log, newest line first'>{esc(chr(10).join(newest)) or 'nothing printed'}</div>"


def _sampled(store: Store, answers: Sequence[Completion]) -> list[str]:
    """The newest four prompts, each with its first two answers beside each other."""
    newest = list(dict.fromkeys(one.prompt_id for one in reversed(answers)))[:4]
    found = {prompt: [(one.model_name, one.text) for one in answers if one.prompt_id == prompt] for prompt in newest}
    return [
        beside(store.prompts.get(prompt).text, first, next(iter(others), None))
        for prompt, (first, *others) in found.items()
    ]


def _sample(fields: dict[str, Any]) -> str:
    text = fields.get("text", fields.get("policy", fields.get("completion", "")))
    reward = fields.get("reward")
    mark = f"step {fields['step']}" + (f" · reward {reward:.2f}" if isinstance(reward, (int, float)) else "")
    reference = fields.get("reference")
    other = None if reference is None else ("reference", str(reference))
    return beside(str(fields.get("prompt", "")), (mark, str(text)), other) + tokens(fields.get("tokens", ()))


def tokens(pieces: Sequence[tuple[str, bool]]) -> str:
    """A row token by token; those that count in the loss are marked. Empty for none."""
    if not pieces:
        return ""
    shown = "".join(
        f"<{'mark' if counts else 'span'}>{esc(piece)}</{'mark' if counts else 'span'}>" for piece, counts in pieces
    )
    counted = sum(counts for _, counts in pieces)
    return f"<p class=soft>{len(pieces)} tokens; the {counted} marked ones count in the loss.</p><div class=tokens>{shown}</div>"


def _frame(store: Store, run_id: int, key: str) -> pd.DataFrame:
    points = [(step, value) for step, value in store.metrics.series(run_id, key) if math.isfinite(value)]
    every = max(1, math.ceil(len(points) / POINTS))
    kept = points[::every]
    return pd.DataFrame(
        {"step": [step for step, _ in kept], "value": [value for _, value in kept], "series": key.replace("_", " ")}
    )


def _limit(run: Run, key: str, frame: pd.DataFrame) -> list[pd.DataFrame]:
    """The budget that a setting of the run gives this curve, as a level line."""
    name = LIMITS.get(key, "")
    if not run.settings.get(name) or frame.empty:
        return []
    ends = [frame["step"].min(), frame["step"].max()]
    return [pd.DataFrame({"step": ends, "value": [float(run.settings[name])] * 2, "series": name.replace("_", " ")})]


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _results(report: dict[str, Any]) -> dict[str, Any]:
    """The plain numbers and words of a report."""
    plain = {
        key: value
        for key, value in report.items()
        if isinstance(value, (int, float, str)) and not isinstance(value, bool)
    }
    return {
        key.replace("_", " "): f"{value:.3g}" if isinstance(value, float) else value
        for key, value in list(plain.items())[:10]
    }
