# SPDX-License-Identifier: Apache-2.0
"""Settings of an online run; importable without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from data.settings import CompletionLength, LearningRate, Rank, Seed, StartPolicy, option
from data.tables.verdicts import FEWEST_RANKED, MOST_RANKED
from labeling.texts.pages import bad_input
from reward.training_settings import LoraSettings
from rlhf.ppo.settings import PPOSettings
from rlhf.sampling_settings import SamplingPlacement
from rlhf.settings import JudgedSettings, LastPrompt, ProjectName, TemplateSettings

MOST_UPDATES = 10_000
"""Updates after which a run ends, whatever is labelled."""


class OnlineSettings(TemplateSettings, LoraSettings, SamplingPlacement, JudgedSettings):
    """Train reward model and policy while people label, on answers of the newest policy."""

    from_: StartPolicy = ""
    labels: str = option("person+import", main=True)
    max_labels: int = option(0, unit="labels", main=True, min=0)
    project: ProjectName = ""
    selection: Literal["random", "variance"] = option("random", main=True)
    ranking: int = option(0, unit="completions", min=0, max=MOST_RANKED)
    random_share: float = option(0.2, min=0.1, max=1.0)
    first_labels: int = option(32, unit="labels", min=2)
    labels_per_step: int = option(8, unit="labels", min=1)
    updates_per_step: int = option(1, unit="updates", min=1, max=100)
    publish_every: int = option(100, unit="labels", min=0)
    members: int = option(10, unit="members", min=2, max=100)
    kl_target: float = option(3.0, unit="nats_per_answer", main=True, min=0.01, max=1e3)
    kl_budget: float = option(6.0, unit="nats_per_answer", min=0.01, max=1e3)
    kl_coef: float = option(0.05, min=0.0, max=1e3)
    learning_rate: LearningRate = 1.5e-3
    prompts: str = ""
    last_prompt: LastPrompt = 0
    batch_size: int = option(128, unit="completions", min=4)
    group_size: int = option(8, unit="completions", min=2)
    minibatch: int = option(32, unit="completions", min=1)
    max_new_tokens: CompletionLength = 80
    rank: Rank = 16
    seed: Seed = 0

    @model_validator(mode="after")
    def _check_ranking(self) -> OnlineSettings:
        """Raise BadInput for a ranking of too few answers, or of more than a prompt gets."""
        if self.ranking and not FEWEST_RANKED <= self.ranking <= self.group_size:
            raise bad_input(
                "refused.online_ranking",
                field="ranking",
                ranking=self.ranking,
                group_size=self.group_size,
                fewest=FEWEST_RANKED,
                most=MOST_RANKED,
            )
        return self

    def ppo(self) -> PPOSettings:
        """Return the settings of the policy's updates. Raises BadInput for sizes that do not divide."""
        own = {name: value for name, value in self if name in PPOSettings.model_fields and name != "from_"}
        return PPOSettings(**own, max_steps=MOST_UPDATES, validation_prompts=1)
