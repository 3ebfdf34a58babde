# SPDX-License-Identifier: Apache-2.0
"""One learning curve of TRL 1.12: `python -m tests.bench.ppo.curve_theirs BASE SEED`, TRL 1.12 first on PYTHONPATH."""

from __future__ import annotations

import json
import sys
import tempfile

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, TrainerCallback
from transformers.modeling_outputs import BaseModelOutput

from tests.bench.ppo.curve import ANSWER, RATES, SHAPE, SHARED, UPDATES
from tests.bench.ppo.theirs import config, trainer
from tests.bench.ppo.world import ASK, EPISODES, Case, prompts


class Rule(nn.Module):
    """`even_words` as TRL wants a reward: a module whose last hidden state (B, T, 1) is the share so far of even ids behind the first ASK."""

    base_model_prefix = "backbone"

    def __init__(self, ask: int) -> None:
        super().__init__()
        self.ask, self.score, self.backbone = ask, nn.Identity(), self._share

    def _share(self, input_ids: Tensor, attention_mask: Tensor, **_: object) -> BaseModelOutput:
        seen = (input_ids == self.ask).cumsum(1) > 0
        answer = seen.roll(1, dims=1) & seen & attention_mask.bool()
        answer[:, 0] = False
        even = answer & (input_ids % 2 == 0)
        share = even.cumsum(1) / answer.cumsum(1).clamp(min=1)
        return BaseModelOutput(hidden_states=(share[..., None],))


class Rewards(TrainerCallback):
    """The mean score of each update."""

    def __init__(self) -> None:
        self.means: list[float] = []

    def on_log(self, args, state, control, logs=None, **_) -> None:
        if "objective/scores" in logs:
            self.means.append(round(logs["objective/scores"], 4))


def main() -> None:
    """Train, then print the list of rewards."""
    base, seed = sys.argv[1], int(sys.argv[2])
    torch.manual_seed(seed)
    rule, rewards = Rule(AutoTokenizer.from_pretrained(base).convert_tokens_to_ids(ASK)), Rewards()
    with tempfile.TemporaryDirectory() as folder:
        given = {
            "response_length": ANSWER,
            "total_episodes": EPISODES * UPDATES,
            "learning_rate": RATES["theirs"],
        } | SHARED
        args = config(Case("theirs"), folder, seed=seed, **given)
        trainer(base, args, prompts(seed, words=SHAPE["words"]), rewards, reward=rule).train()
    print(json.dumps(rewards.means))


if __name__ == "__main__":
    main()
