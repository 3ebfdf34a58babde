# SPDX-License-Identifier: Apache-2.0
"""A tour's report for people: lines for the terminal, and one page that needs no other file and no network."""

from __future__ import annotations

from html import escape
from pathlib import Path

from labeling.texts.answers import draw_answer
from labeling.texts.translate import FALLBACK
from reward.report.plots import histogram, reliability
from rlhf.tour.document import TourResult
from rlhf.tour.plots import draw_frontier, draw_kl, draw_reward, draw_rubric_scores, draw_win_rates, ranked_methods

PAGE = "report.html"
STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b6570; --paper: #fff; --card: #fff; --line: #d9d9d3;
  --edge: #8b8f94; --accent: #1f5fbf; --bad: #a3242b }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e4; --soft: #a3abb3; --paper: #16181b; --card: #1f2226;
  --line: #3a3f45; --edge: #7a828b; --accent: #8ab4f8; --bad: #ff9a9a } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
body { color: var(--ink); background: var(--paper) }
h1, h2 { line-height: 1.2; font-weight: 600 } h2 { margin-top: 2.5rem }
.scroll { overflow-x: auto } table { border-collapse: collapse; margin: 1rem 0 }
th, td { text-align: left; padding: .3rem 1.2rem .3rem 0; vertical-align: top; font-variant-numeric: tabular-nums }
tr { border-bottom: 1px solid var(--line) } .soft { color: var(--soft) }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 25rem), 1fr)); gap: .75rem }
.plots + .plots { margin-top: .75rem } .wide { grid-template-columns: 1fr }
figure { margin: 0; padding: .8rem .9rem .6rem; background: var(--card); border: 1px solid var(--line) }
figure { border-radius: 8px; display: flex; flex-direction: column } figcaption { flex: 1 }
figcaption b, figcaption span { display: block } figcaption span, .key { font-size: .85rem }
.key { display: flex; flex-wrap: wrap; gap: 0 1.1rem; margin-top: .35rem } .key i { font-style: normal }
"""


def text(document: dict) -> str:
    """Return the report for a terminal."""
    ppo, reward, best = document["ppo"], document["reward"], document["best_of_8"]
    stages = "  ".join(
        f"{name} {spent['seconds']:.0f} s ({spent['peak_mb']:.0f} MB)" for name, spent in document["stages"].items()
    )
    lines = [
        f"Tour with {document['labels']:,} simulated labels, seed {document['seed']}",
        "",
        f"Reward model   orders {_share(reward['accuracy'], reward['ci'])} of unseen labels like the labelers",
        f"               for comparison: the rubric {_share(reward['ceiling'])},"
        f" always the longer answer {_share(reward['length_baseline'])}",
        f"               skill {_share(reward['skill'])}; pairs that differ in task fit alone:"
        f" {_share(reward['fit_accuracy'])}",
        f"               two labelers agree on {_share(reward['agreement']['rate'], reward['agreement']['ci'])}",
        f"PPO            wins {_share(ppo['win_rate'], ppo['win_rate_ci'])} against its start by the rubric,"
        f" {_share(ppo['win_rate_noisy'])} by noisy labelers",
        f"               KL {_number(ppo['kl'])} nats per answer,"
        f" rubric score {_number(ppo['gold_start'])} -> {_number(ppo['gold_end'])},"
        f" task fit {_number(ppo['fit_start'])} -> {_number(ppo['fit_end'])}"
        + ("   COLLAPSED" if ppo["collapsed"] else ""),
        f"Baselines      {_best_of(best)}one polite answer to every prompt wins"
        f" {_share(best['constant_answer']['win_rate'])}",
    ]
    return "\n".join([*lines, *_compared_methods(document), "", f"Stages         {stages}"])


def _compared_methods(document: dict) -> list[str]:
    methods = ranked_methods(document)
    lines = [
        f"  {name:<12} wins {_share(method['win_rate'], method['win_rate_ci'])}, KL {_kl(method)},"
        f" reward {_number(method['reward_end'])}, rubric score {_number(method['gold_end'])},"
        f" {method['seconds']:.0f} s" + ("   COLLAPSED" if method["collapsed"] else "")
        for name, method in methods
    ]
    return ["", "All methods, against the start on the same test prompts", *lines] if methods else []


def _kl(method: dict) -> str:
    return f"{'at most ' if method['kl_bound'] else ''}{_number(method['kl'])}"


def _best_of(best: dict) -> str:
    """Return the win rates of best of 8; empty for a tour without it (null or absent)."""
    if best.get("win_rate") is None:
        return ""
    by_gold = _share(_of(best.get("by_gold"), "win_rate"))
    return f"best of 8 by the reward model wins {_share(best['win_rate'])}, by the rubric {by_gold}; "


def write_page(findings: TourResult) -> Path:
    """Write HOME/report.html with its plots, and return its path."""
    path = findings.home / PAGE
    path.write_text(page(findings), encoding="utf-8")
    return path


def page(findings: TourResult) -> str:
    """Return the report as HTML that needs no other file and no network."""
    document = findings.document
    ppo = document["ppo"]
    parts = [
        f"<h1>Tour with {document['labels']:,} labels, seed {document['seed']}</h1>",
        "<p>Simulated labelers gave the labels: the starter's rubric plus noise. No person judged these answers. "
        "The rubric is the ground truth here, so the report can say how much the policy really improved.</p>",
        _table(["Figure", "Value", "Meaning"], _figures(document)),
        "<h2>Did the policy improve?</h2>",
        _plots(draw_win_rates(document), wide=True),
        _plots(draw_rubric_scores(findings.comparison)),
        *_all_methods(document),
        "<h2>PPO, update by update</h2>",
        _plots(draw_reward(ppo), draw_kl(ppo)),
        "<h2>The reward model on unseen comparisons</h2>",
        _plots(histogram(findings.reward), reliability(findings.reward)),
        "<h2>Answers to the first test prompts, not selected</h2>",
        _table(["Prompt", "Start", "Policy"], _examples(findings.comparison)),
        "<h2>Time and memory</h2>",
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


def _all_methods(document: dict) -> list[str]:
    """Return a table and a plot of all ways to train; empty for a tour with one method."""
    methods = ranked_methods(document)
    if not methods:
        return []
    head = [
        "Method",
        "Win rate",
        "By noisy labelers",
        "KL (nats)",
        "Reward",
        "Rubric score",
        "Task fit",
        "Tokens",
        "Distinct bigrams",
        "Seconds",
        "Memory",
    ]
    rows = [
        [
            name,
            _share(method["win_rate"], method["win_rate_ci"]),
            _share(method["win_rate_noisy"]),
            _kl(method),
            *(_number(method[key]) for key in ("reward_end", "gold_end", "fit_end", "length_end", "distinct_2_end")),
            f"{method['seconds']:.0f}",
            f"{method['peak_mb']:,.0f} MB",
        ]
        for name, method in methods
    ]
    return [
        "<h2>All methods, compared on the same prompts</h2>",
        _table(head, rows),
        _plots(draw_frontier(methods), wide=True),
    ]


def _plots(*figures: str, wide: bool = False) -> str:
    """Return figures side by side, or a line that says why there are none."""
    drawn = "".join(figures)
    if not drawn:
        return "<p class=soft>No data: the test prompts have no comparison.</p>"
    return f"<div class='plots{' wide' * wide}'>{drawn}</div>"


def _figures(document: dict) -> list[list[str]]:
    ppo, reward = document["ppo"], document["reward"]
    return [
        [
            "Win rate",
            _share(ppo["win_rate"], ppo["win_rate_ci"]),
            "of the policy against its start, by the rubric without noise; answers at temperature 1; a tie counts half",
        ],
        ["Win rate by noisy labelers", _share(ppo["win_rate_noisy"]), "the same, by simulated labelers"],
        ["KL", f"{_number(ppo['kl'])} nats", "mean distance of the policy from its start, per answer"],
        [
            "Rubric score",
            f"{_number(ppo['gold_start'])} to {_number(ppo['gold_end'])}",
            "mean per answer, from the start to the policy",
        ],
        [
            "Task fit",
            f"{_number(ppo['fit_start'])} to {_number(ppo['fit_end'])}",
            "the part of the score for doing what the prompt asks; if it falls, the policy only learned style",
        ],
        [
            "Reward model accuracy",
            _share(reward["accuracy"], reward["ci"]),
            f"unseen labels on which it agrees with the labeler; the rubric reaches {_share(reward['ceiling'])}",
        ],
        [
            "Agreement",
            _share(reward["agreement"]["rate"], reward["agreement"]["ci"]),
            "between two labelers, on the pairs that both judged",
        ],
        ["Reward model skill", _share(reward["skill"]), "(accuracy − 50 %) / (accuracy of the rubric − 50 %)"],
        [
            "Accuracy on task fit alone",
            _share(reward["fit_accuracy"]),
            "on pairs in which only one answer does what the prompt asks",
        ],
    ]


def _examples(comparison: dict) -> list[list[str]]:
    return [
        [escape(example["prompt"]), *(draw_answer(FALLBACK, example[name]) for name in ("start", "end"))]
        for example in comparison["examples"]
    ]


def _table(head: list[str], rows: list[list[str]]) -> str:
    top = "".join(f"<th>{name}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class=scroll><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


def _of(figures: dict | None, name: str) -> float | None:
    return figures[name] if figures else None


def _share(value: float | None, interval: list[float] | None = None) -> str:
    if value is None:
        return "unknown"
    bounds = f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else ""
    return f"{100 * value:.1f} %{bounds}"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"
