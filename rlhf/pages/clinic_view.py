"""What the clinic's page draws from reports: where one stands, quality, snapshots with their data cards, trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from data.records import Run, Snapshot
from data.store import Store
from reward.report.plots import figure
from reward.report.svg_chart import Chart, round_ticks, share_ticks
from rlhf.pages.components import empty, esc, facts, percent, with_interval

Report = Mapping[str, Any]
RATERS = {"person": "people", "simulated": "simulated raters"}


def latest(store: Store, kind: str) -> Run | None:
    """The newest run of a kind that is done."""
    return next((run for run in store.runs.all() if run.kind == kind and run.state == "done"), None)


def scored(store: Store) -> Run | None:
    """The newest finished recipe that gave points to the rows."""
    return next(
        (run for run in store.runs.all() if run.kind == "curate" and run.state == "done" and "quality" in run.report),
        None,
    )


def due(store: Store) -> int | None:
    """Which of the four steps is the first that is not done: 0 look, 1 rate, 2 choose, 3 check; None where all are."""
    done = (
        latest(store, "embed"),
        sum(store.ratings.counts().values()) >= 20,
        latest(store, "curate"),
        latest(store, "ab"),
    )
    return next((number for number, step in enumerate(done) if not step), None)


def draw_steps(store: Store) -> str:
    """The four steps in their order, each with what there is."""
    embedded, curated, trial = (latest(store, kind) for kind in ("embed", "curate", "ab"))
    counts, rows = store.ratings.counts(), store.instructions.count()
    looked = (
        f"{embedded.report['rows']:,} rows, {embedded.report['near_duplicates']:,} near-duplicates"
        if embedded
        else f"{rows:,} rows wait"
    )
    rated = f"{counts['person']:,} by people, {counts['simulated']:,} simulated"
    chosen = f"{curated.report['chosen']:,} rows in {curated.report['snapshot']}" if curated else "no snapshot yet"
    checked = (
        f"A wins {with_interval(trial.report['win_rate'], trial.report['win_rate_ci'])}" if trial else "no trial yet"
    )
    told = (
        ("1 Look", looked, "map, near-duplicates, IFD"),
        ("2 Rate", rated, "0 to 5; 200 are a good start: <a href='../label/rate'>rate rows</a>"),
        ("3 Choose", chosen, "by a recipe"),
        ("4 Check", checked, "A against B"),
    )
    step = due(store)
    boxes = "".join(
        f"<div class='card{' next' * (at == step)}'><span class=soft>{name}</span><div><b>{esc(what)}</b></div><span class=soft>{how}</span></div>"
        for at, (name, what, how) in enumerate(told)
    )
    return f"<div class=steps>{boxes}</div>"


def draw_examination(run: Run | None) -> str:
    """What the last look found, in a row of facts."""
    if run is None:
        return empty(
            "The rows have not been looked at yet. Press “Look at the rows”: about a minute for 1,000 rows on one core."
        )
    report = run.report
    spoken = ", ".join(f"{name} {count:,}" for name, count in list(report["languages"].items())[:4])
    return facts(
        {
            "Rows": f"{report['rows']:,}",
            "Vectors": report["model"],
            "Near-duplicates": f"{report['near_duplicates']:,}",
            "Median IFD": f"{report['ifd']:.2f}",
            "Languages of the answers": spoken,
            "Run": run.public,
        }
    )


def draw_quality(run: Run | None) -> str:
    """How far the scores are to be trusted, their spread, and the best and worst rows as texts."""
    quality = run.report.get("quality") if run else None
    if not quality:
        todo = "No row has points yet. Rate some rows, then make a snapshot below: every row gets points from 0 to 5."
        return empty(todo, "../label/rate", "Rate rows")
    held, defects = quality["held_out"], quality["defects"]
    told = {
        "Learned from": f"{quality['ratings']:,} ratings of {quality['rated_rows']:,} rows ({quality['whose']})",
        "Same side of 3 points as unseen ratings": with_interval(held["accuracy"], held["ci"]),
        "Always the commoner side": percent(held["baseline"]),
        **agreed(quality),
        "Rank correlation": f"{held['spearman']:.2f}",
    }
    if defects:
        told |= {
            "Marked defects that the filter drops": percent(defects["recall"]),
            "Dropped rows that have one": percent(defects["precision"]),
            "Mean AUC over kinds of defect": f"{defects['macro_auc']:.3f}",
        }
    by_kind = (
        facts({f"AUC: {name.replace('_', ' ')}": f"{value:.3f}" for name, value in defects["auc"].items()})
        if defects
        else ""
    )
    return f"<div class=card>{facts(told)}{by_kind}</div><div class=plots>{draw_histogram(run)}</div>{_rows(quality)}"


def agreed(quality: Report) -> dict[str, str]:
    """How often two raters of one source agree, people apart from simulated ones; nothing of a report in which they stand together."""
    found = quality["agreement"]
    if "rows" in found:  # as earlier versions wrote it: one figure
        found = {} if quality["whose"] == "all" else {quality["whose"]: found}
    return {
        f"Two {RATERS[source]} agree": with_interval(one["rate"], one["ci"])
        for source, one in found.items()
        if one["rows"]
    }


def draw_histogram(run: Run) -> str:
    """How the points of all rows are spread, and the threshold."""
    counts, limit = run.report["quality"]["histogram"], run.settings["min_quality"]
    top = max(counts) * 1.05
    edges = [5 * number / len(counts) for number in range(len(counts) + 1)]
    chart = Chart((0, 5), (0, top))
    chart.axes("points", "rows", [(point, str(point)) for point in range(6)], round_ticks(0, top))
    chart.steps(edges, counts, "main")
    chart.line([(limit, 0), (limit, top)], "other")
    return figure(
        "Points of all rows",
        f"The dashed line is the threshold, {limit:g}.",
        chart.svg(f"Histogram of points; threshold {limit:g}"),
    )


def _rows(quality: Report) -> str:
    return "".join(
        f"<details{' open' if name == 'worst' else ''}><summary>The {name} {len(quality[name])} rows</summary>"
        + "".join(map(_row, quality[name]))
        + "</details>"
        for name in ("worst", "best")
    )


def _row(row: Report) -> str:
    texts = f"<div class=asked>{esc(row['task'])}</div><div class=told>{esc(row['answer'])}</div>"
    return f"<div class=rated><b>{row['points']:.1f}</b><div>{texts}</div></div>"


def draw_snapshots(snapshots: Sequence[Snapshot]) -> str:
    """Curated snapshots, newest first, each with its data card."""
    made = [snapshot for snapshot in reversed(snapshots) if "recipe" in snapshot.filters]
    if not made:
        return empty("No snapshot was made by a recipe yet. Make one with the form above.")
    return "".join(_card(snapshot) for snapshot in made[:8])


def _card(snapshot: Snapshot) -> str:
    about, recipe = snapshot.filters, snapshot.filters["recipe"]
    quality, near = about.get("quality"), about["coverage"]
    told = {
        "Rows": f"{snapshot.row_count:,} of {about['rows']:,}",
        "Quality": f"{recipe['min_quality']:g} points or more" if recipe["min_quality"] else "does not count",
        "Chosen": recipe["pick"],
        "Left out": "; ".join(f"{count:,} {reason}" for reason, count in about["left_out"].items()),
        "Mean distance to a chosen row": f"{near['chosen']['mean']:.2f} (random rows: {near['random']['mean']:.2f})",
        "Ratings": quality and f"{quality['ratings']:,} ({quality['whose']}), hash {quality['hash']}",
        "Sources": ", ".join(f"{name} {count:,}" for name, count in about["sources"].items()),
        "Made by": f"{about['run']} from {about['examination']}",
        "Made": snapshot.created_at[:16].replace("T", " "),
        "Hash": snapshot.hash[:12],
        "Train on it": f"preference-loop train sft --set snapshot={snapshot.public}",
    }
    return f"<div class=card><b>{esc(snapshot.public)}</b> {esc(snapshot.name or '')}{facts(told)}</div>"


def draw_trials(runs: Sequence[Run]) -> str:
    """What A against B came to, newest first."""
    done = [run for run in runs if run.kind == "ab" and run.state == "done"]
    if not done:
        return empty(
            "No trial yet. Choose two snapshots above: both are trained for the same steps and judged on test prompts."
        )
    return "".join(_trial(run) for run in done[:5])


def _trial(run: Run) -> str:
    report = run.report
    a, b = report["a"], report["b"]
    sides = {
        name: f"{side['snapshot']} {side['name'] or ''} ({side['rows']:,} rows, {side['policy']})"
        for name, side in (("A", a), ("B", b))
    }
    told = {
        **sides,
        "A wins": with_interval(report["win_rate"], report["win_rate_ci"]),
        "Steps of each": report["steps"],
        "Gold of B, of A": f"{report['gold_start']:.2f}, {report['gold_end']:.2f}",
    }
    return f"<div class=card><b>{esc(run.public)}</b>{facts(told)}</div>"


def draw_curve(run: Run | None) -> str:
    """Win rate against the start by number of rows, and from where on it is flat."""
    if run is None:
        return empty(
            "Not measured yet. The same steps are trained on more and more rows; each policy is judged against the start."
        )
    curve, flat = run.report["curve"], run.report["flat_from"]
    sizes = [point["rows"] for point in curve]
    low = min(0.4, *(point["win_rate_ci"][0] for point in curve))
    chart = Chart((sizes[0] * 0.8, sizes[-1] * 1.25), (low, 1.0), log=True)
    chart.axes(
        "rows (logarithmic)",
        "wins against the start (%)",
        [(size, f"{size:,}") for size in sizes],
        share_ticks(low, 1.0),
    )
    chart.level(0.5, "quiet", "as good as the start")
    chart.line([(point["rows"], point["win_rate"]) for point in curve], "main")
    for point in curve:
        chart.dot(
            point["rows"],
            point["win_rate"],
            point["win_rate_ci"],
            "main",
            with_interval(point["win_rate"], point["win_rate_ci"]),
        )
    said = f"From {flat:,} rows on, no larger number wins more than chance would give (95 %). {run.report['steps']} steps each, {run.public}."
    spoken = "; ".join(f"{point['rows']:,} rows {percent(point['win_rate'])}" for point in curve)
    return f"<div class=plots>{figure('Win rate by number of rows', said, chart.svg(spoken))}</div>"
