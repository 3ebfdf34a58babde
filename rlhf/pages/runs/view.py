# SPDX-License-Identifier: Apache-2.0
"""A run as plain values and HTML: its head and samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from data.clock import now
from data.records import Completion, Note, Run
from data.store import Store
from data.tables.notes import EMPTY
from data.texts import translate_line
from labeling.texts.pages import text
from labeling.texts.reader import reader_language
from reward.report.addresses import id_link, link_ids
from rlhf.common.estimate import describe_progress, format_duration, stalled_seconds
from rlhf.kinds import kind_title
from rlhf.pages.first_round.facts import Outcome
from rlhf.pages.first_round.steps import describe_outcome
from rlhf.pages.markup import empty, esc, facts, side_by_side
from rlhf.pages.runs.run_list import describe_tags
from rlhf.pages.runs.usage import Used, usage_facts
from rlhf.runs.disk_use import format_bytes


class Surroundings(NamedTuple):
    """Facts beside a run's row: bytes on the disk, its note, what it uses now, and the webhook's problem."""

    size: int = 0
    note: Note = EMPTY
    used: Used = MappingProxyType({})
    unsent: str | None = None


def draw_head(run: Run, beside: Surroundings = Surroundings()) -> str:  # noqa: B008 (it never changes)
    """Return a run's kind, name, state, progress, note, errors, results and what it uses."""
    size, note, used, problem = beside
    unsent = text("notices.not_sent", problem=problem) if problem else None
    state = text(f"runs.state_{run.state}")
    stopping = f" · {text('runs.saving')}" if run.cancel_requested and not run.over else ""
    skipped = [text("runs.left_out", n=count, reason=reason) for reason, count in run.report.get("skipped", {}).items()]
    lines = [run.error, unsent, *run.report.get("notes", []), *skipped]
    translated = (translate_line(line, reader_language()) for line in lines if line)
    errors = "".join(f"<p class=bad>{link_ids(line)}</p>" for line in translated)
    outcomes = "".join(f"<p>{link_ids(line)}</p>" for line in _outcomes(run))
    results: dict[str, object] = usage_facts(run, used) | {text("runs.column_produced"): ", ".join(run.produced)}
    results |= {text("runs.resumes"): run.resumes and f"run{run.resumes}", **_results(run.report)}
    results |= {text("runs.node"): run.node} if run.node else {}
    results |= {text("runs.disk"): format_bytes(size)} if size else {}
    settings = facts({key: _short(value) for key, value in run.settings.items()})
    folded = f"<details><summary class=soft>{esc(text('runs.settings'))}</summary>{settings}</details>"
    names = " · ".join(name for name in (kind_title(run.kind), note.name) if name)
    about = " · ".join((*describe_tags(note), state + stopping))
    title = f"<b>{id_link(run.public)} · {esc(names)}</b> <span class=soft>{esc(about)}</span>"
    written = f"<p class=asked>{esc(note.text)}</p>" if note.text else ""
    parts = (title, draw_progress(run), _draw_stall(run), written, errors, outcomes, facts(results), folded)
    return f"<div class=card>{''.join(parts)}</div>"


def _outcomes(run: Run) -> list[str]:
    """Return a line on each win rate that a comparison of policies found."""
    return [
        describe_outcome(report["policy"], report["against"], Outcome.read(report, report["judge"]))
        for report in run.report.get("evaluations", [])
        if report.get("against") and report.get("win_rate") is not None
    ]


def draw_progress(run: Run) -> str:
    """Return the progress bar with the estimated time left; empty for a run of unknown length, or one that is done."""
    if not run.total or run.state not in ("running", "cancelled", "lost", "failed"):
        return ""
    share = min(1.0, run.done / run.total)
    progress = describe_progress(run, now())
    return (
        f"<div class=bar role=progressbar aria-valuenow={100 * share:.0f} aria-valuemin=0 aria-valuemax=100>"
        f"<i style='width:{100 * share:.1f}%'></i></div><span class=soft>{esc(progress)}</span>"
    )


def _draw_stall(run: Run) -> str:
    """Return a warning if the running run has made no progress for long; else nothing."""
    seconds = stalled_seconds(run, now())
    if seconds is None:
        return ""
    return f"<p class=bad role=status>{esc(text('runs.stalled', time=format_duration(seconds)))}</p>"


def draw_samples(store: Store, run: Run) -> str:
    """Return texts of this run beside the reference's, or the newest answers of a sampling run."""
    samples = [_sample(fields) for fields in store.metrics.samples(run.id, last=4)]
    samples = samples or _sampled(store, store.completions.of_run(run.id))
    reports = run.report.get("evaluations", [])
    examples = [example for report in reports for example in report.get("examples", [])][:4]
    captions = text("runs.start_policy"), text("runs.policy")
    samples += [
        side_by_side(example["prompt"], (captions[0], example["start"]), (captions[1], example["end"]))
        for example in examples
    ]
    return "".join(samples) or empty(text("runs.no_samples" if run.over else "runs.samples_later"))


def draw_tokens(pieces: Sequence[tuple[str, bool]]) -> str:
    """Return a row token by token; those that count in the loss are marked. Empty for none."""
    if not pieces:
        return ""
    shown = "".join(
        f"<mark>{esc(piece)}</mark>" if counts else f"<span>{esc(piece)}</span>" for piece, counts in pieces
    )
    lead = text("runs.tokens", n=len(pieces), counted=sum(counts for _, counts in pieces))
    return f"<p class=soft>{esc(lead)}</p><div class=tokens>{shown}</div>"


def _sampled(store: Store, completions: Sequence[Completion]) -> list[str]:
    """Return the newest four prompts, each with its first two answers side by side."""
    newest = list(dict.fromkeys(completion.prompt_id for completion in reversed(completions)))[:4]
    answers: dict[int, list[tuple[str, str]]] = {prompt: [] for prompt in newest}
    for completion in completions:
        if completion.prompt_id in answers:
            answers[completion.prompt_id].append((completion.model_name, completion.text))
    return [
        side_by_side(store.prompts.get(prompt).text, first, next(iter(others), None))
        for prompt, (first, *others) in answers.items()
    ]


def _sample(fields: Mapping[str, Any]) -> str:
    answer = fields.get("text", fields.get("policy", fields.get("completion", "")))
    reward, reference = fields.get("reward"), fields.get("reference")
    caption = text("runs.sample_step", step=fields["step"])
    if isinstance(reward, (int, float)):
        caption += text("runs.sample_reward", reward=f"{reward:.2f}")
    other = None if reference is None else (text("runs.reference"), str(reference))
    sample = side_by_side(str(fields.get("prompt", "")), (caption, str(answer)), other)
    return sample + draw_tokens(fields.get("tokens", ()))


def _short(value: object) -> object:
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _results(report: dict[str, Any]) -> dict[str, Any]:
    """Return the peak of the memory, and the first ten other numbers and words of a report."""
    peak = {text("runs.peak"): f"{report['peak_mb']:,.0f} MB"} if "peak_mb" in report else {}
    plain = {
        key: value
        for key, value in report.items()
        if isinstance(value, (int, float, str)) and not isinstance(value, bool) and key != "peak_mb"
    }
    return peak | {
        key.replace("_", " "): f"{value:.3g}" if isinstance(value, float) else value
        for key, value in list(plain.items())[:10]
    }
