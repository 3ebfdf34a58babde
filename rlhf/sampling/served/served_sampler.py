# SPDX-License-Identifier: Apache-2.0
"""The sampler that sends each answer as a request to vLLM servers, which get the adapters as files.

The main process writes, loads and unloads the versions of adapters; each process asks for its own share of answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from labeling.texts.pages import bad_input
from reward.base import distributed
from reward.base.frozen_base import Base
from rlhf.common.http_json import RequestFailed
from rlhf.sampling.rollout_sampler import NoiseKey, SamplingLimits
from rlhf.sampling.sampler import Rollout, banned_ids, check_prompts
from rlhf.sampling.served.adapter_versions import AdapterVersions, Version
from rlhf.sampling.served.agreement import Agreement, check_agreement, check_request
from rlhf.sampling.served.server import CompletionRequest, ServedBase, Server, is_temporary
from rlhf.sampling.served.server_pool import ServerPool, Watch

HOTTEST = 4.0
"""Highest temperature: a server lowers the logits of banned tokens by 100 before it divides by the temperature."""

CHECKED = 2
"""Versions of a role that are checked: a LoRA that was never trained changes nothing, so its second one is too."""

Connect = Callable[[Base], Sequence[Server]]
"""It returns the servers of a run, whose base is loaded; it may start one."""


class Connection(NamedTuple):
    """The servers of a run, and the base that they serve, as the main process found them at the first publication."""

    servers: list[Server]
    base: ServedBase


@dataclass
class Served:
    """Samples on servers. `folder` is where they read adapters; `run` begins their names. Use `closing` it.

    `bf16`: this process computes in bfloat16, or the run does. `agreements` has the checks of models on
    servers, for the report.
    """

    connect: Connect
    folder: Path
    run: str
    watch: Watch
    bf16: bool = False
    agreements: dict[str, Agreement] = field(default_factory=dict)

    served = True

    def __post_init__(self) -> None:
        self._versions = AdapterVersions(self.folder, self.run)
        self._connection: Connection | None = None
        self._pool: ServerPool | None = None
        self._weights, self._longest = "", 0
        self._models: dict[str | None, Version | None] = {}

    def expect(self, length: int) -> None:
        """Let the first publication refuse servers that read fewer tokens."""
        self._longest = length

    def publish(self, base: Base) -> None:
        """Load the present weights of the active role into every server, under a new name if they changed.

        At first each server must compute the log-probabilities of this process. Raises BadInput otherwise.
        """
        if self._connection is None:
            self._connection = distributed.once(lambda: self._open(base))
            self._pool, self._weights = ServerPool(self._connection.servers, self.watch), base.weights
            self._check_context(min(self._longest, base.context - 1))
        if base.weights != self._weights:
            raise bad_input("refused.rollouts_bases", field="rollouts", base=base.name)
        role = base.active
        self._models[role] = distributed.once(lambda: self._publish(base, role))

    def answer(self, base: Base, prompts: list[list[int]], noise: NoiseKey, limits: SamplingLimits) -> Rollout:
        """Ask the servers for an answer to each prompt; see `Sampler.answer`."""
        assert self._pool is not None, "publish comes first"
        check_prompts(base, prompts, limits.temperature)
        if limits.temperature > HOTTEST:
            raise bad_input("refused.rollouts_temperature", field="temperature", most=HOTTEST)
        shape = self._request(base, self._models[base.active])._replace(temperature=limits.temperature)
        requests = [
            shape._replace(prompt=ids, max_tokens=min(limits.max_new_tokens, base.context - 1 - len(ids)), seed=seed)
            for ids, seed in zip(prompts, noise.request_seeds(), strict=True)
        ]
        self._check_context(max((len(one.prompt) + one.max_tokens for one in requests), default=0))
        completions = self._pool.complete(requests)
        return Rollout(*([list(column) for column in zip(*completions, strict=True)] or ([], [], [])))

    def close(self) -> None:
        """Unload every adapter of this run and delete its files; the main process does it."""
        if self._connection is not None and not distributed.rank():
            self._versions.close([member.server for member in self._pool.living()] if self._pool else [])

    def report(self) -> dict[str, Any]:
        """Return the servers and what their start checks found, for the run's report."""
        checks = {name: found._asdict() for name, found in self.agreements.items()}
        servers = [server.url for server in self._connection.servers] if self._connection else []
        return {"rollouts": {"servers": servers, "checks": checks}} if servers else {}

    def _open(self, base: Base) -> Connection:
        """Connect with the servers. Raises BadInput if one does not answer."""
        servers, bases = list(self.connect(base)), list[ServedBase]()
        for server in servers:
            try:
                bases.append(server.read_base())
            except RequestFailed as problem:
                raise server.failure(problem) from None
        if len({served.name for served in bases}) > 1:
            names = ", ".join(served.name for served in bases)
            raise bad_input("refused.rollouts_names", field="rollouts", names=names)
        return Connection(servers, min(bases, key=lambda served: served.context))

    def _publish(self, base: Base, role: str | None) -> Version | None:
        """Make a version of the role's weights if they are new; return the version to ask for.

        A server that is gone gets it when it comes back; at the start it is refused.
        """
        assert self._pool is not None, "publish has opened it"
        is_first = role not in self._models
        version = None if role is None else self._versions.write(base, role)
        if version is None and not is_first:
            return self._models[role]
        for member in self._pool.members if is_first else self._pool.living():
            try:
                self._load(base, member.server, version, checked=is_first or self._versions.count(role) <= CHECKED)
            except RequestFailed as problem:
                if is_first or not is_temporary(problem):
                    raise member.server.failure(problem) from None
                member.fail(problem)
        if role is not None:
            self._versions.retire(role, [member.server for member in self._pool.living()])
        return version

    def _load(self, base: Base, server: Server, version: Version | None, *, checked: bool) -> None:
        """Load a version into a server, and compare both sides' log-probabilities if it is to be `checked`."""
        if version is not None:
            server.load(version.name, version.folder)
        if checked:
            request = check_request(base, self._request(base, version))
            rounded = self.bf16 or base.causal.dtype != torch.float32
            found = check_agreement(base, server, request, rounded=rounded)
            self.agreements[f"{request.model} on {server.url}"] = found

    def _request(self, base: Base, version: Version | None) -> CompletionRequest:
        """Return what the requests to a version have in common."""
        assert self._connection is not None, "publish has opened it"
        name, folder = (version.name, version.folder) if version else (self._connection.base.name, None)
        return CompletionRequest(name, folder, [], 0, 1.0, 0, banned_ids(base), sorted(base.eos_ids))

    def _check_context(self, length: int) -> None:
        assert self._connection is not None, "publish has opened it"
        context = self._connection.base.context
        if length > context:
            raise bad_input("refused.rollouts_context", field="rollouts", context=context, length=length)
