# SPDX-License-Identifier: Apache-2.0
"""Scores of labeled test comparisons, with the rubric score if the rubric knows the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from data.records import Completion
from data.starter.rubric import gold_parts
from data.store import Store
from reward.base.distributed import map_shards
from reward.model import RewardModel
from reward.report.scored import SAME, FitPair, ScoredComparison
from reward.training.rows import EncodedComparison, RowEncoder

MORE_PER_PROMPT = 4
"""Unlabeled answers of a test prompt to score as well: they yield more pairs that differ in task fit alone."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A scored answer: the model's raw score, and the rubric's weighted parts, None if it does not know the prompt."""

    prompt_id: int
    score: float
    parts: dict[str, float] | None

    @property
    def gold(self) -> float | None:
        """The rubric score."""
        return None if self.parts is None else sum(self.parts.values())


def score_comparisons(
    store: Store, model: RewardModel, encoder: RowEncoder, rows: Sequence[EncodedComparison]
) -> tuple[list[ScoredComparison], list[FitPair]]:
    """Return the comparisons with scores and rubric scores, and the pairs of answers that differ in task fit alone."""
    answers = _score_answers(store, model, encoder, rows)
    comparisons = [_scored_comparison(row, answers[row.row.a_id], answers[row.row.b_id]) for row in rows]
    return comparisons, fit_pairs(list(answers.values()))


def score_labeled(model: RewardModel, rows: Sequence[EncodedComparison]) -> list[ScoredComparison]:
    """Return the comparisons with the model's scores alone, without rubric scores and other answers."""
    if not rows:
        return []
    answers = distinct_answers(rows)
    scores = dict(zip(answers, _shared_scores(model, list(answers.values())), strict=True))
    return [
        _scored_comparison(row, *(Answer(row.row.prompt_id, scores[id], None) for id in (row.row.a_id, row.row.b_id)))
        for row in rows
    ]


def _shared_scores(model: RewardModel, answers: Sequence[tuple[list[int], list[int]]]) -> list[float]:
    """Return the raw score of each (prompt, answer); the processes of a run share them."""
    return map_shards(lambda own: model.raw_scores(*zip(*own, strict=True)).tolist() if own else [], answers)


def distinct_answers(rows: Sequence[EncodedComparison]) -> dict[str, tuple[list[int], list[int]]]:
    """Return the ids of prompt and answer for each answer's id."""
    answers = {}
    for comparison in rows:
        answers[comparison.row.a_id] = comparison.prompt, comparison.a
        answers[comparison.row.b_id] = comparison.prompt, comparison.b
    return answers


def fit_pairs(answers: Sequence[Answer]) -> list[FitPair]:
    """Return all pairs of answers to one prompt whose rubric parts differ in `fit` alone."""
    alike: dict[tuple[object, ...], list[tuple[float, Answer]]] = {}
    for answer in answers:
        if answer.parts is not None:
            rest = tuple((name, round(value, 6)) for name, value in sorted(answer.parts.items()) if name != "fit")
            alike.setdefault((answer.prompt_id, rest), []).append((answer.parts["fit"], answer))
    pairs = []
    for group in alike.values():
        for (first_fit, first), (second_fit, second) in combinations(group, 2):
            better, worse = (first, second) if first_fit > second_fit else (second, first)
            if abs(first_fit - second_fit) > SAME:
                pairs.append(FitPair(first.prompt_id, better.score, worse.score))
    return pairs


def _score_answers(
    store: Store, model: RewardModel, encoder: RowEncoder, rows: Sequence[EncodedComparison]
) -> dict[str, Answer]:
    """Return the labeled answers and a few more of the same prompts by id, each scored once."""
    prompts = {comparison.row.prompt_id: comparison.prompt for comparison in rows}
    labeled = {id: ids for id, (_, ids) in distinct_answers(rows).items()}
    candidates = [answer for prompt_id in prompts for answer in _candidates(store, prompt_id, labeled)]
    encoded = [
        (answer, prompts[answer.prompt_id], labeled.get(answer.id) or encoder.answer(answer.token_ids, answer.text))
        for answer in candidates
    ]
    fitting = [
        (answer, prompt, ids) for answer, prompt, ids in encoded if len(prompt) + len(ids) <= encoder.base.context
    ]
    scores = _shared_scores(model, [(prompt, ids) for _, prompt, ids in fitting])
    facts = {prompt_id: store.prompts.get(prompt_id).facts for prompt_id in prompts}
    return {
        answer.id: Answer(answer.prompt_id, score, _rubric_parts(facts[answer.prompt_id], answer))
        for (answer, _, _), score in zip(fitting, scores, strict=True)
    }


def _candidates(store: Store, prompt_id: int, labeled: dict[str, list[int]]) -> list[Completion]:
    completions = store.completions.of_prompt(prompt_id)
    others = [completion for completion in completions if completion.id not in labeled]
    return [completion for completion in completions if completion.id in labeled] + others[:MORE_PER_PROMPT]


def _rubric_parts(facts: dict | None, answer: Completion) -> dict[str, float] | None:
    return gold_parts(facts, answer.text, answer.ended) if facts else None


def _scored_comparison(comparison: EncodedComparison, a: Answer, b: Answer) -> ScoredComparison:
    row = comparison.row
    texts = row.prompt_id, row.prompt, row.a_text, row.b_text
    return ScoredComparison(
        *texts, a.score, b.score, row.label, row.margin, a.gold, b.gold, row.labeler, row.comparison_id
    )
