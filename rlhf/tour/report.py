# SPDX-License-Identifier: Apache-2.0
"""A tour's report for people: lines for the terminal, and one page with plots that needs no other host."""

from __future__ import annotations

from html import escape
from pathlib import Path

from rlhf.tour.document import TourResult
from rlhf.tour.plots import (
    draw_calibration,
    draw_curve,
    draw_frontier,
    draw_gold,
    draw_scores,
    draw_win_rates,
    figure,
    ranked_methods,
)

PAGE = "report.html"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
body { color: #1d232b; background: #fff }
h1, h2 { line-height: 1.2; font-weight: 600 } h2 { margin-top: 2.5rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { text-align: left; padding: .3rem 1.2rem .3rem 0; vertical-align: top }
tr { border-bottom: 1px solid #e3e6ea } td.number { font-variant-numeric: tabular-nums }
figure { margin: 1.5rem 0 } img { max-width: 100% } figcaption { color: #55606e; font-size: .9rem }
"""


def text(document: dict) -> str:
    """Return the report for a terminal."""
    ppo, reward, best = document["ppo"], document["reward"], document["best_of_8"]
    stages = "  ".join(
        f"{name} {spent['seconds']:.0f} s ({spent['peak_mb']:.0f} MB)" for name, spent in document["stages"].items()
    )
    lines = [
        f"Round the ring with {document['labels']:,} simulated labels, seed {document['seed']}",
        "",
        f"Reward model   orders {_share(reward['accuracy'], reward['ci'])} of unseen noisy labels as labelers did;"
        f" gold itself {_share(reward['ceiling'])}, length alone {_share(reward['length_baseline'])}",
        f"               skill {_share(reward['skill'])};"
        f" pairs that differ in task fit alone: {_share(reward['fit_accuracy'])};"
        f" labelers agree on {_share(reward['agreement']['rate'], reward['agreement']['ci'])}",
        f"PPO            wins {_share(ppo['win_rate'], ppo['win_rate_ci'])} against its start by the rubric,"
        f" {_share(ppo['win_rate_noisy'])} by noisy labelers",
        f"               KL {_number(ppo['kl'])} nats per answer,"
        f" gold {_number(ppo['gold_start'])} -> {_number(ppo['gold_end'])},"
        f" task fit {_number(ppo['fit_start'])} -> {_number(ppo['fit_end'])}"
        + ("   COLLAPSED" if ppo["collapsed"] else ""),
        f"Beside it      {_best_of(best)}one polite answer for all {_share(best['constant_answer']['win_rate'])}",
    ]
    return "\n".join([*lines, *_side_by_side(document), "", f"Stages         {stages}"])


def _side_by_side(document: dict) -> list[str]:
    found = ranked_methods(document)
    lines = [
        f"  {name:<12} wins {_share(way['win_rate'], way['win_rate_ci'])}, KL {_kl(way)},"
        f" reward {_number(way['reward_end'])}, gold {_number(way['gold_end'])}, {way['seconds']:.0f} s"
        + ("   COLLAPSED" if way["collapsed"] else "")
        for name, way in found
    ]
    return ["", "Side by side, against the start on the same test prompts", *lines] if found else []


def _kl(way: dict) -> str:
    return f"{'at most ' if way['kl_bound'] else ''}{_number(way['kl'])}"


def _best_of(best: dict) -> str:
    """Return the win rates of the best of 8 answers; empty for a tour without them (null or absent)."""
    if best.get("win_rate") is None:
        return ""
    by_gold = _share(_of(best.get("by_gold"), "win_rate"))
    return f"best of 8 by the reward model wins {_share(best['win_rate'])}, by gold {by_gold}, "


def write_page(findings: TourResult) -> Path:
    """Write HOME/report.html with its plots inside, and return its path."""
    path = findings.home / PAGE
    path.write_text(page(findings), encoding="utf-8")
    return path


def page(findings: TourResult) -> str:
    """Return the report as HTML that needs no other file and no network."""
    document = findings.document
    parts = [
        f"<h1>Round the ring, seed {document['seed']}</h1>",
        f"<p>{document['labels']:,} labels by simulated labelers: the rubric plus noise, never a person's opinion.</p>",
        _table(["What", "Figure", "Meaning"], _figures(document)),
        "<h2>Is the new policy better?</h2>",
        figure(
            lambda axes: draw_win_rates(axes, document),
            "Win rate against the start on test prompts, with 95 % intervals over prompts.",
        ),
        figure(
            lambda axes: draw_gold(axes, findings.comparison),
            "Gold of single answers: how the whole distribution moved.",
        ),
        *_all_ways(document),
        "<h2>How PPO got there</h2>",
        figure(
            lambda axes: draw_curve(axes, document["ppo"]["reward_per_step"], "reward (deviations)"),
            "Mean reward of each update's answers by the reward model, in standard deviations of the start's answers.",
        ),
        figure(
            lambda axes: draw_curve(axes, document["ppo"]["kl_per_step"], "KL (nats per answer)"),
            "Distance from the start.",
        ),
        "<h2>What the reward model learned</h2>",
        figure(
            lambda axes: draw_scores(axes, findings.reward),
            "Scores of preferred and of other answers in unseen comparisons.",
        ),
        figure(
            lambda axes: draw_calibration(axes, findings.reward), "When it says 80 %, are 80 % of the labels with it?"
        ),
        "<h2>Unpicked answers</h2>",
        _table(["Prompt", "Start", "Policy"], _examples(findings.comparison)),
        "<h2>Stages</h2>",
        _table(
            ["Stage", "Seconds", "Peak memory"],
            [
                [name, f"{spent['seconds']:.1f}", f"{spent['peak_mb']:,.0f} MB"]
                for name, spent in document["stages"].items()
            ],
        ),
    ]
    head = "<meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
    head += f"<title>Tour</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>"


def _all_ways(document: dict) -> list[str]:
    """Return a table and a plot of all ways to train; empty for a tour with one way."""
    found = ranked_methods(document)
    if not found:
        return []
    head = [
        "Way",
        "Win rate",
        "By noisy labelers",
        "KL (nats)",
        "Reward",
        "Gold",
        "Task fit",
        "Tokens",
        "Distinct 2-grams",
        "Seconds",
        "Memory",
    ]
    rows = [
        [
            name,
            _share(way["win_rate"], way["win_rate_ci"]),
            _share(way["win_rate_noisy"]),
            _kl(way),
            *(_number(way[key]) for key in ("reward_end", "gold_end", "fit_end", "length_end", "distinct_2_end")),
            f"{way['seconds']:.0f}",
            f"{way['peak_mb']:,.0f} MB",
        ]
        for name, way in found
    ]
    caption = (
        "Win rate over the square root of KL, with 95 % intervals over prompts. "
        "The KL of best of n is a bound; its mark is hollow."
    )
    return [
        "<h2>All ways to train, side by side</h2>",
        _table(head, rows),
        figure(lambda axes: draw_frontier(axes, found), caption),
    ]


def _figures(document: dict) -> list[list[str]]:
    ppo, reward = document["ppo"], document["reward"]
    return [
        [
            "Win rate",
            _share(ppo["win_rate"], ppo["win_rate_ci"]),
            "by the rubric without noise, answers at temperature 1, ties half",
        ],
        ["Win rate by noisy labelers", _share(ppo["win_rate_noisy"]), "what simulated labelers would say"],
        ["KL", f"{_number(ppo['kl'])} nats", "per answer, from the start"],
        [
            "Gold",
            f"{_number(ppo['gold_start'])} to {_number(ppo['gold_end'])}",
            "mean score by the rubric, start to end",
        ],
        [
            "Task fit",
            f"{_number(ppo['fit_start'])} to {_number(ppo['fit_end'])}",
            "the rubric's part for doing what was asked; it may not fall",
        ],
        [
            "Reward model",
            _share(reward["accuracy"], reward["ci"]),
            f"of unseen labels ordered as labelers did; gold itself {_share(reward['ceiling'])}",
        ],
        [
            "Agreement",
            _share(reward["agreement"]["rate"], reward["agreement"]["ci"]),
            "of two labelers on the pairs that both judged",
        ],
        ["Skill", _share(reward["skill"]), "(accuracy - 50 %) / (ceiling - 50 %)"],
        [
            "Accuracy on fit alone",
            _share(reward["fit_accuracy"]),
            "pairs that differ only in whether the answer fits its prompt",
        ],
    ]


def _examples(comparison: dict) -> list[list[str]]:
    return [[escape(each[name]) for name in ("prompt", "start", "end")] for each in comparison["examples"]]


def _table(head: list[str], rows: list[list[str]]) -> str:
    top = "".join(f"<th>{name}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _of(found: dict | None, name: str) -> float | None:
    return found[name] if found else None


def _share(value: float | None, interval: list[float] | None = None) -> str:
    if value is None:
        return "unknown"
    reach = f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else ""
    return f"{100 * value:.1f} %{reach}"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"
