# SPDX-License-Identifier: Apache-2.0
"""A reward model's report as HTML and as the rows of its table; `reward.report.plots` draws its plots."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from data.errors import BadInput
from data.records import RewardModel
from data.store import Store
from reward.report import plots
from reward.report.groups import MARGINS

PAGES = {"train reward": "Reward", "train": "Runs", "sample": "Runs", "runs": "Runs"}
IMPORT = re.compile(r": preference-loop import\b[^.;,]*")
COMMAND = re.compile(r"preference-loop (train reward|train|sample|runs)\b(?! --endpoint)[^.;,]*")
"""Commands in a remedy that a page stands for; an endpoint is asked from the command line alone."""
HEADERS = ["Comparisons", "by", "Number", "Prompts", "Accuracy (%)", "95 % from", "to"]
"""Of the table of groups."""
LEANINGS = {"longer": "the longer answer", "list": "the one with a list", "left": "the left one"}


def cards_html(models: list[RewardModel]) -> str:
    """Return a card per reward model, newest first; without one, what to do."""
    if not models:
        return (
            "<div class=empty>No reward model yet. Compare some pairs on the <a href='../label/'>Label</a> page, "
            "then train one with the form below.</div>"
        )
    return "".join(card_html(model) for model in reversed(models))


def card_html(model: RewardModel) -> str:
    """Accuracy with its interval beside what it has to be read against."""
    report = model.report
    agreement = report.get("agreement") or {}
    beside = {
        "Accuracy on test prompts": percent(report.get("accuracy"), report.get("ci")),
        "With ties at half": percent(report.get("accuracy_ties_half"), report.get("ci_ties_half"))
        if report.get("ties")
        else None,
        "Ceiling: the rubric on the same labels": percent(report.get("ceiling")),
        "Longer answer preferred": percent(report.get("length_baseline")),
        "Labelers agree with each other": percent(agreement.get("rate"), agreement.get("ci")),
        "So the best model is right on": percent_range(report.get("reachable")),
        "Skill": percent(report.get("skill")),
        "Pairs differing in task fit alone": percent(report.get("fit_accuracy"), report.get("fit_ci")),
        "Loss (a coin has 0.693)": number_text(report.get("loss"), 3),
        "Calibration error (ECE)": calibration_text(report),
        "Test comparisons": number_text(report.get("test_comparisons"), 0),
        "Trained on (comparisons)": number_text(report.get("trained_on"), 0),
        "Training (seconds)": number_text(report.get("seconds"), 0),
        "Data": model.snapshot_id and f"s{model.snapshot_id}",
    }
    note = f"<p class=soft>{esc(report['note'])}</p>" if report.get("note") else ""
    return (
        f"<div class=card><b>{esc(model.public)}</b> <span class=soft>{esc(model.name)}, "
        f"{esc(model.created_at[:16].replace('T', ' '))}</span>{facts_html(beside)}{note}</div>"
    )


def disagreements_html(model: RewardModel, names: Mapping[str, str]) -> str:
    """Return the comparisons where it is surest of the other side, prompt above, both answers side by side.

    `names` by pseudonym.
    """
    found = model.report.get("worst") or []
    if not found:
        return "<div class=empty>No test comparison on which this model and the labeler disagree.</div>"
    return "".join(_disagreement(each, names) for each in found)


def details_html(model: RewardModel) -> str:
    """Its plots, what it leans to, and the whole report to download."""
    report = model.report
    if not plots.plots(report):
        return "<div class=empty>No comparison of a test prompt yet: label more pairs on the <a href='../label/'>Label</a> page.</div>"
    return f"{plots.plots(report)}{bias_html(report)}<p>{download_link(model)}</p>"


def group_rows(model: RewardModel, names: Mapping[str, str]) -> list[list[Any]]:
    """Rows under HEADERS: accuracy with interval per strength of preference.

    Per side of the winner and per labeler; `names` by pseudonym.
    """
    report = model.report
    named = [("strength of preference", MARGINS.get(one["margin"], "?"), one) for one in report.get("by_margin") or []]
    named += [("better answer stood", one["side"], one) for one in report.get("by_winner_side") or []]
    named += [("labeler", names.get(one["labeler"], one["labeler"]), one) for one in report.get("by_labeler") or []]
    return [[kind, name, *_group(one)] for kind, name, one in named]


def bias_html(report: Mapping[str, Any]) -> str:
    """Return how often labelers and model prefer the longer, the listed, the left answer.

    How the score correlates with each.
    """
    found = report.get("leanings") or []
    if not found:
        return ""
    head = "".join(
        f"<th>{name}</th>"
        for name in ("Prefers", "Labelers", "This model", "Comparisons", "Correlation with the score")
    )
    body = "".join(f"<tr>{''.join(f'<td>{esc(cell)}</td>' for cell in _leaning(one, report))}</tr>" for one in found)
    lead = "Shares of the comparisons whose answers differ in that. Where the model leans further than the labelers, PPO will find out."
    return f"<h2>What it leans to</h2><p class=soft>{lead}</p><div class=scroll><table class=leans><tr>{head}</tr>{body}</table></div>"


def download_link(model: RewardModel) -> str:
    """Return a link that saves the report as JSON."""
    data = base64.b64encode(json.dumps(model.report, ensure_ascii=False, indent=1).encode()).decode()
    return f"<a download='{esc(model.public)}-report.json' href='data:application/json;base64,{data}'>Download the report (JSON)</a>"


def percent(value: float | None, interval: Any = None) -> str | None:  # noqa: ANN401 (JSON of a report)
    """71 %, with its interval 71 % (66-75); None stays None."""
    if value is None:
        return None
    text = f"{100 * value:.0f} %"
    return f"{text} ({100 * interval[0]:.0f}–{100 * interval[1]:.0f})" if interval else text


def percent_range(bounds: list[float] | None) -> str | None:
    """74-84 %; None stays None."""
    return None if bounds is None else f"{100 * bounds[0]:.0f}–{100 * bounds[1]:.0f} %"


def calibration_text(report: Mapping[str, Any]) -> str | None:
    """ECE in points, and after temperature scaling; None where it is not known."""
    if report.get("ece") is None:
        return None
    after = "" if report["ece_scaled"] is None else f", scaled {100 * report['ece_scaled']:.1f}"
    return f"{100 * report['ece']:.1f} points{after}"


def number_text(value: float | None, digits: int) -> str | None:
    """Return a number with so many decimals; None stays None."""
    return None if value is None else f"{value:,.{digits}f}"


def facts_html(pairs: Mapping[str, Any]) -> str:
    """Short facts in a row, each under its name; unknown ones are left out."""
    shown = "".join(
        f"<div><span class=k>{esc(name)}</span><br>{esc(value)}</div>"
        for name, value in pairs.items()
        if value is not None
    )
    return f"<div class=facts>{shown}</div>"


def message_html(what: str | BadInput) -> str:
    """Return what just happened, or why it did not, for eyes and screen readers."""
    colour, text = ("bad", error_html(what)) if isinstance(what, BadInput) else ("good", esc(what))
    return f"<div class='said {colour}' role=status aria-live=polite>{text}</div>"


def error_html(problem: BadInput) -> str:
    """Return what cannot be done and what to do instead, as HTML.

    A page stands where the command line has a command.
    """
    field = problem.field if problem.field and problem.field not in problem.error else None
    error = f"{BadInput(problem.error, file=problem.file, line=problem.line, field=field)}".rstrip(".") + "."
    remedy = IMPORT.sub(" with the command import", COMMAND.sub(_page, esc(problem.remedy)))
    return f"{esc(error)} {remedy}".strip()


def _page(command: re.Match[str]) -> str:
    title = PAGES[command[1]]
    return f"<a href='#{title.lower()}'>{title}</a>"


def policy_names(store: Store) -> list[str]:
    """Return what a field for a policy offers: nothing, then the policies, newest first."""
    return ["", *(policy.public for policy in reversed(store.policies.all()))]


def esc(value: Any) -> str:  # noqa: ANN401 (any JSON value)
    """Text, never markup."""
    return escape(str(value), quote=True)


def _group(one: Mapping[str, Any]) -> Iterator[float | None]:
    low, high = one.get("ci") or (None, None)
    yield from (one["comparisons"], one.get("prompts"))
    yield from (None if value is None else round(100 * value, 1) for value in (one["accuracy"], low, high))


def _leaning(one: Mapping[str, Any], report: Mapping[str, Any]) -> list[str]:
    name = {"longer": "length", "list": "list", "left": "side"}[one["prefers"]]
    within = number_text(report.get(f"{name}_correlation_within_prompt"), 2)
    correlation = number_text(report.get(f"{name}_correlation"), 2) or "–"
    return [
        LEANINGS[one["prefers"]],
        percent(one["labelers"], one["labelers_ci"]) or "–",
        percent(one["model"], one["model_ci"]) or "–",
        f"{one['comparisons']:,}",
        f"{correlation}, within prompts {within}" if within else correlation,
    ]


def _disagreement(each: Mapping[str, Any], names: Mapping[str, str]) -> str:
    who = names.get(each.get("labeler", ""), each.get("labeler")) or "the labeler"
    columns = (
        (
            f"{who} preferred this {MARGINS.get(each['margin'], '')}".strip(),
            each["preferred"],
            each.get("preferred_score"),
        ),
        (_sure(each), each["model_prefers"], each.get("model_prefers_score")),
    )
    answers = "".join(
        f"<div><small>{esc(caption)}{_scored(score)}</small>{esc(text)}</div>" for caption, text, score in columns
    )
    return f"<div class=asked>{esc(each['prompt'])}</div><div class=beside>{answers}</div>"


def _sure(each: Mapping[str, Any]) -> str:
    certain = f"{100 * each['confidence']:.0f} % sure, " if each.get("confidence") else ""
    return f"the model prefers this, {certain}by {each['difference']:.2f}"


def _scored(score: float | None) -> str:
    return "" if score is None else f" · score {score:.2f}"
