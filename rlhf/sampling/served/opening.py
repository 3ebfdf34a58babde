# SPDX-License-Identifier: Apache-2.0
"""The sampler that a run's settings ask for: this process, servers at addresses, or a server of the run's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from data.run_context import Cancelled, RunContext
from reward.base.frozen_base import Base
from rlhf.sampling.rollout_sampler import IN_PROCESS, Sampler
from rlhf.sampling.served.own_server import OwnServer
from rlhf.sampling.served.served_sampler import Served
from rlhf.sampling.served.server import Server
from rlhf.sampling_settings import START_SERVER, SamplingPlacement, read_keys, split_addresses
from rlhf.settings import RejectionSettings

FOLDER, LOG = "served", "vllm.txt"
"""In a run's folder: the adapters that servers read, and the output of the run's own server."""


@contextmanager
def open_sampler(context: RunContext, settings: SamplingPlacement) -> Iterator[Sampler]:
    """Give the sampler of a run to the block; afterwards its adapters are gone from the servers and its own has ended.

    While it waits for a server, the run's note says so, and the run can be cancelled.
    """
    if not settings.rollouts:
        yield IN_PROCESS
        return

    def watch(reason: str) -> None:
        context.mark_waiting(f"waiting for vLLM: {reason}" if reason else "")
        if context.cancelled():
            raise Cancelled

    # each round of rejection sampling stacks an adapter on the policy's
    own = OwnServer(context.folder / LOG, watch, settings.rank if isinstance(settings, RejectionSettings) else 0)

    def connect(base: Base) -> Sequence[Server]:
        return [own.start(base)] if settings.rollouts == START_SERVER else listed_servers(settings.rollouts)

    bf16 = bool(getattr(settings, "bf16", False))
    served = Served(connect, context.folder / FOLDER, context.run.public, watch, bf16)
    try:
        yield served
    finally:
        served.close()
        own.stop()


def listed_servers(rollouts: str) -> list[Server]:
    """Return the servers at these addresses. An address gets a key only if the environment variable names both."""
    keys = read_keys()
    return [Server(url, keys.get(url, "")) for url in split_addresses(rollouts)]


def sampler_report(sampler: Sampler) -> dict[str, Any]:
    """Return what a run's report says of its sampler; nothing of this process."""
    return sampler.report() if isinstance(sampler, Served) else {}
