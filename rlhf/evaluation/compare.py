# SPDX-License-Identifier: Apache-2.0
"""The run kind `compare`: judge policies against others on test prompts and store evaluations.

All contests of a run share prompts, judge, seed and the draws of a common opponent.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from data.errors import BadInput
from data.ids import REWARD_MODEL, parse_id
from data.records import Policy, Prompt
from data.run_context import Cancelled, RunContext, RunResult
from data.starter import rubric, source_hash
from data.store import Store
from labeling.simulate import fit_beta
from reward.model import RewardModel
from rlhf.common.metrics import best_of_n_kl
from rlhf.evaluation.evaluate import (
    POLITE,
    EncodedPrompt,
    Judge,
    JudgedAnswers,
    JudgeScore,
    RubricParts,
    best_of_report,
    comparison_report,
    constant_answer_report,
    draw_and_judge,
    example_answers,
    mean_kl,
    rubric_judge,
)
from rlhf.methods.answer_samplers import BestOfN, load_sampler
from rlhf.models.contests import choose_contests
from rlhf.models.independence import explain_dependence
from rlhf.models.policy_loading import Bases
from rlhf.sampling.policy_answers import AnswerSampler, SampledAnswer, SamplingLimits
from rlhf.settings import CompareSettings


def run(context: RunContext, settings: CompareSettings) -> RunResult:
    """Compare by the starter's rubric, or by a reward model if judge=reward."""
    return compare(context, settings, rubric.gold_parts)


def compare(context: RunContext, settings: CompareSettings, parts: RubricParts) -> RunResult:
    """Judge each policy of the settings and store its evaluation; `parts(facts, text, ended)` is the rubric.

    Raises BadInput for an unknown policy or reward model, for a policy without an opponent, and if the judge knows no
    test prompt.
    """
    pairs = choose_contests(context.store, settings)
    table = Tournament.load(context, settings, parts, [policy for pair in pairs for policy in pair])
    reports = [table.contest(mine, against) for mine, against in pairs]
    for (mine, against), report in zip(pairs, reports, strict=True):
        context.store.evaluations.add(mine.id, against.id, table.judge_name, report, context.run.id)
    return RunResult(produced=[], report={"evaluations": reports})


def reward_judge(model: RewardModel, tokenizer: str) -> Judge:
    """Return a judge by a reward model: its score is gold, without a fit.

    It reads token ids if its tokenizer (by fingerprint) wrote them, and texts otherwise.
    """
    reads_ids = model.base.fingerprint["tokenizer"] == tokenizer

    def judge(prompts: Sequence[Prompt], answers: Sequence[SampledAnswer]) -> list[JudgeScore]:
        read = [answer.ids if reads_ids and answer.ids else answer.text for answer in answers]
        scores = model.score([prompt.messages or prompt.text for prompt in prompts], read)
        return [JudgeScore(score, None) for score in scores]

    return judge


@dataclass(slots=True)
class Tournament:
    """The shared state of one run's contests: prompts, judges, and the draws of each policy."""

    context: RunContext
    settings: CompareSettings
    judge: Judge
    judge_name: str
    reward: Judge | None
    speakers: dict[int, AnswerSampler]
    prompts: list[Prompt]
    total: int
    done: int = 0
    drawn: dict[tuple[int, range], JudgedAnswers] = field(default_factory=dict)

    @classmethod
    def load(
        cls, context: RunContext, settings: CompareSettings, parts: RubricParts, policies: Sequence[Policy]
    ) -> Tournament:
        """Load the policies and the judge, and choose prompts that all of them can read."""
        store, bases = context.store, Bases()
        speakers = {policy.id: load_sampler(store, bases, policy) for policy in policies}
        reward = _reward(store, bases, settings.reward, list(speakers.values()))
        if settings.judge == "reward" and reward is None:
            raise BadInput("judge=reward needs a reward model", "Name one: --set reward=r1", field="reward")
        judge, name = (reward, settings.reward) if settings.judge == "reward" else (rubric_judge(parts), "rubric")
        prompts = _prompts(store, settings, list(speakers.values()))
        answers = len(prompts) * (settings.draws * len(speakers) + settings.best_of)
        context.progress(0, answers, "answers")
        return cls(context, settings, judge, name, reward, speakers, prompts, answers)

    def contest(self, policy: Policy, against: Policy) -> dict:
        """Return the report of one policy against another."""
        settings, mine, start = self.settings, self.speakers[policy.id], self.speakers[against.id]
        draws = range(settings.draws)
        ours, theirs = self._draw(mine, draws), self._draw(start, draws)
        asked = self._questions(mine)
        kl = contest_kl(mine, start, asked, ours)
        return {
            "policy": policy.public,
            "against": against.public,
            "judge": self.judge_name,
            "prompts": len(self.prompts),
            "draws": settings.draws,
            "seed": settings.seed,
            "rubric": {"version": rubric.VERSION, "hash": source_hash()} if self.judge_name == "rubric" else None,
            **comparison_report(ours, theirs, kl, self._beta(theirs), settings.seed),
            "constant_answer": constant_answer_report(self.prompts, self.judge, theirs, settings.seed),
            "kl_bound": isinstance(mine, BestOfN) and kl is not None,
            "judge_partial": self._partial(policy),
            **(self._rewards(ours, theirs) if self.reward else {}),
            **(self._best_of(start, theirs) if settings.best_of else {}),
            "gold_draws": {"start": _rounded(theirs.gold), "end": _rounded(ours.gold)},
            "examples": example_answers(asked, ours, theirs),
        }

    def _draw(self, speaker: AnswerSampler, numbers: range) -> JudgedAnswers:
        key = (speaker.policy.id, numbers)
        if key not in self.drawn:
            limits = SamplingLimits(self.settings.max_new_tokens, self.settings.batch_size)
            questions = self._questions(speaker)
            self.drawn[key] = draw_and_judge(
                speaker,
                questions,
                numbers,
                self.judge,
                limits=limits,
                seed=self.settings.seed,
                on_progress=self._on_progress,
            )
        return self.drawn[key]

    def _questions(self, speaker: AnswerSampler) -> list[EncodedPrompt]:
        return [EncodedPrompt(prompt, speaker.encode(prompt)) for prompt in self.prompts]

    def _on_progress(self, answers: int) -> None:
        self.done += answers
        self.context.progress(self.done, max(self.total, self.done), "answers")
        if self.context.cancelled():
            raise Cancelled

    def _beta(self, start: JudgedAnswers) -> float | None:
        """Return the sharpness at which simulated labelers agree as asked on the start's answers, or None."""
        if len(start.gold) < 2:
            return None
        try:
            return fit_beta((start.gold[0] - start.gold[1]).tolist(), self.settings.agreement)
        except BadInput:  # these answers differ too little for labelers to agree that often
            return None

    def _scores(self, drawn: JudgedAnswers) -> np.ndarray:
        """Return the reward model's scores, (draws, prompts)."""
        return np.array([[verdict.gold for verdict in self.reward(self.prompts, row)] for row in drawn.answers])

    def _rewards(self, ours: JudgedAnswers, theirs: JudgedAnswers) -> dict:
        means = {
            f"reward_{end}": float(self._scores(drawn).mean()) for end, drawn in (("start", theirs), ("end", ours))
        }
        return means | {"reward_model": self.settings.reward}

    def _partial(self, policy: Policy) -> str | None:
        """Return why a reward model is not independent of the policy; None if it is, and for the rubric."""
        if self.judge_name == "rubric":
            return None
        store = self.context.store
        return explain_dependence(store, store.reward_models.get(self.judge_name), policy)

    def _best_of(self, start: AnswerSampler, theirs: JudgedAnswers) -> dict:
        """Return best-of-n of the start by the reward model and by gold, from answers outside its draws."""
        count, seed = self.settings.best_of, self.settings.seed
        pool = self._draw(start, range(self.settings.draws, self.settings.draws + count))
        found = {f"best_of_{count}_gold": best_of_report(pool, pool.gold, theirs, seed)}
        if self.reward:
            found[f"best_of_{count}"] = best_of_report(pool, self._scores(pool), theirs, seed)
        return found


def contest_kl(
    mine: AnswerSampler, start: AnswerSampler, asked: Sequence[EncodedPrompt], drawn: JudgedAnswers
) -> float | None:
    """Return the KL of `mine` from `start` in nats.

    It is measured on the answers, or the bound for best-of-n against its own parent; None if neither applies.
    """
    if isinstance(mine, BestOfN) or isinstance(start, BestOfN):
        own_parent = isinstance(mine, BestOfN) and mine.policy.parent_id == start.policy.id
        return best_of_n_kl(mine.count) if own_parent else None
    return mean_kl(mine, start, asked, drawn)


def _reward(store: Store, bases: Bases, name: str, speakers: Sequence[AnswerSampler]) -> Judge | None:
    """Load the reward model of that id as a judge; None for an empty name."""
    if not name:
        return None
    row = store.reward_models.get(parse_id(name, REWARD_MODEL))
    tokenizers = {speaker.base.fingerprint["tokenizer"] for speaker in speakers}
    model = RewardModel.load(store.home / row.adapter, bases.get(row.base))
    return reward_judge(model, tokenizers.pop() if len(tokenizers) == 1 else "")


def _prompts(store: Store, settings: CompareSettings, speakers: Sequence[AnswerSampler]) -> list[Prompt]:
    """Return the test prompts that the judge knows and that fit every policy, in the order of the seed."""
    prompts = store.prompts.all(split="test")
    if not prompts:
        raise BadInput(
            "there are no test prompts", "Import prompts first: one in seven or so falls into the test split."
        )
    random.Random(settings.seed).shuffle(prompts)
    known = [prompt for prompt in prompts if settings.judge == "reward" or prompt.facts]
    if not known:
        remedy = "Use a reward model as the judge: --set judge=reward --set reward=r1"
        raise BadInput(f"the rubric knows none of the {len(prompts)} test prompts", remedy, field="judge")
    chosen = [
        prompt for prompt in known if all(_room(speaker, prompt, settings.max_new_tokens) for speaker in speakers)
    ]
    if not chosen:
        raise BadInput(
            f"no test prompt leaves room for {settings.max_new_tokens} tokens",
            "Lower max_new_tokens.",
            field="max_new_tokens",
        )
    return chosen[: settings.prompts]


def _room(speaker: AnswerSampler, prompt: Prompt, tokens: int) -> bool:
    """Return whether that many tokens and an end token, or the constant answer, fit into the context."""
    longest = max(tokens + 1, len(speaker.base.encode_completion(POLITE)))
    try:
        return len(speaker.encode(prompt)) + longest <= speaker.base.context
    except BadInput:
        return False


def _rounded(gold: np.ndarray) -> list[list[float]]:
    return np.round(gold, 4).tolist()
