# SPDX-License-Identifier: Apache-2.0
"""vLLM servers that write answers in the playground, with the adapters that they read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from labeling.texts.pages import bad_input
from reward.base.frozen_base import Base
from rlhf.sampling.rollout_sampler import IN_PROCESS, Sampler
from rlhf.sampling.served.opening import listed_servers
from rlhf.sampling.served.served_sampler import Served


class PlaygroundServers:
    """The servers of a playground's process, by their addresses and the base that they serve.

    Servers read adapters in `folder`; what an ended process left there is deleted. `check_stopped` may raise to end
    the waiting for an answer.
    """

    def __init__(self, folder: Path, check_stopped: Callable[[], None]) -> None:
        self._folder, self._check_stopped = folder, check_stopped
        self._served: dict[tuple[str, int], Served] = {}
        self._count = 0
        shutil.rmtree(folder, ignore_errors=True)

    def sampler(self, addresses: str, base: Base) -> Sampler:
        """Return what samples answers of policies on a base: servers, or without addresses this process."""
        if not addresses:
            return IN_PROCESS
        key = addresses, id(base)
        if key not in self._served:
            self._count += 1
            watch = partial(self._watch, key)
            self._served[key] = Served(
                lambda _: listed_servers(addresses), self._folder / str(self._count), "playground", watch
            )
        return self._served[key]

    def close(self) -> None:
        """Unload every adapter and delete its files."""
        for served in self._served.values():
            served.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _watch(self, key: tuple[str, int], reason: str) -> None:
        """Raise BadInput if no server works: unlike a run, a reader waits for the answer and can ask again.

        The next question connects anew, however long the servers were away.
        """
        self._check_stopped()
        if reason:
            self._served.pop(key).close()
            raise bad_input("refused.playground_servers", field="rollouts", reason=reason)
