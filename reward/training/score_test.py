# SPDX-License-Identifier: Apache-2.0
"""Scores of labeled test comparisons, with the rubric score if the rubric knows the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from data.records import Completion
from data.starter.rubric import gold_parts
from data.store import Store
from reward.model import RewardModel
from reward.report.scored import SAME, FitPair, ScoredComparison
from reward.training.rows import EncodedComparison, RowEncoder

MORE_PER_PROMPT = 4
"""Answers of a test prompt, beyond the labeled ones, among which pairs that differ in task fit alone are looked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A scored answer: the model's raw score and the rubric's weighted parts.

    None if it does not know the prompt.
    """

    prompt_id: int
    score: float
    parts: dict[str, float] | None

    @property
    def gold(self) -> float | None:
        """The rubric's score."""
        return None if self.parts is None else sum(self.parts.values())


def score_comparisons(
    store: Store, model: RewardModel, encoder: RowEncoder, rows: Sequence[EncodedComparison]
) -> tuple[list[ScoredComparison], list[FitPair]]:
    """Return the test comparisons with scores and gold.

    The pairs of their answers that differ in task fit alone.
    """
    answers = _scored(store, model, encoder, rows)
    judged = [_judged(each, answers[each.row.a_id], answers[each.row.b_id]) for each in rows]
    return judged, fit_pairs(list(answers.values()))


def score_labeled(model: RewardModel, rows: Sequence[EncodedComparison]) -> list[ScoredComparison]:
    """Return the comparisons with the model's scores alone: neither gold nor other answers."""
    answers = {
        id: (each.prompt, ids) for each in rows for id, ids in ((each.row.a_id, each.a), (each.row.b_id, each.b))
    }
    if not answers:
        return []
    scores = dict(zip(answers, model.raw_scores(*zip(*answers.values(), strict=True)).tolist(), strict=True))
    return [
        _judged(each, *(Answer(each.row.prompt_id, scores[id], None) for id in (each.row.a_id, each.row.b_id)))
        for each in rows
    ]


def fit_pairs(answers: Sequence[Answer]) -> list[FitPair]:
    """All pairs of answers to one prompt whose rubric parts are equal but for `fit`."""
    by_rest: dict[tuple, list[Answer]] = {}
    for answer in answers:
        if answer.parts is not None:
            rest = tuple((name, round(value, 6)) for name, value in sorted(answer.parts.items()) if name != "fit")
            by_rest.setdefault((answer.prompt_id, rest), []).append(answer)
    found = []
    for group in by_rest.values():
        for one, two in combinations(group, 2):
            better, worse = (one, two) if one.parts["fit"] > two.parts["fit"] else (two, one)
            if better.parts["fit"] - worse.parts["fit"] > SAME:
                found.append(FitPair(one.prompt_id, better.score, worse.score))
    return found


def _scored(
    store: Store, model: RewardModel, encoder: RowEncoder, rows: Sequence[EncodedComparison]
) -> dict[str, Answer]:
    """Labeled answers and a few more of the same prompts, each scored once."""
    prompts = {each.row.prompt_id: each.prompt for each in rows}
    labeled = {id: ids for each in rows for id, ids in ((each.row.a_id, each.a), (each.row.b_id, each.b))}
    known = [answer for prompt_id in prompts for answer in _answers(store, prompt_id, labeled)]
    ids = [labeled.get(answer.id) or encoder.answer(answer.token_ids, answer.text) for answer in known]
    fitting = [i for i, a in enumerate(known) if len(prompts[a.prompt_id]) + len(ids[i]) <= encoder.base.context]
    scores = model.raw_scores([prompts[known[i].prompt_id] for i in fitting], [ids[i] for i in fitting]).tolist()
    facts = {prompt_id: store.prompts.get(prompt_id).facts for prompt_id in prompts}
    return {
        known[i].id: Answer(known[i].prompt_id, score, _parts(facts[known[i].prompt_id], known[i]))
        for i, score in zip(fitting, scores, strict=True)
    }


def _answers(store: Store, prompt_id: int, labeled: dict[str, list[int]]) -> list[Completion]:
    found = store.completions.of_prompt(prompt_id)
    others = [answer for answer in found if answer.id not in labeled]
    return [answer for answer in found if answer.id in labeled] + others[:MORE_PER_PROMPT]


def _parts(facts: dict | None, answer: Completion) -> dict[str, float] | None:
    return gold_parts(facts, answer.text, answer.ended) if facts else None


def _judged(each: EncodedComparison, a: Answer, b: Answer) -> ScoredComparison:
    row = each.row
    texts = row.prompt_id, row.prompt, row.a_text, row.b_text
    return ScoredComparison(
        *texts, a.score, b.score, row.label, row.margin, a.gold, b.gold, row.labeler, row.comparison_id
    )
