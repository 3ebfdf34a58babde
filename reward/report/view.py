# SPDX-License-Identifier: Apache-2.0
"""A reward model's report as HTML and as table rows; `reward.report.plots` draws its plots."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from data.errors import BadInput
from data.intervals import FEWEST
from data.records import RewardModel
from data.store import Store
from reward.report import plots
from reward.report.groups import MARGINS

PAGES = {"train reward": "Reward", "train": "Runs", "sample": "Runs", "runs": "Runs"}
IMPORT = re.compile(r": preference-loop import\b[^.;,]*")
COMMAND = re.compile(r"preference-loop (train reward|train|sample|runs)\b(?! --endpoint)[^.;,]*")
"""Commands in a remedy that a page replaces. Sampling from an endpoint has no page."""
HEADERS = ["Comparisons", "by", "Number", "Prompts", "Accuracy (%)", "95 % from", "to"]
"""The columns of the table of groups."""
FEATURES = {
    "longer": ("the longer answer", "length"),
    "list": ("the answer with a list", "list"),
    "left": ("the left answer", "side"),
}
"""Per feature of a bias its text, and the name that its correlations have in the report."""
Report = Mapping[str, Any]
"""The JSON of a report; `reward.report.documents` types its parts."""


def cards_html(models: list[RewardModel]) -> str:
    """Return a card per reward model, newest first, or the next step if there is none."""
    if not models:
        return (
            "<div class=empty>No reward model yet. Label pairs on the <a href='../label/'>Label</a> page, "
            "then train a reward model with the form below.</div>"
        )
    return "".join(card_html(model) for model in reversed(models))


def card_html(model: RewardModel) -> str:
    """Return a reward model's accuracy with its baselines, as a card."""
    report = model.report
    agreement = report.get("agreement") or {}
    tested, ties = report.get("test_comparisons"), report.get("ties") or 0
    decided = None if tested is None else tested - ties
    with_ties = percent(report.get("accuracy_ties_half"), report.get("ci_ties_half"), tested) if ties else None
    facts = {
        "Accuracy on test prompts": percent(report.get("accuracy"), report.get("ci"), decided),
        "Accuracy with ties as half": with_ties,
        "Ceiling: rubric score on the same labels": percent(report.get("ceiling")),
        "Baseline: longer answer preferred": percent(report.get("length_baseline")),
        "Agreement between labelers": percent(agreement.get("rate"), agreement.get("ci"), agreement.get("pairs")),
        "Best possible accuracy": percent_range(report.get("reachable")),
        "Skill": percent(report.get("skill")),
        "Accuracy on task fit alone": percent(
            report.get("fit_accuracy"), report.get("fit_ci"), report.get("fit_pairs")
        ),
        "Loss (coin flip: 0.693)": number_text(report.get("loss"), 3),
        "Calibration error (ECE)": calibration_text(report),
        "Test comparisons": number_text(report.get("test_comparisons"), 0),
        "Training comparisons": number_text(report.get("trained_on"), 0),
        "Training time (seconds)": number_text(report.get("seconds"), 0),
        "Snapshot": model.snapshot_id and f"s{model.snapshot_id}",
    }
    note = f"<p class=soft>{esc(report['note'])}</p>" if report.get("note") else ""
    return (
        f"<div class=card><b>{esc(model.public)}</b> <span class=soft>{esc(model.name)}, "
        f"{esc(model.created_at[:16].replace('T', ' '))}</span>{facts_html(facts)}{note}</div>"
    )


def disagreements_html(model: RewardModel, names: Mapping[str, str]) -> str:
    """Return the report's worst disagreements: each prompt with both answers side by side; `names` by pseudonym."""
    disagreements = model.report.get("worst") or []
    if not disagreements:
        return "<div class=empty>The model and the labelers agree on every test comparison.</div>"
    return "".join(_disagreement(row, names) for row in disagreements)


def details_html(model: RewardModel) -> str:
    """Return a reward model's plots, its biases, and a link to download the whole report."""
    report = model.report
    if not plots.plots(report):
        return "<div class=empty>No comparison of a test prompt yet. Label more pairs on the <a href='../label/'>Label</a> page.</div>"
    return f"{plots.plots(report)}{bias_html(report)}<p>{download_link(model)}</p>"


def group_rows(model: RewardModel, names: Mapping[str, str]) -> list[list[Any]]:
    """Return the table of groups under HEADERS: by margin, side of the better answer, labeler; `names` by pseudonym."""
    report = model.report
    margins, sides, labelers = (report.get(key) or [] for key in ("by_margin", "by_winner_side", "by_labeler"))
    rows = [["strength of preference", MARGINS.get(group["margin"], "?"), *_group(group)] for group in margins]
    rows += [["side of the better answer", group["side"], *_group(group)] for group in sides]
    rows += [["labeler", names.get(group["labeler"], group["labeler"]), *_group(group)] for group in labelers]
    return rows


def bias_html(report: Report) -> str:
    """Return the biases of labelers and model by feature, and the correlations of the score, as a table."""
    biases = report.get("leanings") or []
    if not biases:
        return ""
    head = "".join(
        f"<th>{name}</th>"
        for name in ("Prefers", "Labelers", "This model", "Comparisons", "Correlation with the score")
    )
    body = "".join(f"<tr>{''.join(f'<td>{esc(cell)}</td>' for cell in _bias(bias, report))}</tr>" for bias in biases)
    lead = "Shares of the comparisons whose answers differ in the feature. PPO exploits a bias of the model that labelers do not share."
    return f"<h2>Biases</h2><p class=soft>{lead}</p><div class=scroll><table class=leans><tr>{head}</tr>{body}</table></div>"


def download_link(model: RewardModel) -> str:
    """Return a link that saves the report as JSON."""
    data = base64.b64encode(json.dumps(model.report, ensure_ascii=False, indent=1).encode()).decode()
    return f"<a download='{esc(model.public)}-report.json' href='data:application/json;base64,{data}'>Download the report (JSON)</a>"


def percent(value: float | None, interval: Sequence[float] | None = None, n: int | None = None) -> str | None:
    """Return a share as 71 %, with its interval and number of comparisons as 71 % (66-75) of 300; None stays None.

    With fewer than FEWEST comparisons it says that they are too few.
    """
    if value is None:
        return None
    if n is not None and n < FEWEST:
        return f"too few to say ({n})"
    text = f"{100 * value:.0f} %"
    text = f"{text} ({100 * interval[0]:.0f}–{100 * interval[1]:.0f})" if interval else text
    return text if n is None else f"{text} of {n:,}"


def percent_range(bounds: list[float] | None) -> str | None:
    """Return a range of shares as 74-84 %; None stays None."""
    return None if bounds is None else f"{100 * bounds[0]:.0f}–{100 * bounds[1]:.0f} %"


def calibration_text(report: Report) -> str | None:
    """Return the ECE in points, before and after temperature scaling; None if it is unknown."""
    if report.get("ece") is None:
        return None
    after = "" if report["ece_scaled"] is None else f", scaled {100 * report['ece_scaled']:.1f}"
    return f"{100 * report['ece']:.1f} points{after}"


def number_text(value: float | None, digits: int) -> str | None:
    """Return a number with `digits` decimals; None stays None."""
    return None if value is None else f"{value:,.{digits}f}"


def facts_html(pairs: Mapping[str, object]) -> str:
    """Return short facts in a row, each under its name, without those that are None."""
    shown = "".join(
        f"<div><span class=k>{esc(name)}</span><br>{esc(value)}</div>"
        for name, value in pairs.items()
        if value is not None
    )
    return f"<div class=facts>{shown}</div>"


def message_html(message: str | BadInput) -> str:
    """Return a message or an error as a status line that screen readers announce."""
    colour, text = ("bad", error_html(message)) if isinstance(message, BadInput) else ("good", esc(message))
    return f"<div class='said {colour}' role=status aria-live=polite>{text}</div>"


def error_html(problem: BadInput) -> str:
    """Return an error and its remedy as HTML, with links to pages in place of commands."""
    field = problem.field if problem.field and problem.field not in problem.error else None
    error = f"{BadInput(problem.error, file=problem.file, line=problem.line, field=field)}".rstrip(".") + "."
    remedy = IMPORT.sub(" with the command import", COMMAND.sub(_page_link, esc(problem.remedy)))
    return f"{esc(error)} {remedy}".strip()


def _page_link(command: re.Match[str]) -> str:
    title = PAGES[command[1]]
    return f"<a href='#{title.lower()}'>{title}</a>"


def policy_names(store: Store) -> list[str]:
    """Return the choices of a policy field: none, then the policies, newest first."""
    return ["", *(policy.public for policy in reversed(store.policies.all()))]


def esc(value: object) -> str:
    """Return a value as text without markup."""
    return escape(str(value), quote=True)


def _group(group: Report) -> Iterator[float | None]:
    low, high = group.get("ci") or (None, None)
    yield from (group["comparisons"], group.get("prompts"))
    yield from (None if share is None else round(100 * share, 1) for share in (group["accuracy"], low, high))


def _bias(bias: Report, report: Report) -> list[str]:
    preferred, name = FEATURES[bias["prefers"]]
    within = number_text(report.get(f"{name}_correlation_within_prompt"), 2)
    correlation = number_text(report.get(f"{name}_correlation"), 2) or "–"
    return [
        preferred,
        percent(bias["labelers"], bias["labelers_ci"], bias["comparisons"]) or "–",
        percent(bias["model"], bias["model_ci"], bias["comparisons"]) or "–",
        f"{bias['comparisons']:,}",
        f"{correlation}, within prompts {within}" if within else correlation,
    ]


def _disagreement(row: Report, names: Mapping[str, str]) -> str:
    labeler = names.get(row.get("labeler", ""), row.get("labeler")) or "the labeler"
    by_labeler = f"{labeler} preferred this {MARGINS.get(row['margin'], '')}".strip()
    columns = (
        (by_labeler, row["preferred"], row.get("preferred_score")),
        (_model_caption(row), row["model_prefers"], row.get("model_prefers_score")),
    )
    answers = "".join(
        f"<div><small>{esc(caption)}{_score_text(score)}</small>{esc(text)}</div>" for caption, text, score in columns
    )
    return f"<div class=asked>{esc(row['prompt'])}</div><div class=beside>{answers}</div>"


def _model_caption(row: Report) -> str:
    confidence = f" with {100 * row['confidence']:.0f} % confidence" if row.get("confidence") else ""
    return f"the model prefers this{confidence}, by {row['difference']:.2f}"


def _score_text(score: float | None) -> str:
    return "" if score is None else f" · score {score:.2f}"
