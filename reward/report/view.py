# SPDX-License-Identifier: Apache-2.0
"""A reward model's report as HTML and as table rows; `reward.report.plots` draws its plots."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from data.errors import BadInput
from data.records import RewardModel
from data.texts import translate_line
from labeling.texts.answers import captioned_answer
from labeling.texts.pages import DASH, format_share, text
from labeling.texts.reader import reader_language
from labeling.texts.times import local_time
from labeling.texts.translate import Refusal
from labeling.texts.user_text import block
from reward.report import plots
from reward.report.addresses import id_link, link_ids, link_value
from reward.report.choices import role_name
from reward.report.left_out import left_out_text
from reward.report.live import LiveAccuracy
from reward.report.option_names import FIELDS
from reward.report.passes import passes_text

PAGES = {"train reward": "reward", "train": "runs", "sample": "runs", "runs": "runs"}
IMPORT = re.compile(r": preference-loop import\b[^.;,]*")
COMMAND = re.compile(r"preference-loop (train reward|train|sample|runs)\b(?! --endpoint| webhook)[^.;,]*")
"""Commands in a remedy that a page replaces. Endpoints and the webhook have no page."""
COLUMNS = ("comparisons", "group", "number", "prompts", "accuracy", "low", "high")
"""The columns of the table of groups."""
FEATURES = {"longer": "length", "list": "list", "left": "side"}
"""The features of a bias, and the names that their correlations have in the report."""
LABEL_LINK = "<a href='../label/'>{}</a>"
Report = Mapping[str, Any]
"""The JSON of a report; `reward.report.documents` types its parts."""


def cards_html(models: list[RewardModel], live: Mapping[int, LiveAccuracy]) -> str:
    """Return a card per reward model, newest first, or the next step if there is none; `live` by model."""
    if not models:
        return _empty("reward.none")
    return "".join(card_html(model, live.get(model.id)) for model in reversed(models))


def card_html(model: RewardModel, live: LiveAccuracy | None = None) -> str:
    """Return a reward model's accuracy with its baselines, as a card."""
    report, agreement = model.report, model.report.get("agreement") or {}
    tested, ties = report.get("test_comparisons"), report.get("ties") or 0
    decided = None if tested is None else tested - ties
    with_ties = format_share(report.get("accuracy_ties_half"), report.get("ci_ties_half"), tested) if ties else None
    facts = {
        text("reward.fact_accuracy"): format_share(report.get("accuracy"), report.get("ci"), decided),
        text("reward.fact_accuracy_ties"): with_ties,
        text("reward.fact_live"): live and live.shown,
        text("reward.fact_ceiling"): format_share(report.get("ceiling")),
        text("reward.fact_length_baseline"): format_share(report.get("length_baseline")),
        text("reward.fact_agreement"): format_share(agreement.get("rate"), agreement.get("ci"), agreement.get("pairs")),
        text("reward.fact_reachable"): percent_range(report.get("reachable")),
        text("reward.fact_skill"): format_share(report.get("skill")),
        text("reward.fact_fit_accuracy"): format_share(
            report.get("fit_accuracy"), report.get("fit_ci"), report.get("fit_pairs")
        ),
        text("reward.fact_loss"): number_text(report.get("loss"), 3),
        text("reward.fact_ece"): calibration_text(report),
        text("reward.fact_test_comparisons"): number_text(report.get("test_comparisons"), 0),
        text("reward.fact_method"): translate_line(report.get("method", {}).get("reason", ""), reader_language()),
        text("reward.fact_passes"): passes_text(report.get("method", {})),
        text("reward.fact_trained_on"): number_text(report.get("trained_on"), 0),
        text("reward.fact_left_out"): left_out_text(report.get("left_out")),
        text("reward.fact_seconds"): number_text(report.get("seconds"), 0),
        text("reward.fact_snapshot"): model.snapshot_id and f"s{model.snapshot_id}",
    }
    note = f"<p class=soft>{esc(text('reward.accuracy_unknown'))}</p>" if report.get("note") else ""
    return (
        f"<div class=card><b>{id_link(model.public)}</b> {esc(role_name(model.role))} <span class=soft>{esc(model.name)}, "
        f"{esc(local_time(model.created_at))}</span>{facts_html(facts)}{note}</div>"
    )


def disagreements_html(model: RewardModel, names: Mapping[str, str]) -> str:
    """Return the report's worst disagreements: each prompt with both answers side by side; `names` by pseudonym."""
    disagreements = model.report.get("worst") or []
    if not disagreements:
        return f"<div class=empty>{esc(text('reward.no_disagreement'))}</div>"
    return "".join(_disagreement(row, names) for row in disagreements)


def details_html(model: RewardModel) -> str:
    """Return a reward model's plots, its biases, and a link to download the whole report."""
    report = model.report
    if not plots.plots(report):
        return _empty("reward.no_test_comparison")
    return f"{plots.plots(report)}{bias_html(report)}<p>{download_link(model)}</p>"


def group_rows(model: RewardModel, names: Mapping[str, str]) -> list[list[Any]]:
    """Return the table of groups under COLUMNS: by margin, side of the better answer, labeler; `names` by pseudonym."""
    report = model.report
    margins, sides, labelers = (report.get(key) or [] for key in ("by_margin", "by_winner_side", "by_labeler"))
    rows = [[text("reward.by_margin"), plots.margin_name(group["margin"]), *_group(group)] for group in margins]
    rows += [[text("reward.by_side"), text(f"reward.side_{group['side']}"), *_group(group)] for group in sides]
    rows += [
        [text("reward.by_labeler"), names.get(group["labeler"], group["labeler"]), *_group(group)] for group in labelers
    ]
    return rows


def bias_html(report: Report) -> str:
    """Return the biases of labelers and model by feature, and the correlations of the score, as a table."""
    biases = report.get("leanings") or []
    if not biases:
        return ""
    names = ("prefers", "labelers", "model", "comparisons", "correlation")
    head = "".join(f"<th scope=col>{esc(text(f'reward.bias_{name}'))}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{esc(cell)}</td>' for cell in _bias(bias, report))}</tr>" for bias in biases)
    title, lead = esc(text("reward.biases")), esc(text("reward.biases_lead"))
    table = (
        f"<div class=scroll role=region aria-label='{title}' tabindex=0>"
        f"<table class=leans><tr>{head}</tr>{body}</table></div>"
    )
    return f"<h2>{title}</h2><p class=soft>{lead}</p>{table}"


def download_link(model: RewardModel) -> str:
    """Return a link that saves the report as JSON."""
    data = base64.b64encode(json.dumps(model.report, ensure_ascii=False, indent=1).encode()).decode()
    return f"<a download='{esc(model.public)}-report.json' href='data:application/json;base64,{data}'>{esc(text('reward.download'))}</a>"


def percent_range(bounds: list[float] | None) -> str | None:
    """Return a range of shares as 74-84 %; None stays None."""
    return None if bounds is None else f"{100 * bounds[0]:.0f}–{100 * bounds[1]:.0f} %"


def calibration_text(report: Report) -> str | None:
    """Return the ECE in points, before and after temperature scaling, and its part by chance; None if unknown."""
    if report.get("ece") is None:
        return None
    points = text("reward.points", n=100 * report["ece"])
    if report["ece_scaled"] is not None:
        points = text("reward.ece_scaled", ece=points, n=100 * report["ece_scaled"])
    chance = report.get("ece_if_calibrated")
    return points if chance is None else text("reward.ece_chance", ece=points, n=100 * chance)


def number_text(value: float | None, digits: int) -> str | None:
    """Return a number with `digits` decimals; None stays None."""
    return None if value is None else f"{value:,.{digits}f}"


def facts_html(pairs: Mapping[str, object]) -> str:
    """Return short facts in a row, each under its name, without those that are unknown."""
    shown = "".join(
        f"<div><span class=k>{esc(name)}</span><br>{link_value(value)}</div>"
        for name, value in pairs.items()
        if value not in (None, DASH)
    )
    return f"<div class=facts>{shown}</div>"


def message_html(message: str | BadInput, *ids: str) -> str:
    """Return a message or an error as a status line that screen readers announce; `ids` in the message are links."""
    colour, line = ("bad", error_html(message)) if isinstance(message, BadInput) else ("good", link_ids(message, ids))
    return f"<div class='said {colour}' role=status aria-live=polite>{line}</div>"


def error_html(problem: BadInput) -> str:
    """Return an error and its remedy as HTML, with links at ids and in place of commands."""
    if isinstance(problem, Refusal):
        ids = [str(value) for key, value in problem.values.items() if key != "name"]  # people's and projects' names
        return COMMAND.sub(_page_link, link_ids(problem.text_in(reader_language()), ids))
    field = problem.field if problem.field and problem.field not in problem.error else None
    problem = problem.in_language(reader_language()).rename_options(FIELDS)
    error = f"{BadInput(problem.error, file=problem.file, line=problem.line)}".rstrip(".")
    error += f"{text('reward.in_field', field=field) if field else ''}."
    remedy = IMPORT.sub(f" {esc(text('reward.by_import'))}", COMMAND.sub(_page_link, esc(problem.remedy)))
    return f"{link_ids(error)} {remedy}".strip()


def _page_link(command: re.Match[str]) -> str:
    page = PAGES[command[1]]
    return f"<a href='#{page}'>{esc(text(f'{page}.title'))}</a>"


def esc(value: object) -> str:
    """Return a value as text without markup."""
    return escape(str(value), quote=True)


def columns() -> list[str]:
    """Return the headers of the table of groups."""
    return [text(f"reward.column_{name}") for name in COLUMNS]


def _empty(key: str) -> str:
    """Return what is missing, with a link to the labelers' page."""
    return f"<div class=empty>{text(key, label=LABEL_LINK.format(esc(text('link.label'))))}</div>"


def _group(group: Report) -> Iterator[float | None]:
    low, high = group.get("ci") or (None, None)
    yield from (group["comparisons"], group.get("prompts"))
    yield from (None if share is None else round(100 * share, 1) for share in (group["accuracy"], low, high))


def _bias(bias: Report, report: Report) -> list[str]:
    name = FEATURES[bias["prefers"]]
    within = number_text(report.get(f"{name}_correlation_within_prompt"), 2)
    correlation = number_text(report.get(f"{name}_correlation"), 2) or DASH
    return [
        text(f"reward.prefers_{bias['prefers']}"),
        format_share(bias["labelers"], bias["labelers_ci"], bias["comparisons"]),
        format_share(bias["model"], bias["model_ci"], bias["comparisons"]),
        f"{bias['comparisons']:,}",
        text("reward.within_prompts", correlation=correlation, within=within) if within else correlation,
    ]


def _disagreement(row: Report, names: Mapping[str, str]) -> str:
    labeler = names.get(row.get("labeler", ""), row.get("labeler")) or text("reward.the_labeler")
    by_labeler = text("reward.preferred_this", labeler=labeler, margin=plots.margin_name(row["margin"]))
    columns = (
        (by_labeler, row["preferred"], row.get("preferred_score")),
        (_model_caption(row), row["model_prefers"], row.get("model_prefers_score")),
    )
    answers = "".join(
        captioned_answer(reader_language(), caption + _score_text(score), answer) for caption, answer, score in columns
    )
    return f"{block(row['prompt'], 'asked')}<div class=beside>{answers}</div>"


def _model_caption(row: Report) -> str:
    if not row.get("confidence"):
        return text("reward.model_prefers", difference=row["difference"])
    return text("reward.model_prefers_confident", confidence=100 * row["confidence"], difference=row["difference"])


def _score_text(score: float | None) -> str:
    return "" if score is None else f" · {text('reward.score', score=score)}"
