# SPDX-License-Identifier: Apache-2.0
"""Reports of the data clinic as HTML: steps, quality, snapshots with data cards, trials, curve. Without gradio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from data.intervals import shown_interval
from data.records import Run, Snapshot
from data.store import Store
from labeling.texts.pages import format_percent, format_share, text
from labeling.texts.times import local_time
from labeling.texts.user_text import block
from reward.report.addresses import id_link
from reward.report.plots import figure
from reward.report.svg_chart import Chart, round_ticks, share_ticks
from rlhf.pages.markup import answer_html, empty, esc, facts

Report = Mapping[str, Any]
RATE_PAGE = "../label/rate"
RATINGS = 20
"""Ratings from which on the quality of rows can be learned."""
STEPS = ("examine", "rate", "choose", "check")
CARDS, TRIALS = 8, 5
"""Snapshots and trials on the page."""


def newest_run(store: Store, kind: str) -> Run | None:
    """Return the newest run of a kind that is done."""
    return next((run for run in store.runs.all() if run.kind == kind and run.state == "done"), None)


def newest_scores(store: Store) -> Run | None:
    """Return the newest finished recipe that scored the rows."""
    runs = (run for run in store.runs.all() if run.kind == "curate" and run.state == "done")
    return next((run for run in runs if "quality" in run.report), None)


def due_step(store: Store) -> str | None:
    """Return the first of STEPS that is not done; None if all are."""
    done = {
        "examine": newest_run(store, "embed"),
        "rate": sum(store.ratings.counts().values()) >= RATINGS,
        "choose": newest_run(store, "curate"),
        "check": newest_run(store, "ab"),
    }
    return next((step for step in STEPS if not done[step]), None)


def draw_steps(store: Store) -> str:
    """Return the four steps in their order, each with its result so far."""
    due, results = due_step(store), _results(store)
    link = f"<a href='{RATE_PAGE}'>{esc(text('clinic.rate_rows'))}</a>"
    boxes = "".join(
        f"<div class='card{' next' * (step == due)}'>"
        f"<span class=soft>{number} {esc(text(f'clinic.step_{step}'))}</span>"
        f"<div><b>{esc(results[step])}</b></div>"
        f"<span class=soft>{esc(text(f'clinic.step_{step}_how'))} {link if step == 'rate' else ''}</span></div>"
        for number, step in enumerate(STEPS, start=1)
    )
    return f"<div class=steps>{boxes}</div>"


def draw_examination(run: Run | None) -> str:
    """Return the facts of an examination."""
    if run is None:
        return empty(text("clinic.not_examined"))
    report = run.report
    languages = ", ".join(f"{name} {count:,}" for name, count in list(report["languages"].items())[:4])
    return facts(
        {
            text("clinic.rows"): f"{report['rows']:,}",
            text("clinic.vectors"): report["model"],
            text("clinic.near_duplicates"): f"{report['near_duplicates']:,}",
            text("clinic.median_ifd"): f"{report['ifd']:.2f}",
            text("clinic.languages"): languages,
            text("clinic.run"): run.public,
        }
    )


def draw_quality(run: Run | None) -> str:
    """Return the accuracy of the quality scores, their distribution, and the texts of the best and worst rows."""
    quality = run.report.get("quality") if run else None
    if run is None or not quality:
        return empty(text("clinic.no_scores"), RATE_PAGE, text("clinic.rate_rows"))
    held, defects = quality["held_out"], quality["defects"]
    learned = {"ratings": quality["ratings"], "rows": quality["rated_rows"], "whose": _whose(quality)}
    shown = {
        text("clinic.learned_from"): text("clinic.ratings_of_rows", **learned),
        text("clinic.held_out_accuracy"): format_share(held["accuracy"], held["ci"], held.get("rows")),
        text("clinic.baseline"): format_percent(held["baseline"]),
        **rater_agreement(quality),
        text("clinic.rank_correlation"): f"{held['spearman']:.2f}",
        **(_defects(defects) if defects else {}),
    }
    auc = defects["auc"].items() if defects else ()
    by_kind = facts({text("clinic.auc_of", defect=name.replace("_", " ")): f"{value:.3f}" for name, value in auc})
    plots = f"<div class=plots>{draw_histogram(run)}</div>"
    return f"<div class=card>{facts(shown)}{by_kind if auc else ''}</div>{plots}{_extremes(quality)}"


def rater_agreement(quality: Report) -> dict[str, str]:
    """Return how often two raters of one source agree, people or simulated; empty if a report mixes them."""
    by_source = quality["agreement"]
    if "rows" in by_source:  # reports of earlier versions hold one figure for all sources
        by_source = {} if quality["whose"] == "all" else {quality["whose"]: by_source}
    return {
        text(f"clinic.agree_{source}"): format_share(agreement["rate"], agreement["ci"], agreement["rows"])
        for source, agreement in by_source.items()
        if agreement["rows"]
    }


def draw_histogram(run: Run) -> str:
    """Return the distribution of all rows' points, and the threshold."""
    counts, limit = run.report["quality"]["histogram"], run.settings["min_quality"]
    top = max(counts) * 1.05
    edges = [5 * number / len(counts) for number in range(len(counts) + 1)]
    chart = Chart((0, 5), (0, top))
    axes = text("clinic.axis_points"), text("clinic.axis_rows")
    chart.axes(*axes, [(point, str(point)) for point in range(6)], round_ticks(0, top))
    chart.steps(edges, counts, "main")
    chart.line([(limit, 0), (limit, top)], "other")
    spoken, note = (text(f"clinic.histogram_{part}", limit=f"{limit:g}") for part in ("spoken", "note"))
    return figure(text("clinic.histogram_title"), note, chart.svg(spoken))


def draw_snapshots(snapshots: Sequence[Snapshot]) -> str:
    """Return the snapshots made by a recipe, newest first, each with its data card."""
    curated = [snapshot for snapshot in reversed(snapshots) if "recipe" in snapshot.filters]
    if not curated:
        return empty(text("clinic.no_snapshot"))
    return "".join(_card(snapshot) for snapshot in curated[:CARDS])


def draw_trials(runs: Sequence[Run]) -> str:
    """Return the results of A against B, newest first."""
    done = [run for run in runs if run.kind == "ab" and run.state == "done"]
    if not done:
        return empty(text("clinic.no_trial"))
    return "".join(_trial(run) for run in done[:TRIALS])


def draw_curve(run: Run | None) -> str:
    """Return the win rate against the start by number of rows, and the number from which on it is flat."""
    if run is None:
        return empty(text("clinic.no_curve"))
    curve, flat = run.report["curve"], run.report["flat_from"]
    sizes = [point["rows"] for point in curve]
    intervals = [shown_interval(point["win_rate"], point["win_rate_ci"], point.get("prompts")) for point in curve]
    low = min([0.4, *(interval[0] for interval in intervals if interval)])
    chart = Chart((sizes[0] * 0.8, sizes[-1] * 1.25), (low, 1.0), log=True)
    axes = text("clinic.axis_rows_log"), text("clinic.axis_wins")
    chart.axes(*axes, [(size, f"{size:,}") for size in sizes], share_ticks(low, 1.0))
    chart.level(0.5, "quiet", text("clinic.as_start"))
    chart.line([(point["rows"], point["win_rate"]) for point in curve], "main")
    for point, interval in zip(curve, intervals, strict=True):
        rate = point["win_rate"]
        chart.dot(point["rows"], rate, interval, "main", format_share(rate, interval, point.get("prompts")))
    note = text("clinic.curve_note", rows=flat, steps=run.report["steps"], run=run.public)
    spoken = "; ".join(
        text("clinic.curve_point", rows=point["rows"], rate=format_percent(point["win_rate"])) for point in curve
    )
    return f"<div class=plots>{figure(text('clinic.curve_title'), note, chart.svg(spoken))}</div>"


def _results(store: Store) -> dict[str, str]:
    """Return the result of each step so far."""
    examined, curated, trial = (newest_run(store, kind) for kind in ("embed", "curate", "ab"))
    counts = store.ratings.counts()
    report = examined.report if examined else {"rows": store.instructions.count(), "near_duplicates": 0}
    rows = {"rows": report["rows"], "duplicates": report["near_duplicates"]}
    chosen = curated and {"rows": curated.report["chosen"], "snapshot": curated.report["snapshot"]}
    wins = trial and format_share(trial.report["win_rate"], trial.report["win_rate_ci"], trial.report.get("prompts"))
    return {
        "examine": text("clinic.examined" if examined else "clinic.rows_wait", **rows),
        "rate": text("clinic.rated", people=counts["person"], simulated=counts["simulated"]),
        "choose": text("clinic.chosen", **chosen) if chosen else text("clinic.nothing_chosen"),
        "check": text("clinic.checked", wins=wins) if wins else text("clinic.nothing_checked"),
    }


def _defects(defects: Report) -> dict[str, str]:
    return {
        text("clinic.defect_recall"): format_percent(defects["recall"]),
        text("clinic.defect_precision"): format_percent(defects["precision"]),
        text("clinic.defect_auc"): f"{defects['macro_auc']:.3f}",
    }


def _extremes(quality: Report) -> str:
    return "".join(
        f"<details{' open' if name == 'worst' else ''}>"
        f"<summary>{esc(text(f'clinic.{name}_rows', n=len(quality[name])))}</summary>"
        f"{''.join(map(_rated_row, quality[name]))}</details>"
        for name in ("worst", "best")
    )


def _rated_row(row: Report) -> str:
    texts = block(row["task"], "asked") + answer_html(row["answer"])
    return f"<div class=rated><b>{row['points']:.1f}</b><div>{texts}</div></div>"


def _whose(quality: Report) -> str:
    return text(f"clinic.choice_{quality['whose']}")


def _left_out(reason: str, count: int) -> str:
    """Return a reason of a recipe, such as "below the quality", with its number."""
    key = reason.replace(" ", "_").replace("-", "_")
    return text("clinic.left_out_reason", n=count, reason=text(f"clinic.left_out_{key}"))


def _card(snapshot: Snapshot) -> str:
    about, recipe = snapshot.filters, snapshot.filters["recipe"]
    quality, distance = about.get("quality"), about["coverage"]
    least = recipe["min_quality"]
    means = {name: f"{distance[name]['mean']:.2f}" for name in ("chosen", "random")}
    shown = {
        text("clinic.rows"): text("clinic.of_rows", n=snapshot.row_count, rows=about["rows"]),
        text("clinic.quality"): text("clinic.points_or_more", n=f"{least:g}") if least else text("clinic.ignored"),
        text("clinic.pick"): text(f"clinic.choice_{recipe['pick']}"),
        text("clinic.left_out"): "; ".join(_left_out(reason, count) for reason, count in about["left_out"].items()),
        text("clinic.distance"): text("clinic.distances", **means),
        text("clinic.ratings"): quality and text("clinic.ratings_hash", **quality | {"whose": _whose(quality)}),
        text("clinic.sources"): ", ".join(f"{name} {count:,}" for name, count in about["sources"].items()),
        text("clinic.made_by"): text("clinic.run_from", run=about["run"], examination=about["examination"]),
        text("clinic.created"): local_time(snapshot.created_at),
        text("clinic.hash"): snapshot.hash[:12],
        text("clinic.train_on_it"): f"preference-loop train sft --set snapshot={snapshot.public}",
    }
    return f"<div class=card><b>{esc(snapshot.public)}</b> {esc(snapshot.name or '')}{facts(shown)}</div>"


def _trial(run: Run) -> str:
    report = run.report
    sides = {side.upper(): text("clinic.side", **report[side] | {"name": report[side]["name"] or ""}) for side in "ab"}
    scores = f"{report['gold_start']:.2f}, {report['gold_end']:.2f}"
    shown = {
        **sides,
        text("clinic.a_wins"): format_share(report["win_rate"], report["win_rate_ci"], report.get("prompts")),
        text("clinic.steps_each"): report["steps"],
        text("clinic.rubric_scores"): scores,
    }
    return f"<div class=card><b>{id_link(run.public)}</b>{facts(shown)}</div>"
