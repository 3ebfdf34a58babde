# SPDX-License-Identifier: Apache-2.0
"""Let transformers read each process's part of a model alone, by slices of the safetensors files.

Relies on `from_pretrained` calling `maybe_distribute_model`, if it has a `distributed_config`, after it made the model
on the device `meta` and before it reads the weights; and on its reading of a DTensor, which takes this process's slice.
The configuration says "one process", so transformers itself shards nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from transformers import PreTrainedModel
from transformers.distributed import DistributedConfig


@contextmanager
def prepared_by(prepare: Callable[[PreTrainedModel], None]) -> Iterator[dict[str, Any]]:
    """Give arguments for `from_pretrained`, which calls `prepare` with the empty model; call it inside the block."""

    def distribute(cls: type, model: PreTrainedModel, *_: object) -> PreTrainedModel:
        del model.config.distributed_config
        prepare(model)
        return model

    patched: Any = PreTrainedModel  # which inherits the method
    patched.maybe_distribute_model = classmethod(distribute)
    try:
        yield {"distributed_config": DistributedConfig()}
    finally:
        del patched.maybe_distribute_model
