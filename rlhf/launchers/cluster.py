# SPDX-License-Identifier: Apache-2.0
"""The file `cluster.yaml` of a home: the Ray cluster that runs are sent to, and what each of them asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from labeling.texts.pages import bad_input

FILE = "cluster.yaml"


class Cluster(BaseModel):
    """A Ray cluster: `address` of its job server, `server` as its nodes reach this app, and the needs of a run.

    A run uses one node: `nodes` may only say so. `command` starts this program on a node, and job homes lie below
    `home` there. `memory` is in bytes; `resources` are Ray's custom resources, which may name a node.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = Field(pattern="^https?://")
    server: str = Field(pattern="^https?://")
    command: str = "preference-loop"
    home: str = "~/.local/share/preference-loop"
    nodes: int = Field(1, ge=1)
    gpus: float = Field(0, ge=0)
    cpus: float = Field(1, ge=0)
    memory: int = Field(0, ge=0)
    resources: Mapping[str, float] = {}
    environment: Mapping[str, str] = {}
    bases: Mapping[str, str] = {}

    @field_validator("address", "server")
    @classmethod
    def _check_url(cls, url: str) -> str:
        import httpx

        try:
            httpx.URL(url)
        except httpx.InvalidURL as problem:
            raise ValueError(str(problem)) from None
        return url


def read_cluster(home: Path) -> Cluster:
    """Return the home's cluster. Raises BadInput without the file, and for one that cannot be used."""
    file = home / FILE
    if not file.is_file():
        raise bad_input("need.cluster_file", field="launcher", path=str(file))
    try:
        given: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        cluster = Cluster.model_validate(given)
        if cluster.nodes > 1:
            raise bad_input("refused.nodes", field="launcher", nodes=cluster.nodes)
        return cluster
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        reason = f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
    except (OSError, ValueError, yaml.YAMLError) as problem:
        reason = str(problem).splitlines()[0]
    raise bad_input("refused.cluster_file", field="launcher", path=str(file), reason=reason)
