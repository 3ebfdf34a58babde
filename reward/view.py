"""A reward model's report as HTML and as the tables behind its plots."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

from data.errors import BadInput
from data.records import RewardModel
from data.store import Store

PAGES = {"train reward": "Reward", "train": "Runs", "sample": "Runs", "runs": "Runs"}
IMPORT = re.compile(r": app\.py import\b[^.;,]*")
COMMAND = re.compile(r"app\.py (train reward|train|sample|runs)\b[^.;,]*")
MARGINS = {1: "slightly", 2: "clearly", 3: "much"}
PREFERRED, OTHER = "preferred", "other"
MODEL, PERFECT = "this model", "perfectly calibrated"


def cards(models: list[RewardModel]) -> str:
    """A card per reward model, newest first; without one, what to do."""
    if not models:
        return (
            "<div class=empty>No reward model yet. Compare some pairs on the <a href='/label/'>Label</a> page, "
            "then train one with the form below.</div>"
        )
    return "".join(card(model) for model in reversed(models))


def card(model: RewardModel) -> str:
    """Accuracy with its interval beside what it has to be read against."""
    report = model.report
    agreement = report.get("agreement") or {}
    beside = {
        "Accuracy on test prompts": share(report.get("accuracy"), report.get("ci")),
        "Ceiling: the rubric on the same labels": share(report.get("ceiling")),
        "Longer answer preferred": share(report.get("length_baseline")),
        "Labelers agree with each other": share(agreement.get("rate"), agreement.get("ci")),
        "Skill": share(report.get("skill")),
        "Pairs differing in task fit alone": share(report.get("fit_accuracy"), report.get("fit_ci")),
        "Loss (a coin has 0.693)": number(report.get("loss"), 3),
        "Length correlation": number(report.get("length_correlation"), 2),
        "Test comparisons": report.get("test_comparisons"),
        "Trained on": report.get("trained_on"),
        "Seconds": number(report.get("seconds"), 0),
        "Data": model.snapshot_id and f"s{model.snapshot_id}",
    }
    note = f"<p class=soft>{esc(report['note'])}</p>" if report.get("note") else ""
    return (
        f"<div class=card><b>{esc(model.public)}</b> <span class=soft>{esc(model.name)}, "
        f"{esc(model.created_at[:16].replace('T', ' '))}</span>{facts(beside)}{note}</div>"
    )


def worst(model: RewardModel) -> str:
    """The comparisons where it is surest of the other side, prompt above, both answers side by side."""
    found = model.report.get("worst") or []
    if not found:
        return "<div class=empty>No test comparison on which this model and the labeler disagree.</div>"
    return "".join(_disagreement(each) for each in found)


def by_margin(model: RewardModel) -> pd.DataFrame:
    """Columns preference, accuracy."""
    rows = model.report.get("by_margin") or []
    labels = [f"{MARGINS[row['margin']]} ({row['comparisons']})" for row in rows]
    return pd.DataFrame({"preference": labels, "accuracy": [row["accuracy"] for row in rows]})


def histogram(model: RewardModel) -> pd.DataFrame:
    """Columns score (middle of a bin), answers (how many), series."""
    found = model.report.get("histogram") or {"edges": [], "chosen": [], "rejected": []}
    middles = [(low + high) / 2 for low, high in zip(found["edges"], found["edges"][1:], strict=False)]
    return pd.DataFrame(
        {
            "score": middles * 2,
            "answers": [*found["chosen"], *found["rejected"]],
            "series": [PREFERRED] * len(middles) + [OTHER] * len(middles),
        }
    )


def reliability(model: RewardModel) -> pd.DataFrame:
    """Columns predicted, observed, series; the second series is the diagonal."""
    bins = model.report.get("calibration") or []
    predicted, observed = [each["predicted"] for each in bins], [each["observed"] for each in bins]
    diagonal = [0.5, 1.0] if bins else []
    return pd.DataFrame(
        {
            "predicted": [*predicted, *diagonal],
            "observed": [*observed, *diagonal],
            "series": [MODEL] * len(bins) + [PERFECT] * len(diagonal),
        }
    )


def share(value: float | None, interval: Any = None) -> str | None:
    """71 %, with its interval 71 % (66-75); None stays None."""
    if value is None:
        return None
    text = f"{100 * value:.0f} %"
    return f"{text} ({100 * interval[0]:.0f}–{100 * interval[1]:.0f})" if interval else text


def number(value: float | None, digits: int) -> str | None:
    """A number with so many decimals; None stays None."""
    return None if value is None else f"{value:,.{digits}f}"


def facts(pairs: Mapping[str, Any]) -> str:
    """Short facts in a row, each under its name; unknown ones are left out."""
    shown = "".join(f"<div><span class=k>{esc(name)}</span><br>{esc(value)}</div>" for name, value in pairs.items() if value is not None)
    return f"<div class=facts>{shown}</div>"


def said(what: str | BadInput) -> str:
    """What just happened, or why it did not, for eyes and screen readers."""
    colour, text = ("bad", refused(what)) if isinstance(what, BadInput) else ("good", esc(what))
    return f"<div class='said {colour}' role=status aria-live=polite>{text}</div>"


def refused(problem: BadInput) -> str:
    """What cannot be done and what to do instead, as HTML: a page stands where the command line has a command."""
    field = problem.field if problem.field and problem.field not in problem.error else None
    error = f"{BadInput(problem.error, file=problem.file, line=problem.line, field=field)}".rstrip(".") + "."
    remedy = IMPORT.sub(" with the command import", COMMAND.sub(_page, esc(problem.remedy)))
    return f"{esc(error)} {remedy}".strip()


def _page(command: re.Match[str]) -> str:
    title = PAGES[command[1]]
    return f"<a href='#{title.lower()}'>{title}</a>"


def policy_names(store: Store) -> list[str]:
    """What a field for a policy offers: nothing, then the policies, newest first."""
    return ["", *(policy.public for policy in reversed(store.policies.list()))]


def esc(value: Any) -> str:
    """Text, never markup."""
    return escape(str(value), quote=True)


def _disagreement(each: Mapping[str, Any]) -> str:
    preferred = f"the labeler preferred this {MARGINS.get(each['margin'], '')}".strip()
    model = f"the model prefers this, by {each['difference']:.2f}"
    columns = ((preferred, each["preferred"]), (model, each["model_prefers"]))
    answers = "".join(f"<div><small>{esc(caption)}</small>{esc(text)}</div>" for caption, text in columns)
    return f"<div class=asked>{esc(each['prompt'])}</div><div class=beside>{answers}</div>"
