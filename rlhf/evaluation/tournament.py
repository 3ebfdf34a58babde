# SPDX-License-Identifier: Apache-2.0
"""A tournament: the contests of one run, with the same prompts, judge and seed.

A policy that takes part in several contests answers once, so its opponents meet the same answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data.errors import BadInput
from data.records import Policy, Prompt
from data.run_context import Cancelled, RunContext
from data.starter import rubric, source_hash
from labeling.simulate import fit_beta
from labeling.texts.pages import bad_input
from rlhf.common.metrics import best_of_n_kl
from rlhf.evaluation.contest_prompts import choose_contest_prompts
from rlhf.evaluation.evaluate import (
    EncodedPrompt,
    JudgedAnswers,
    best_of_report,
    comparison_report,
    constant_answer_report,
    draw_and_judge,
    example_answers,
    mean_kl,
    share_judging,
)
from rlhf.evaluation.judges import Judge, RubricParts, load_reward_judge, rubric_judge
from rlhf.methods.answer_samplers import BestOfN, load_sampler
from rlhf.models.independence import explain_dependence
from rlhf.models.policy_loading import Bases
from rlhf.sampling.policy_answers import AnswerSampler, SamplingLimits
from rlhf.sampling.rollout_sampler import IN_PROCESS, Sampler
from rlhf.settings import CompareSettings


@dataclass(slots=True)
class Tournament:
    """The shared state of one run's contests. `drawn` holds each policy's judged answers by its range of draws.

    `reward` is the judge by the settings' reward model, None without one; `total` and `done` count answers,
    `skipped` counts prompts that do not fit.
    """

    context: RunContext
    settings: CompareSettings
    judge: Judge
    judge_name: str
    reward: Judge | None
    samplers: dict[int, AnswerSampler]
    prompts: list[Prompt]
    total: int
    skipped: Counter[str]
    done: int = 0
    drawn: dict[tuple[int, range], JudgedAnswers] = field(default_factory=dict)

    @classmethod
    def load(
        cls,
        context: RunContext,
        settings: CompareSettings,
        parts: RubricParts,
        policies: Sequence[Policy],
        source: Sampler = IN_PROCESS,
    ) -> Tournament:
        """Load the policies and the judge, and choose prompts that fit every policy.

        Raises BadInput for an unknown reward model, and if the judge knows no test prompt.
        """
        store, bases = context.store, Bases(settings)
        samplers = {policy.id: load_sampler(store, bases, policy, source) for policy in policies}
        reward = load_reward_judge(store, bases, settings.reward, list(samplers.values()))
        judge, name = rubric_judge(parts), "rubric"
        if settings.judge == "reward":
            if reward is None:
                raise bad_input("need.judge", field="reward")
            judge, name = reward, settings.reward
        skipped: Counter[str] = Counter()
        reader = bases.of(store.reward_models.get(settings.reward)) if reward else None
        prompts = choose_contest_prompts(store, settings, list(samplers.values()), reader, skipped)
        answers = len(prompts) * (settings.draws * len(samplers) + settings.best_of)
        context.progress(0, answers, "answers")
        return cls(context, settings, judge, name, reward, samplers, prompts, answers, skipped)

    def judge_contests(self, contests: Sequence[tuple[Policy, Policy]]) -> list[dict[str, Any]]:
        """Judge each (policy, opponent), then store the evaluations; return their reports."""
        reports = [self.contest(policy, against) for policy, against in contests]
        self.context.once(lambda: self._store(contests, reports))
        return reports

    def _store(self, contests: Sequence[tuple[Policy, Policy]], reports: Sequence[dict[str, Any]]) -> None:
        for (policy, against), report in zip(contests, reports, strict=True):
            self.context.store.evaluations.add(policy.id, against.id, self.judge_name, report, self.context.run.id)

    def contest(self, policy: Policy, against: Policy) -> dict[str, Any]:
        """Return the report of one policy against another."""
        settings, mine, start = self.settings, self.samplers[policy.id], self.samplers[against.id]
        draws = range(settings.draws)
        ours, theirs = self._draw(mine, draws), self._draw(start, draws)
        questions = self._questions(mine)
        kl = contest_kl(mine, start, questions, ours)
        return {
            "policy": policy.public,
            "against": against.public,
            "judge": self.judge_name,
            "prompts": len(self.prompts),
            "draws": settings.draws,
            "seed": settings.seed,
            "rubric": {"version": rubric.VERSION, "hash": source_hash()} if self.judge_name == "rubric" else None,
            **comparison_report(ours, theirs, kl, self._beta(theirs)),
            "constant_answer": constant_answer_report(self.prompts, self.judge, theirs),
            "kl_bound": isinstance(mine, BestOfN) and kl is not None,
            "judge_partial": self._dependence(policy),
            **(self._reward_means(self.reward, ours, theirs) if self.reward else {}),
            **(self._best_of(start, theirs) if settings.best_of else {}),
            "gold_draws": {"start": _rounded(theirs.gold), "end": _rounded(ours.gold)},
            "examples": example_answers(questions, ours, theirs),
        }

    def _draw(self, sampler: AnswerSampler, numbers: range) -> JudgedAnswers:
        """Return the policy's judged answers of these draws; each is drawn once."""
        key = (sampler.policy.id, numbers)
        if key not in self.drawn:
            self.drawn[key] = draw_and_judge(
                sampler,
                self._questions(sampler),
                numbers,
                self.judge,
                limits=SamplingLimits(self.settings.max_new_tokens, self.settings.batch_size),
                seed=self.settings.seed,
                on_progress=self._on_progress,
            )
        return self.drawn[key]

    def _questions(self, sampler: AnswerSampler) -> list[EncodedPrompt]:
        return [EncodedPrompt(prompt, sampler.encode(prompt)) for prompt in self.prompts]

    def _on_progress(self, answers: int) -> None:
        self.done += answers
        self.context.progress(self.done, max(self.total, self.done), "answers")
        if self.context.cancelled():
            raise Cancelled

    def _beta(self, start: JudgedAnswers) -> float | None:
        """Return the sharpness of simulated labelers who agree on the start's answers at the settings' rate.

        None if no sharpness gives that rate.
        """
        if len(start.gold) < 2:
            return None
        try:
            return fit_beta((start.gold[0] - start.gold[1]).tolist(), self.settings.agreement)
        except BadInput:  # the answers differ too little for that rate
            return None

    def _scores(self, reward: Judge, drawn: JudgedAnswers) -> np.ndarray:
        """Return the reward model's scores, (draws, prompts)."""
        return np.array([[score.gold for score in share_judging(reward, self.prompts, row)] for row in drawn.answers])

    def _reward_means(self, reward: Judge, ours: JudgedAnswers, theirs: JudgedAnswers) -> dict[str, float | str]:
        return {
            "reward_start": float(self._scores(reward, theirs).mean()),
            "reward_end": float(self._scores(reward, ours).mean()),
            "reward_model": self.settings.reward,
        }

    def _dependence(self, policy: Policy) -> str | None:
        """Return why a reward model is not independent of the policy; None if it is, and for the rubric."""
        if self.judge_name == "rubric":
            return None
        store = self.context.store
        return explain_dependence(store, store.reward_models.get(self.judge_name), policy)

    def _best_of(self, start: AnswerSampler, theirs: JudgedAnswers) -> dict[str, dict]:
        """Return best-of-n of the start by the reward model and by gold, from answers outside its draws."""
        count = self.settings.best_of
        pool = self._draw(start, range(self.settings.draws, self.settings.draws + count))
        reports = {f"best_of_{count}_gold": best_of_report(pool, pool.gold, theirs)}
        if self.reward:
            reports[f"best_of_{count}"] = best_of_report(pool, self._scores(self.reward, pool), theirs)
        return reports


def contest_kl(
    mine: AnswerSampler, start: AnswerSampler, questions: Sequence[EncodedPrompt], drawn: JudgedAnswers
) -> float | None:
    """Return the KL of `mine` from `start` in nats, measured on the answers.

    For best-of-n against its own parent it is the bound. None for best-of-n in any other contest.
    """
    if isinstance(mine, BestOfN) and mine.policy.parent_id == start.policy.id:
        return best_of_n_kl(mine.count)
    if isinstance(mine, BestOfN) or isinstance(start, BestOfN):
        return None
    return mean_kl(mine, start, questions, drawn)


def _rounded(gold: np.ndarray) -> list[list[float]]:
    return np.round(gold, 4).tolist()
