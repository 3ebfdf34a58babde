# SPDX-License-Identifier: Apache-2.0
"""The start check of a server: one answer is scored by the server and by this process, and both must agree.

Servers report log-probabilities from before the temperature by default. At temperature 1 that would hardly show, so
the check samples at another one.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from labeling.texts.pages import bad_input
from reward.base.frozen_base import Base
from rlhf.sampling.sampler import banned_ids
from rlhf.sampling.served.server import Completion, CompletionRequest, Server
from rlhf.sampling.vocabulary import action_scores

LIMIT, ROUNDED_LIMIT = 1e-4, 0.1
"""Most mean difference in nats per token: of float32, and if one side computes in 16 bits."""
TEMPERATURE, TOKENS, SEED = 0.5, 32, 1
PROMPT = "Write a short thank-you note to a friend."


class Agreement(NamedTuple):
    """The result of a check: tokens of the answer, mean log-probability by both sides, and their mean difference."""

    tokens: int
    server: float
    own: float
    difference: float


def check_request(base: Base, request: CompletionRequest) -> CompletionRequest:
    """Return the request of the check for the model that `request` names."""
    prompt = base.encode_prompt(PROMPT)
    return request._replace(
        prompt=prompt,
        max_tokens=max(1, min(TOKENS, base.context - 1 - len(prompt))),
        temperature=TEMPERATURE,
        seed=SEED,
    )


def compare(base: Base, request: CompletionRequest, completion: Completion) -> Agreement:
    """Score a completion by the active role of the base, and compare with the server's log-probabilities."""
    own = answer_logps(base, request.prompt, completion.ids, request.temperature)
    server = torch.tensor(completion.logps)
    return Agreement(len(own), server.mean().item(), own.mean().item(), (own - server).abs().mean().item())


def check_agreement(base: Base, server: Server, request: CompletionRequest, *, rounded: bool) -> Agreement:
    """Ask a server for one answer and score it here too; `rounded` if one of the two computes in 16 bits.

    Raises BadInput, with both numbers, if they differ by more than the limit.
    """
    found, limit = compare(base, request, server.complete(request)), ROUNDED_LIMIT if rounded else LIMIT
    if not found.difference <= limit:
        raise bad_input(
            "refused.rollouts_differ",
            field="rollouts",
            url=server.url,
            server=found.server,
            own=found.own,
            difference=found.difference,
            limit=limit,
            base=base.name,
        )
    return found


@torch.no_grad()
def answer_logps(base: Base, prompt: list[int], answer: list[int], temperature: float) -> torch.Tensor:
    """Return the log-probabilities (T,) of an answer's tokens under the active role at that temperature."""
    ids, mask = base.collate([[*prompt, *answer[:-1]]])
    states = base.hidden(ids, mask, right_padded=True)[0, len(prompt) - 1 :]
    actions = torch.tensor(answer, device=states.device)
    return action_scores(base, states, actions, temperature, banned_ids(base))[0].float().cpu()
