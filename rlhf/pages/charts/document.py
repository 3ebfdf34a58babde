# SPDX-License-Identifier: Apache-2.0
"""The JSON document of the charts: the curves of the chosen runs, their plots and tables, and every text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from data.errors import BadInput
from data.ids import RUN, parse_id
from data.records import Note, Run
from data.store import Store
from data.tables.notes import EMPTY
from labeling.texts.pages import text
from labeling.texts.times import local_date
from labeling.texts.translate import Refusal
from reward.report.addresses import id_link, link_value, unknown
from rlhf.kinds import kind_title
from rlhf.pages.charts.curves import Curves, read_curves
from rlhf.pages.charts.groups import TOTALS, group_metrics, limits_of, words
from rlhf.pages.markup import esc, scrolling
from rlhf.pages.runs.run_list import describe_tags

MOST_RUNS = 8
"""Runs in one set of charts, at most: a reader can distinguish so many colours."""
AXES = ("step", "episodes", "seconds")
TEXTS = (
    *("smoothing", "log_scale", "x_axis", "reset_zoom", "add_run", "remove", "charts", "chart_help", "shown_runs"),
    *("spoken_chart", "at", "newest_at", "not_finite", "not_above_0", "limit_above", "save_as", "show_table"),
    *("table_of", "failed_load"),
)
"""Texts of the charts that the browser fills."""
BLANKS = {name: f"{{{name}}}" for name in ("run", "title", "axis", "x", "n", "name", "value", "file", "why")}


def read_runs(store: Store, names: str) -> list[Run]:
    """Return the runs of a list such as `run5,run7`, each once. Raise BadInput for an unknown one and for too many."""
    runs: dict[int, Run] = {}
    for name in names.split(","):
        try:
            run = store.runs.get(parse_id(name, RUN))
        except BadInput as problem:
            raise unknown("runs", name) from problem
        runs[run.id] = run
    if len(runs) > MOST_RUNS:
        raise Refusal("train.runs.too_many", n=len(runs), most=MOST_RUNS)
    return list(runs.values())


def make_document(store: Store, names: str) -> dict[str, Any]:
    """Return what the browser draws of the runs in a list such as `run5,run7`. Raise BadInput if there is none."""
    chosen, notes = read_runs(store, names), store.notes.all(RUN)
    runs = sorted(chosen, key=lambda run: not notes.get(run.id, EMPTY).baseline)  # the baseline comes first
    drawn = [read_curves(store, run) for run in runs]
    groups = group_metrics(key for curves in drawn for key in curves.series)
    return {
        "chosen": [run.public for run in chosen],
        "runs": [_run_document(curves, notes.get(curves.run.id, EMPTY)) for curves in drawn],
        "groups": [
            {"key": key, "title": text(f"runs.group_{key}"), "plots": [plot._asdict() for plot in plots]}
            for key, plots in groups.items()
        ],
        "settings": draw_differences(runs),
        "totals": draw_totals(drawn),
        "others": _others(store, runs, notes),
        "most": MOST_RUNS,
        "axes": {axis: axis_name(axis, runs) for axis in AXES},
        "texts": {name: text(f"runs.{name}", **BLANKS) for name in TEXTS},
    }


def axis_name(axis: str, runs: Sequence[Run]) -> str:
    """Return the name of an x axis; a step of PPO is an update."""
    is_ppo = all(run.kind == "ppo" for run in runs)
    return text("runs.axis_update" if axis == "step" and is_ppo else f"runs.axis_{axis}")


def _run_document(curves: Curves, note: Note) -> dict[str, Any]:
    run = curves.run
    episodes = run.settings.get("batch_size") if run.kind == "ppo" else None
    known = {"step": True, "episodes": bool(episodes), "seconds": bool(curves.seconds)}
    return {
        "run": run.public,
        "title": run_title(run, note),
        "before": [text("runs.joined", run=run.public, old=old.public) for old in curves.before],
        "lacks": {
            axis: text("runs.lacks_axis", run=run.public, axis=text(f"runs.axis_{axis}"))
            for axis in AXES
            if not known[axis]
        },
        "episodes": episodes,
        "seconds": {step: round(value, 3) for step, value in curves.seconds.items()},
        "limits": {key: {"name": name, "value": value} for key, (name, value) in limits_of(run).items()},
        "series": {
            key: {
                "steps": [step for step, _ in series.points],
                "values": [float(f"{value:.6g}") for _, value in series.points],
                "not_finite": series.not_finite,
            }
            for key, series in curves.series.items()
        },
    }


def run_title(run: Run, note: Note = EMPTY) -> str:
    """Return a run's id, what it is, its name and what it produced, as one line."""
    return " · ".join((f"{run.public} {kind_title(run.kind)}", *filter(None, [note.name]), *run.produced))


def _others(store: Store, chosen: Sequence[Run], notes: Mapping[int, Note]) -> list[list[str]]:
    """Return id and title of the other runs that have curves: the baseline, then the newest. Archived ones are out."""
    taken = {run.id for run in chosen} | {id for id, note in notes.items() if note.archived}
    runs = [run for run in store.runs.all() if run.id not in taken]
    drawable = store.metrics.with_values([run.id for run in runs])

    def title(run: Run, note: Note) -> str:
        state = text(f"runs.state_{run.state}")
        return " · ".join((run_title(run, note), *describe_tags(note), state, local_date(run.created_at)))

    offered = sorted(runs, key=lambda run: not notes.get(run.id, EMPTY).baseline)
    return [[run.public, title(run, notes.get(run.id, EMPTY))] for run in offered if run.id in drawable]


def draw_differences(runs: Sequence[Run]) -> str:
    """Return a table of the settings in which the runs differ; empty for one run."""
    if len(runs) < 2:
        return ""
    columns: list[dict[str, object]] = [{text("runs.column_kind"): run.kind, **run.settings} for run in runs]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = {name: [column.get(name) for column in columns] for name in names}
    different = {words(name): values for name, values in rows.items() if any(value != values[0] for value in values)}
    if not different:
        return f"<p class=soft>{esc(text('runs.same_settings'))}</p>"
    return _table(text("runs.different_settings"), runs, different)


def draw_totals(drawn: Sequence[Curves]) -> str:
    """Return a table of what the runs reported once, at their end; empty if they did not."""
    rows = {
        words(key): [
            f"{curves.series[key].points[-1][1]:,.4g}" if key in curves.series and curves.series[key].points else None
            for curves in drawn
        ]
        for key in TOTALS
    }
    reported = {name: values for name, values in rows.items() if any(values)}
    return _table(text("runs.totals"), [curves.run for curves in drawn], reported) if reported else ""


def _table(caption: str, runs: Sequence[Run], rows: dict[str, list[Any]]) -> str:
    """Return a table that can be folded: a row for each name, a column for each run. Ids are links."""
    head = "".join(
        f"<th scope=col><i style='--colour: var(--line-{number})'></i>{id_link(run.public)}</th>"
        for number, run in enumerate(runs)
    )
    body = "".join(
        f"<tr><th scope=row>{esc(name)}</th>{''.join(f'<td>{_cell(value)}</td>' for value in values)}</tr>"
        for name, values in rows.items()
    )
    table = f"<table class=runs-compared><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<details open><summary>{esc(caption)} ({len(rows)})</summary>{scrolling(caption, table)}</details>"


def _cell(value: object) -> str:
    if value in (None, "", []):
        return "–"
    if isinstance(value, float):
        return esc(f"{value:g}")
    return link_value(", ".join(map(str, value)) if isinstance(value, list) else value)
