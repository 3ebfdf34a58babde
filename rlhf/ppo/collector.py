"""Rollouts made by all processes of a run together: each answers and judges its share of the prompts, then all hold the whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from torch import Tensor

from data.errors import BadInput
from rlhf.common import distributed
from rlhf.ppo.actor_critic import ActorCritic
from rlhf.ppo.config import PPOConfig
from rlhf.ppo.out_of_memory import explain_out_of_memory
from rlhf.ppo.reward_shaping import Scorer
from rlhf.ppo.rollout import ScoredRollout, join_shards, score_rollout
from rlhf.sampling.sampler import Rollout, banned_ids, draw_uniforms, generate

FIXED_PROMPTS = 2**32  # the "update" of noise that never changes: the fixed prompts are always answered with it
PromptRow = dict[str, Any]
T = TypeVar("T")


class RolloutCollector:
    """Answers prompts as the active role and has the answers judged. `key` is the update, whose noise they are drawn with."""

    def __init__(self, actor: ActorCritic, reference: str | None, scorer: Scorer, args: PPOConfig) -> None:
        self.actor, self.reference, self.scorer, self.args = actor, reference, scorer, args
        self._banned = banned_ids(actor.base)

    def judge(self, rows: Sequence[PromptRow], prompts: list[list[int]], key: int) -> ScoredRollout:
        """Answers to `prompts` (the ids of `rows`), scored, and looked at as the active role and as the reference.

        Raises BadInput for a policy whose weights are no longer finite.
        """
        if not all(bool(weights.isfinite().all()) for weights in self.actor.parameters() if weights.requires_grad):
            error = f"training diverged at learning_rate={self.args.learning_rate:g}: weights are no longer finite"
            raise BadInput(error, "Lower learning_rate; the last checkpoint is whole", field="learning_rate")
        self.actor.trunk.clear()
        return join_shards(self._together(lambda: self._judge(rows, prompts, key)))

    def answer(self, rows: Sequence[PromptRow], prompts: list[list[int]], key: int) -> tuple[Rollout, Tensor]:
        """Answers to `prompts` and the judge's own scores (B,)."""
        return join_shards(self._together(lambda: self._answer(rows, prompts, key)))

    def sample(self, prompts: list[list[int]], key: int, first: int = 0) -> Rollout:
        """Answers of this process. The noise depends on the run's seed, `key` and a prompt's place (from `first` on), not on batches."""
        noise = draw_uniforms(self.args.seed, key, range(first, first + len(prompts)), self.args.max_new_tokens)
        return generate(
            self.actor.base,
            prompts,
            noise,
            max_new_tokens=self.args.max_new_tokens,
            temperature=self.args.temperature,
            banned=self._banned,
            bf16=self.args.bf16,
        )

    def _together(self, work: Callable[[], T]) -> list[T]:
        def named() -> T:
            with explain_out_of_memory(self.args):
                return work()

        return distributed.gather_results(named)

    def _judge(self, rows: Sequence[PromptRow], prompts: list[list[int]], key: int) -> ScoredRollout:
        answers, raw = self._answer(rows, prompts, key)
        scores = self.scorer.shaped(raw, answers)
        own = [prompts[place] for place in distributed.shard(len(prompts))]
        return score_rollout(
            self.actor, self.reference, own, answers, scores, 2 * self.args.per_device_train_batch_size
        )

    def _answer(self, rows: Sequence[PromptRow], prompts: list[list[int]], key: int) -> tuple[Rollout, Tensor]:
        share = distributed.shard(len(prompts))
        answers = self.sample([prompts[place] for place in share], key, share.start)
        return answers, self.scorer.raw([rows[place]["prompt"] for place in share], answers.ids)
