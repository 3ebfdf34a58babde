# SPDX-License-Identifier: Apache-2.0
"""Judge a policy against another on test prompts: answers, scores, win rate, KL and baselines.

Scores and answers are arrays (draws, prompts): each policy answers each prompt once per draw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data.intervals import METHOD
from data.records import Prompt
from reward.base import distributed
from rlhf.common.metrics import (
    best_of_n_kl,
    distinct_n,
    expected_win_rate,
    is_collapsed,
    rate_with_interval,
    win_outcomes,
    within_prompt_std,
)
from rlhf.evaluation.judges import Judge, JudgeScore
from rlhf.sampling.policy_answers import AnswerSampler, DrawRequest, SampledAnswer, SamplingLimits

POLITE = (
    "Thank you for asking. It is a pleasure to write to you. "
    "I hope this helps you, and I wish you a lovely day with all my heart."
)
"""The constant polite answer: a baseline for manners alone, given to every prompt."""
EXAMPLES = 8


ProgressCallback = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A test prompt with its token ids on one base."""

    prompt: Prompt
    ids: list[int]


@dataclass(frozen=True, slots=True)
class JudgedAnswers:
    """Answers of one policy (draws, prompts) with gold and fit of the same shape; `fit` is None if unknown."""

    answers: list[list[SampledAnswer]]
    gold: np.ndarray
    fit: np.ndarray | None

    @property
    def all_answers(self) -> list[SampledAnswer]:
        """Return all answers, draw by draw."""
        return [answer for row in self.answers for answer in row]

    def means(self, suffix: str) -> dict:
        """Return means over all answers under keys ending in `suffix`; length in tokens with the end token."""
        answers = self.all_answers
        return {
            f"gold{suffix}": float(self.gold.mean()),
            f"fit{suffix}": None if self.fit is None else float(self.fit.mean()),
            f"length{suffix}": float(np.mean([len(answer.ids) for answer in answers])),
            f"unended{suffix}": float(np.mean([not answer.ended for answer in answers])),
            f"distinct_2{suffix}": distinct_n([answer.ids for answer in answers]),
        }


def draw_and_judge(
    sampler: AnswerSampler,
    questions: Sequence[EncodedPrompt],
    numbers: range,
    judge: Judge,
    *,
    limits: SamplingLimits,
    seed: int,
    on_progress: ProgressCallback,
) -> JudgedAnswers:
    """Draw one answer per prompt and number, and judge it.

    `on_progress` gets the number of new answers and may raise to stop.
    """
    by_length = sorted(range(len(questions)), key=lambda column: len(questions[column].ids))
    places = [(draw, column) for column in by_length for draw in range(len(numbers))]
    processes = distributed.world_size()

    def draw_shard(own: list[tuple[int, int]]) -> list[SampledAnswer]:
        drawn: list[SampledAnswer] = []
        for start in range(0, len(own), limits.batch_size):
            requests = [
                DrawRequest(questions[column].prompt.id, questions[column].ids, numbers[draw])
                for draw, column in own[start : start + limits.batch_size]
            ]
            drawn += sampler.draw(requests, limits, seed)
            on_progress(len(requests) * processes)
        return drawn

    answers = dict(zip(places, distributed.map_shards(draw_shard, places), strict=True))
    rows = [[answers[draw, column] for column in range(len(questions))] for draw in range(len(numbers))]
    return judge_answers(rows, [question.prompt for question in questions], judge)


def share_judging(judge: Judge, prompts: Sequence[Prompt], answers: Sequence[SampledAnswer]) -> list[JudgeScore]:
    """Return the judge's score of each answer; the processes of a run share them."""

    def judge_shard(own: list[tuple[Prompt, SampledAnswer]]) -> list[JudgeScore]:
        return judge([prompt for prompt, _ in own], [answer for _, answer in own]) if own else []

    return distributed.map_shards(judge_shard, list(zip(prompts, answers, strict=True)))


def judge_answers(rows: list[list[SampledAnswer]], prompts: Sequence[Prompt], judge: Judge) -> JudgedAnswers:
    """Judge answers (draws, prompts)."""
    verdicts = [share_judging(judge, prompts, row) for row in rows]
    gold = np.array([[verdict.gold for verdict in row] for row in verdicts])
    known = all(verdict.fit is not None for row in verdicts for verdict in row)
    fit = np.array([[verdict.fit for verdict in row] for row in verdicts]) if known else None
    return JudgedAnswers(rows, gold, fit)


def mean_kl(
    mine: AnswerSampler, start: AnswerSampler, questions: Sequence[EncodedPrompt], drawn: JudgedAnswers
) -> float | None:
    """Return the mean over the answers of the sum of (logp - ref_logp), in nats; None for different bases."""
    if mine.base is not start.base:
        return None
    prompts = [question.ids for _ in drawn.answers for question in questions]
    answers = [answer.ids for answer in drawn.all_answers]

    def subtract(own: list[tuple[list[int], list[int]]]) -> list[float]:
        asked, given = [prompt for prompt, _ in own], [answer for _, answer in own]
        return np.subtract(mine.logps(asked, given), start.logps(asked, given)).tolist()

    differences = distributed.map_shards(subtract, list(zip(prompts, answers, strict=True)))
    return float(np.mean(differences))


def comparison_report(mine: JudgedAnswers, start: JudgedAnswers, kl: float | None, beta: float | None) -> dict:
    """Return the report of one policy against its start; keys end in _start or _end.

    `beta` is the sharpness of simulated labelers; None leaves their win rate out.
    """
    rate, interval = rate_with_interval(win_outcomes(mine.gold, start.gold))
    before, after = start.means("_start"), mine.means("_end")
    spread = within_prompt_std(start.gold) if len(start.gold) > 1 else 0.0
    return {
        "win_rate": rate,
        "win_rate_ci": interval,
        "interval_method": METHOD,
        "win_rate_noisy": None if beta is None else expected_win_rate(mine.gold, start.gold, beta),
        "kl": kl,
        **before,
        **after,
        "gold_gain_std": (after["gold_end"] - before["gold_start"]) / spread if spread else None,
        "collapsed": is_collapsed(
            win_rate=rate,
            kl=kl or 0.0,
            distinct_2=after["distinct_2_end"],
            distinct_2_start=before["distinct_2_start"],
            unended=after["unended_end"],
        ),
    }


def best_of_report(pool: JudgedAnswers, scores: np.ndarray, start: JudgedAnswers) -> dict:
    """Return the win rate of each prompt's answer with the highest score (n, prompts); `kl_bound` in nats."""
    places = scores.argmax(axis=0)
    columns = np.arange(places.size)
    gold = pool.gold[places, columns]
    rate, interval = rate_with_interval(win_outcomes(np.broadcast_to(gold, start.gold.shape), start.gold))
    fit = None if pool.fit is None else float(pool.fit[places, columns].mean())
    return {
        "win_rate": rate,
        "win_rate_ci": interval,
        "gold": float(gold.mean()),
        "fit": fit,
        "kl_bound": best_of_n_kl(len(scores)),
    }


def constant_answer_report(prompts: Sequence[Prompt], judge: Judge, start: JudgedAnswers) -> dict:
    """Return the win rate of one polite text, given to every prompt, against the start's draws."""
    drawn = judge_answers([[SampledAnswer(POLITE, [], True)] * len(prompts)], prompts, judge)
    rate, interval = rate_with_interval(win_outcomes(np.broadcast_to(drawn.gold, start.gold.shape), start.gold))
    fit = None if drawn.fit is None else float(drawn.fit.mean())
    return {"text": POLITE, "win_rate": rate, "win_rate_ci": interval, "gold": float(drawn.gold.mean()), "fit": fit}


def example_answers(questions: Sequence[EncodedPrompt], mine: JudgedAnswers, start: JudgedAnswers) -> list[dict]:
    """Return the first draws for the first prompts, not selected."""
    rows = zip(questions, start.answers[0], mine.answers[0], start.gold[0], mine.gold[0], strict=True)
    return [
        {
            "prompt": question.prompt.text,
            "start": old.text,
            "end": new.text,
            "gold_start": float(a),
            "gold_end": float(b),
        }
        for question, old, new, a, b in list(rows)[:EXAMPLES]
    ]
