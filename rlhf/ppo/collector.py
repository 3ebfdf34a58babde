# SPDX-License-Identifier: Apache-2.0
"""The rollout collector. Each process answers and scores its shard of the prompts; then all share the whole rollout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from math import inf
from typing import TypeVar

from torch import Tensor
from torch.nn.utils import get_total_norm

from labeling.texts.pages import bad_input
from reward.base import distributed
from reward.base.sharding import whole
from rlhf.ppo.actor_critic import ActorCritic
from rlhf.ppo.config import PPOConfig
from rlhf.ppo.out_of_memory import explain_out_of_memory
from rlhf.ppo.prompt_rows import PromptRow
from rlhf.ppo.reward_shaping import Scorer
from rlhf.ppo.rollout import ScoredRollout, join_shards, score_rollout
from rlhf.sampling.rollout_sampler import IN_PROCESS, NoiseKey, Sampler, SamplingLimits
from rlhf.sampling.sampler import Rollout

ROWS = 256
"""Most rows of a batch in decoding."""
FIXED_PROMPTS = 2**32
"""The key of the noise that always answers the fixed prompts; no update has this number."""

T = TypeVar("T")


class RolloutCollector:
    """Answer prompts as the active role and score the answers. `key` is the update, which selects the noise.

    Set `sampler` before the first answer to sample elsewhere than in this process.
    """

    sampler: Sampler = IN_PROCESS

    def __init__(self, actor: ActorCritic, reference: str | None, scorer: Scorer, args: PPOConfig) -> None:
        self.actor, self.reference, self.scorer, self.args = actor, reference, scorer, args

    def collect(self, rows: Sequence[PromptRow], prompts: list[list[int]], key: int) -> ScoredRollout:
        """Answer `prompts` (the ids of `rows`), score the answers, and compute statistics and KL to the reference.

        Raises BadInput for a policy whose weights are no longer finite.
        """
        self.begin_rollout()
        self.publish()
        shard = distributed.shard(len(prompts))
        own, own_prompts = [rows[row] for row in shard], [prompts[row] for row in shard]
        return join_shards(
            self._gather(lambda: self.score(own, own_prompts, self.sample(own_prompts, key, shard.start)))
        )

    def begin_rollout(self) -> None:
        """Forget the texts of the last rollout. Raises BadInput if the weights are no longer finite."""
        trained = [weights.detach() for weights in self.actor.parameters() if weights.requires_grad]
        if not get_total_norm(trained, inf).isfinite():  # the largest weight, or nan: one look at all of them
            raise bad_input("refused.diverged", field="learning_rate", learning_rate=self.args.learning_rate)
        self.actor.trunk.clear()

    def sample_and_score(self, rows: Sequence[PromptRow], prompts: list[list[int]], key: int) -> tuple[Rollout, Tensor]:
        """Return answers to `prompts` and the reward's raw scores (B,)."""
        self.publish()
        shard = distributed.shard(len(prompts))
        own = [rows[row]["prompt"] for row in shard]

        def work() -> tuple[Rollout, Tensor]:
            answers = self.sample([prompts[row] for row in shard], key, shard.start)
            return answers, self.scorer.raw_scores(own, answers.ids)

        return join_shards(self._gather(work))

    def sample_shared(self, prompts: list[list[int]], key: int) -> Rollout:
        """Answer prompts; each process of the run answers its shard."""
        self.publish()
        shard = distributed.shard(len(prompts))
        own = [prompts[row] for row in shard]
        return join_shards(self._gather(lambda: self.sample(own, key, shard.start)))

    def score_shared(self, rows: Sequence[PromptRow], prompts: list[list[int]], answers: Rollout) -> ScoredRollout:
        """Score answers that all processes of the run have; each scores its shard."""
        shard = distributed.shard(len(prompts))
        own = [rows[row] for row in shard], [prompts[row] for row in shard]
        part = slice(shard.start, shard.stop)
        own_answers = Rollout(answers.ids[part], answers.logps[part], answers.ended[part])
        return join_shards(self._gather(lambda: self.score(*own, own_answers)))

    def score(self, rows: Sequence[PromptRow], prompts: list[list[int]], answers: Rollout) -> ScoredRollout:
        """Score answers that `sample` gave in this process, and compute statistics and KL to the reference."""
        raw = self.scorer.raw_scores([row["prompt"] for row in rows], answers.ids)
        return score_rollout(self.actor, self.reference, prompts, answers, self.scorer.shape(raw, answers))

    def sample(self, prompts: list[list[int]], key: int, first: int = 0) -> Rollout:
        """Answer prompts in this process.

        The noise depends on the run's seed, `key` and the prompt's number (the first has `first`), not on batches.
        """
        args, base = self.args, self.actor.base
        noise = NoiseKey(args.seed, key, [(row, 0) for row in range(first, first + len(prompts))])
        return self.sampler.answer(
            base, prompts, noise, SamplingLimits(args.max_new_tokens, ROWS, args.temperature, args.bf16)
        )

    def publish(self) -> None:
        """Let the sampler take over the weights of the active role, before `sample`."""
        self.sampler.publish(self.actor.base)

    def _gather(self, work: Callable[[], T]) -> list[T]:
        """Return the results of all processes. To sample here, a process needs all weights for every single token."""

        def explained() -> T:
            with explain_out_of_memory(self.args):
                return work()

        with nullcontext() if self.sampler.served else whole(self.actor.base.causal):
            return distributed.gather_results(explained)
